// SPDX-License-Identifier: LGPL-2.1-or-later
// Tiers: what works, what doesn't, and whether that is told.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "bpf/reader_event.h"
#include "daemon/bpf_images.h"
#include "daemon/bpf_object.h"
#include "daemon/kernel_symbols.h"
#include "tests/bpf/read_ways.h"
#include "tests/bpf/reader_process.h"
#include "tests/bpf/watch.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

bool drop_bpf_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  for (const unsigned capability : {CAP_BPF, CAP_SYS_ADMIN, CAP_PERFMON}) {
    data[capability / 32].effective &= ~(1U << capability % 32);
    data[capability / 32].permitted &= ~(1U << capability % 32);
  }
  return syscall(SYS_capset, &header, data) == 0;
}

uint64_t total(const std::vector<uint64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

// The whole disk under a partition, as sysfs knows it.
FileId disk_of(const FileId& file) {
  const std::string link = "/sys/dev/block/" + std::to_string(file.device_major) + ":" +
                           std::to_string(file.device_minor);
  std::filesystem::path block = std::filesystem::canonical(link);
  if (std::filesystem::exists(block / "partition")) block = block.parent_path();
  FileId disk;
  char colon = 0;
  std::ifstream(block / "dev") >> disk.device_major >> colon >> disk.device_minor;
  return disk;
}

uint32_t entries(const UniqueFd& map) {
  bpf_map_info info{};
  uint32_t size = sizeof info;
  REQUIRE(bpf_obj_get_info_by_fd(map.get(), &info, &size) == 0);
  return info.max_entries;
}

}  // namespace

TEST_CASE("the self-test finds every signal working and leaves nothing behind") {
  const ScratchDirectory directory;
  Watch watch(directory.path());
  watch.probes().self_test();
  for (const auto& [name, state] : watch.probes().signals()) {
    CAPTURE(name, state.why);
    CHECK(state.tier == Tier::ok);
    if (name != "cache_fills" && name != "nfs_reads" && name != "sysctl_writes")
      CHECK(state.why.substr(0, 6) == "tested");
  }
  CHECK(watch.probes().signals().size() == 6);
  CHECK(watch.of(getpid()).empty());
  CHECK(std::filesystem::is_empty(directory.path()));

  const ColdFile file(directory, floor_bytes);
  REQUIRE(run_reader([&] { return read_sequentially(file.path()); }));
  CHECK_FALSE(watch.of(file.id()).empty());
}

TEST_CASE("an LRU map has room for what each CPU takes for itself") {
  CHECK(lru_entries(1024, 4) == 1024);
  CHECK(lru_entries(1024, 5) == 1280);
  CHECK(lru_entries(8192, 64) == 16384);
  CHECK(lru_entries(8192, 8192) == 131072);
  CHECK(lru_entries(8192, -EINVAL) == 8192);
  const auto shared = load_bpf_object("shared_maps", shared_maps_image(), {});
  REQUIRE(shared.ok());
  const auto mappings = load_bpf_object("mappings", mappings_image(), shared.value().maps);
  REQUIRE(mappings.ok());
  const int cpus = libbpf_num_possible_cpus();
  const BpfMaps& maps = mappings.value().maps;
  CHECK(entries(maps.at("readers")) == lru_entries(TUNESHIFT_READERS, cpus));
  CHECK(entries(maps.at("verdicts")) == lru_entries(TUNESHIFT_READERS, cpus));
  CHECK(entries(maps.at("budgets")) == lru_entries(1024, cpus));
  CHECK(entries(maps.at("settings")) == 1);
}

TEST_CASE("a signal that is switched off is not loaded, and the others work") {
  const ScratchDirectory directory;
  Probes probes({.size_floor_bytes = floor_bytes,
                 .selftest_directory = directory.path(),
                 .off = {"reads", "cache_fills", "nfs_reads"}},
                [](const Event&) {});
  probes.self_test();
  probes.watch_cache_fills(true);
  probes.watch_nfs_reads(true);
  for (const char* name : {"reads", "cache_fills", "nfs_reads"}) {
    const SignalState& off = probes.signals().at(name);
    CHECK(off.tier == Tier::absent);
    CHECK(off.why == "switched off in the configuration");
  }
  CHECK(probes.signals().at("mappings").tier == Tier::ok);
  CHECK(probes.signals().at("latency").tier == Tier::ok);
  CHECK(probes.signals().size() == 6);

  probes.explain_absence("reads", Tier::fallback, "sampled");
  CHECK(probes.signals().at("reads").tier == Tier::fallback);
  CHECK(probes.signals().at("reads").why == "switched off in the configuration: sampled");
  probes.explain_absence("cache_fills", Tier::absent, "unseen");
  CHECK(probes.signals().at("cache_fills").tier == Tier::absent);
  CHECK(probes.signals().at("cache_fills").why == "switched off in the configuration: unseen");
  probes.explain_absence("mappings", Tier::fallback, "sampled");
  CHECK(probes.signals().at("mappings").tier == Tier::ok);
}

