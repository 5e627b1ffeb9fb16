// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <memory>

namespace tuneshift {

namespace {

constexpr size_t max_complaint = 64 << 10;
constexpr int lru_entries_a_cpu = 256;  // twice what each takes
// Some machines have room for thousands of CPUs, and the maps' memory is taken at once.
constexpr int most_lru_cpus = 512;

// libbpf prints its reasons instead of returning them; they wait here for the error's text.
std::string& complaint() {
  static std::string text;
  return text;
}

int keep_complaint(libbpf_print_level level, const char* format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

int keep_complaint(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || complaint().size() > max_complaint) return 0;
  char* text = nullptr;
  const int length = vasprintf(&text, format, arguments);
  if (length < 0) return 0;
  complaint().append(text, static_cast<size_t>(length));
  free(text);
  return length;
}

void start_listening() {
  complaint().clear();
  libbpf_set_print(keep_complaint);
}

std::string line_at(std::string_view text, size_t start) {
  return std::string(text.substr(start, text.find('\n', start) - start));
}

// The verifier's verdict is the last line before its statistics; without one, libbpf's first words.
std::string reason_in_complaint() {
  const std::string_view text = complaint();
  const size_t statistics = text.find("\nprocessed ");
  if (statistics != std::string_view::npos && statistics > 0) {
    const size_t before = text.rfind('\n', statistics - 1);
    return line_at(text, before == std::string_view::npos ? 0 : before + 1);
  }
  return line_at(text, 0);
}

Error load_error(int error) {
  if (error == EPERM)
    return {ErrorCode::permission, "not permitted: CAP_BPF and CAP_PERFMON", {}, error};
  Error result = errno_error(error, "loading");
  const std::string reason = reason_in_complaint();
  if (!reason.empty()) result.message += " (" + reason + ")";
  complaint().clear();
  return result;
}

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};

Status prepare_maps(bpf_object* object, const BpfMaps& shared) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    const auto found = shared.find(std::string_view(bpf_map__name(map)));
    int error = 0;
    if (found != shared.end()) {
      error = bpf_map__reuse_fd(map, found->second.get());
    } else if (bpf_map__type(map) == BPF_MAP_TYPE_LRU_HASH) {
      error = bpf_map__set_max_entries(
          map, lru_entries(bpf_map__max_entries(map), libbpf_num_possible_cpus()));
    }
    if (error != 0) return load_error(-error);
  }
  return {};
}

Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return errno_error(errno, "dup");
  return copy;
}

}  // namespace

uint32_t lru_entries(uint32_t declared, int possible_cpus) {
  if (possible_cpus <= 0) return declared;
  const int wanted = lru_entries_a_cpu * std::min(possible_cpus, most_lru_cpus);
  return std::max(declared, static_cast<uint32_t>(wanted));
}

Result<BpfObject> load_bpf_object(const char* name, std::span<const char> image,
                                  const BpfMaps& shared) {
  start_listening();
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name);
  const std::unique_ptr<bpf_object, CloseObject> object(
      bpf_object__open_mem(image.data(), image.size(), &options));
  if (!object) return load_error(errno);
  Status status = prepare_maps(object.get(), shared);
  if (!status.ok()) return status.error();
  const int error = bpf_object__load(object.get());
  if (error != 0) return load_error(-error);

  BpfObject loaded;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) {
    Result<UniqueFd> fd = duplicate(bpf_program__fd(program));
    if (!fd.ok()) return fd.error();
    loaded.programs.push_back(std::move(fd).value());
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get()) {
    Result<UniqueFd> fd = duplicate(bpf_map__fd(map));
    if (!fd.ok()) return fd.error();
    loaded.maps.emplace(bpf_map__name(map), std::move(fd).value());
  }
  return loaded;
}

Result<UniqueFd> attach_bpf_program(const UniqueFd& program) {
  const int link = bpf_raw_tracepoint_open(nullptr, program.get());
  if (link < 0) return errno_error(-link, "attaching");
  return UniqueFd(link);
}

Result<UniqueFd> attach_to_cgroup(const UniqueFd& program, const UniqueFd& cgroup) {
  const int link = bpf_link_create(program.get(), cgroup.get(), BPF_CGROUP_SYSCTL, nullptr);
  if (link < 0) return errno_error(-link, "attaching to the root cgroup");
  return UniqueFd(link);
}

Result<std::vector<std::string>> missing_tracepoints(const std::vector<std::string>& names) {
  start_listening();
  const std::unique_ptr<btf, FreeBtf> types(btf__load_vmlinux_btf());
  if (!types) {
    const int error = errno;
    if (error == ENOENT || error == ESRCH)
      return Error{ErrorCode::unsupported, "no BTF: /sys/kernel/btf/vmlinux is missing", {}, error};
    return errno_error(error, "no BTF: reading /sys/kernel/btf/vmlinux");
  }
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const std::string type = "btf_trace_" + name;
    if (btf__find_by_name_kind(types.get(), type.c_str(), BTF_KIND_TYPEDEF) < 0)
      missing.push_back(name);
  }
  return missing;
}

}  // namespace tuneshift
