// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/tuned_process.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/process_identity.h"
#include "daemon/unique_fd.h"
#include "libtune/number.h"
#include "libtune/trusted_file.h"
#include "libtune/tuned_file.h"
#include "libtune/tuned_knobs.h"
#include "libtune/tuned_profile.h"

namespace tuneshift {

namespace {

constexpr size_t most_threads = 256;
constexpr size_t most_directories = 16;
constexpr size_t longest_names = 1024;
constexpr size_t longest_settings = 64 << 10;
constexpr uint64_t second_ns = 1'000'000'000;

std::string proc_file(pid_t pid, const std::string& name) {
  return "proc/" + std::to_string(pid) + "/" + name;
}

struct ShortFile {
  bool is_there = false;
  std::string text;
  uint64_t written_ns = 0;  ///< of CLOCK_BOOTTIME
};

uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * second_ns + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t written_ns(const struct stat& status) {
  const uint64_t at = static_cast<uint64_t>(status.st_mtim.tv_sec) * second_ns +
                      static_cast<uint64_t>(status.st_mtim.tv_nsec);
  const uint64_t now = clock_ns(CLOCK_REALTIME);
  const uint64_t boot = clock_ns(CLOCK_BOOTTIME);
  const uint64_t ago = now > at ? now - at : 0;
  return boot > ago ? boot - ago : 0;
}

/// A short file of somebody's; not there if it is too long or no regular file.
ShortFile read_short(const std::string& path, size_t most) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::string text(most + 1, '\0');
  const ssize_t got = read(file.get(), text.data(), text.size());
  if (got < 0 || static_cast<size_t>(got) > most) return {};
  text.resize(static_cast<size_t>(got));
  return {true, std::move(text), written_ns(status)};
}

/// Names on one line, without what is around them.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

pid_t read_pid(const TunedPaths& paths) {
  constexpr pid_t largest = 1 << 22;  // PID_MAX_LIMIT
  const ShortFile file = read_short(paths.run_directory + "/tuned.pid", 16);
  if (file.text.empty()) return 0;
  pid_t pid = 0;
  for (const char c : file.text) {
    if (c == '\n') break;
    if (c < '0' || c > '9' || pid > largest) return 0;
    pid = pid * 10 + (c - '0');
  }
  return pid <= largest ? pid : 0;
}

bool runs_tuned(const KernelFs& kernel, pid_t pid) {
  const auto line = kernel.read(proc_file(pid, "cmdline"));
  if (!line) return false;
  // "/usr/bin/python3 -Es /usr/sbin/tuned -l -P": the script is among the first.
  std::string_view rest = line.value();
  for (int argument = 0; argument < 6 && !rest.empty(); ++argument) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    const std::string_view word = rest.substr(0, end);
    if (word.substr(word.rfind('/') + 1) == "tuned") return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

std::string main_setting(const TunedPaths& paths, std::string_view key) {
  const ShortFile file = read_short(paths.config_directory + "/tuned-main.conf", longest_settings);
  const auto sections = parse_tuned_file(file.text, true);
  if (!sections) return "";
  for (const TunedSection& section : sections.value()) {
    if (const std::string* value = section.find(key)) return *value;
  }
  return "";
}

// tuned-main.conf(5): separated by , or ;
std::vector<std::string> profile_directories(const TunedPaths& paths) {
  const std::string named = main_setting(paths, "profile_dirs");
  std::vector<std::string> directories;
  for (size_t begin = 0; begin < named.size() && directories.size() < most_directories;) {
    const size_t end = std::min(named.find_first_of(",;", begin), named.size());
    std::string directory = named.substr(begin, end - begin);
    std::replace(directory.begin(), directory.end(), '\t', ' ');
    directory = one_line(std::move(directory));
    if (!directory.empty() && directory.front() == '/') directories.push_back(std::move(directory));
    begin = end + 1;
  }
  if (!directories.empty()) return directories;
  return tuned_directories(paths.library_directory, paths.config_directory);
}

bool is_off(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text == "0" || text == "false" || text == "no" || text == "off";
}

}  // namespace

pid_t find_tuned(const KernelFs& kernel, const TunedPaths& paths) {
  const pid_t pid = read_pid(paths);
  return pid > 0 && runs_tuned(kernel, pid) ? pid : 0;
}

bool is_pid_file_of(const TunedPaths& paths, pid_t pid) {
  return read_pid(paths) == pid;
}

bool rolls_back(const TunedPaths& paths) {
  return !is_off(main_setting(paths, "daemon")) && main_setting(paths, "rollback") != "not_on_exit";
}

uint64_t newest_thread_ns(const KernelFs& kernel, pid_t pid) {
  const auto threads = kernel.list(proc_file(pid, "task"));
  if (!threads) return 0;
  static const auto ticks_per_second = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  uint64_t newest = 0;
  size_t count = 0;
  for (const std::string& thread : threads.value()) {
    if (++count > most_threads) break;
    const auto stat = kernel.read(proc_file(pid, "task/" + thread + "/stat"));
    const auto ticks = stat ? parse_start_ticks(stat.value()) : std::nullopt;
    if (ticks) newest = std::max(newest, *ticks);
  }
  return newest * (second_ns / ticks_per_second);
}

ActiveProfiles read_active_profiles(const TunedPaths& paths, bool had_post_loaded) {
  constexpr uint64_t longest_write_ns = second_ns;  // what is empty for longer is meant so
  const uint64_t now = clock_ns(CLOCK_BOOTTIME);
  const ShortFile active = read_short(paths.config_directory + "/active_profile", longest_names);
  const ShortFile post = read_short(paths.config_directory + "/post_loaded_profile", longest_names);
  const auto is_emptied = [now](const ShortFile& file) {
    return file.is_there && file.text.empty() && file.written_ns + longest_write_ns > now;
  };
  const std::string post_loaded = one_line(post.text);
  std::string names = one_line(active.text + ' ' + post_loaded);
  return {std::move(names), active.written_ns, !post_loaded.empty(),
          is_emptied(active) || (had_post_loaded && is_emptied(post))};
}

Result<KeptValues> read_kept_values(const KernelFs& kernel, const TunedPaths& paths,
                                    const std::string& profiles) {
  if (profiles.empty()) return KeptValues{};
  const auto profile = read_tuned_profile(kernel, profile_directories(paths), profiles);
  if (!profile) return profile.error();
  KeptValues values = tuned_values(kernel, profile.value());
  if (is_off(main_setting(paths, "reapply_sysctl"))) return values;
  for (const auto& [name, value] :
       read_sysctl_settings({"/run/sysctl.d", "/etc/sysctl.d"}, "/etc/sysctl.conf")) {
    const auto kept = values.find(name);
    if (kept != values.end()) kept->second = value;
  }
  return values;
}

}  // namespace tuneshift
