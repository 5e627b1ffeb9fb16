// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/helper/process_dir.h"

#include <fcntl.h>
#include <linux/capability.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string_view>

#include "daemon/process_identity.h"

namespace tuneshift {

namespace {

constexpr size_t max_status_bytes = 1 << 20;  // 65536 supplementary groups fit
constexpr size_t max_command_line_bytes = 256;
constexpr size_t max_cgroup_bytes = 16384;

Error gone() {
  return {ErrorCode::not_found, "the process has gone", {}, 0};
}

// The rest of the line that begins with `key`.
std::string_view line_of(std::string_view text, std::string_view key) {
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view line = text.substr(at, end - at);
    if (line.substr(0, key.size()) == key) return line.substr(key.size());
    at = end + 1;
  }
  return {};
}

std::vector<unsigned> numbers(std::string_view line) {
  std::vector<unsigned> found;
  const std::string copy(line);
  char* end = nullptr;
  for (const char* at = copy.c_str();; at = end) {
    const unsigned long number = std::strtoul(at, &end, 10);
    if (end == at) return found;
    found.push_back(static_cast<unsigned>(number));
  }
}

}  // namespace

Result<ProcessDir> ProcessDir::open(int root_fd, const ProcessId& process) {
  if (process.pid <= 0) return gone();
  const std::string path = "proc/" + std::to_string(process.pid);
  UniqueFd fd(openat(root_fd, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? gone() : errno_error(errno, "open", path);
  ProcessDir directory(std::move(fd), process);
  if (!directory.alive()) return gone();
  return directory;
}

bool ProcessDir::alive() const {
  return started_at(read("stat", 4096), process_.start_ns);
}

std::string ProcessDir::read(const char* name, size_t max_bytes) const {
  const UniqueFd file(openat(fd_.get(), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  std::string text;
  if (!file) return text;
  char buffer[16384];
  while (text.size() < max_bytes) {
    const ssize_t got =
        ::read(file.get(), buffer, std::min(sizeof buffer, max_bytes - text.size()));
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

Result<Credentials> ProcessDir::credentials() const {
  const std::string status = read("status", max_status_bytes);
  // Real, effective, saved and file-system id: files are opened as the last.
  const auto uids = numbers(line_of(status, "Uid:"));
  const auto gids = numbers(line_of(status, "Gid:"));
  if (uids.size() != 4 || gids.size() != 4) return gone();
  Credentials credentials;
  credentials.uid = uids[3];
  credentials.gid = gids[3];
  for (const unsigned group : numbers(line_of(status, "Groups:"))) {
    credentials.groups.push_back(group);
  }
  const auto effective = parse_field(status, "CapEff:", 16).value_or(0);
  credentials.overrides_modes =
      (effective & (1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH)) != 0;
  return credentials;
}

std::string ProcessDir::cgroup() const {
  const std::string text = read("cgroup", max_cgroup_bytes);
  const std::string_view unified = line_of(text, "0::");
  if (unified.size() > 1) return std::string(unified);
  // The hierarchy's number comes first: "1:name=systemd:/user.slice".
  constexpr std::string_view systemd = ":name=systemd:";
  const size_t at = text.find(systemd);
  if (at == std::string::npos) return std::string(unified);
  const size_t begin = at + systemd.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

std::string ProcessDir::command_line() const {
  std::string text = read("cmdline", max_command_line_bytes);
  while (!text.empty() && text.back() == '\0') text.pop_back();
  for (char& c : text) {
    if (c == '\0') c = ' ';
  }
  return text;
}

std::string read_link_at(int directory_fd, const char* name) {
  char target[PATH_MAX];
  const ssize_t length = readlinkat(directory_fd, name, target, sizeof target);
  if (length <= 0 || length == sizeof target) return {};
  return {target, static_cast<size_t>(length)};
}

}  // namespace tuneshift