TEST_CASE("where the self-test has no disk it says so") {
  Watch watch("/dev/shm");
  watch.probes().self_test();
  CHECK(watch.probes().signals().at("reads").tier == Tier::ok);
  CHECK(watch.probes().signals().at("reads").why ==
        "attached, not tested: /dev/shm has no block device");
}

TEST_CASE("hidden kernel addresses cost direct reads alone") {
  const ScratchDirectory root;
  const ScratchDirectory directory;
  std::filesystem::create_directory(root.path() + "/proc");
  std::ofstream(root.path() + "/proc/kallsyms") << "0000000000000000 T iomap_dio_bio_end_io_other\n"
                                                   "0000000000000000 T iomap_dio_bio_end_io\n";
  const ColdFile file(directory, floor_bytes);
  Probes probes({.size_floor_bytes = floor_bytes,
                 .selftest_directory = directory.path(),
                 .kernel_root = root.path()},
                [](const Event&) {});
  probes.self_test();
  const SignalState& reads = probes.signals().at("reads");
  CHECK(reads.tier == Tier::fallback);
  CHECK(reads.why == "direct reads are not seen: the kernel hides the addresses of its symbols");
}

TEST_CASE("kernel symbols are found by their whole name") {
  const ScratchDirectory root;
  std::filesystem::create_directory(root.path() + "/proc");
  std::ofstream(root.path() + "/proc/kallsyms") << "ffffffff81000010 T wanted_not\n"
                                                   "ffffffffc0000020 t wanted\t[module]\n"
                                                   "ffffffff81000030 T also\n";
  CHECK(kernel_symbol_address(root.path(), "wanted").value() == 0xffffffffc0000020);
  CHECK(kernel_symbol_address(root.path(), "also").value() == 0xffffffff81000030);
  CHECK(kernel_symbol_address(root.path(), "ed").error().code == ErrorCode::not_found);
}

TEST_CASE("kernel symbols are read as whoever opened the list as standard input may") {
  const ScratchDirectory root;
  std::filesystem::create_directory(root.path() + "/proc");
  const std::string list = root.path() + "/proc/kallsyms";
  std::ofstream(list) << "ffffffff81000030 T wanted\n";
  const UniqueFd before(dup(STDIN_FILENO));
  const bool is_list = GENERATE(true, false);
  const UniqueFd input(open(is_list ? list.c_str() : "/proc/self/maps", O_RDONLY | O_CLOEXEC));
  REQUIRE(dup2(input.get(), STDIN_FILENO) == STDIN_FILENO);
  char byte = 0;
  const bool is_read = read(STDIN_FILENO, &byte, 1) == 1;  // it begins at its beginning anyhow
  const auto address = kernel_symbol_address(root.path(), "wanted");
  const off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
  dup2(before.get(), STDIN_FILENO);
  REQUIRE(is_read);
  CHECK(address.value() == 0xffffffff81000030);
  CHECK((at > 1) == is_list);
}

TEST_CASE("without permission every signal is absent and says why") {
  REQUIRE(run_reader([] {
    if (!drop_bpf_capabilities()) return false;
    Probes probes({.size_floor_bytes = floor_bytes, .selftest_directory = "/var/tmp"},
                  [](const Event&) {});
    probes.self_test();
    probes.dispatch();
    probes.watch_cache_fills(true);
    const Reader nobody;
    probes.silence(nobody);
    bool good = probes.poll_fd() == -1 && probes.bytes_seen(nobody) == 0 &&
                probes.latency(1, 2).read.device.empty() && probes.signals().size() == 6;
    for (const auto& [name, state] : probes.signals())
      good = good && state.tier == Tier::absent &&
             state.why == "not permitted: CAP_BPF and CAP_PERFMON";
    return good;
  }));
}

TEST_CASE("the latency of a disk's reads is counted") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  Watch watch(directory.path());
  const FileId disk = disk_of(file.id());
  const auto reads = [&] {
    return watch.probes().latency(disk.device_major, disk.device_minor).read;
  };
  const uint64_t before = total(reads().device);
  REQUIRE(run_reader([&] { return read_directly(file.path()); }));
  const RequestCounts after = reads();
  // A request holds at most a few megabytes, and no disk answers in less than a microsecond.
  CHECK(total(after.device) >= before + floor_bytes / (4 * mib));
  CHECK(after.device.size() == 27);
  CHECK(after.device[0] < total(after.device));
  CHECK(watch.probes().latency(4095, 1).read.device.empty());
}

TEST_CASE("the sizes of a disk's requests are counted, and how long they were queued") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  Watch watch(directory.path());
  const FileId disk = disk_of(file.id());
  REQUIRE(run_reader([&] { return read_directly(file.path()); }));
  const RequestCounts reads = watch.probes().latency(disk.device_major, disk.device_minor).read;
  CHECK(total(reads.sizes) == total(reads.device));
  CHECK(total(reads.queue) <= total(reads.device));
  uint64_t least_bytes = 0;
  for (size_t i = 0; i < reads.sizes.size(); ++i) least_bytes += reads.sizes[i] << i;
  CHECK(2 * least_bytes >= floor_bytes);
  // No disk has sectors of less than 512 bytes.
  CHECK(std::accumulate(reads.sizes.begin(), reads.sizes.begin() + 9, uint64_t{0}) == 0);
}
