// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/compare/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <map>
#include <set>
#include <vector>

#include "client/connection.h"
#include "libtune/kernel_fs.h"

namespace tuneshift {

namespace {

// In no kernel file's path, mode or name of a profile.
constexpr char kSeparator = '\t';

std::vector<std::string> joined(const std::string& first, const std::vector<std::string>& rest) {
  std::vector<std::string> all{first};
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

Status put_mode_back(const std::string& mode, const std::set<std::string>& ours) {
  auto daemon = Daemon::connect();
  if (!daemon) return daemon.error();
  const auto manager = daemon.value()->manager();
  if (!manager) return is_absent(manager.error()) ? Status() : manager.error();
  if (!ours.contains(manager.value()["mode"].text())) return {};  // somebody else's by now
  return daemon.value()->set_mode(mode);
}

Status put_value_back(const std::string& path, const std::string& ours,
                      const std::string& original) {
  auto kernel = KernelFs::open("/");
  if (!kernel) return kernel.error();
  const auto current = kernel.value().read(path);
  if (!current) return current.error();
  if (current.value() != ours) return {};  // somebody else's by now, or ours no more
  return kernel.value().write(path, original);
}

Status put_tuned_back(const std::vector<std::string>& arguments) {
  sigset_t none;
  sigemptyset(&none);
  const auto pid = start_command(tuned_command(arguments), none);
  if (!pid) return pid.error();
  if (reap(pid.value()) != 0) return Error{ErrorCode::io, "tuned-adm failed", {}, 0};
  return {};
}

Status put_one_back(const std::vector<std::string>& words) {
  if (words[0] == "mode") return put_mode_back(words[1], {words[2], words[3]});
  if (words[0] == "tuned") return put_tuned_back({words.begin() + 1, words.end()});
  return put_value_back(words[1], words[2], words[3]);
}

std::string read_to_end(int fd) {
  std::string text;
  std::array<char, 512> chunk;  // NOLINT: filled by read
  while (true) {
    const ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(chunk.data(), static_cast<size_t>(got));
  }
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> words(1);
  for (const char character : line) {
    if (character == kSeparator) {
      words.emplace_back();
    } else {
      words.back() += character;
    }
  }
  return words;
}

/// What is changed and not put back yet, by its kind. A line without an end is that of a killed
/// writer, which had not changed anything yet.
std::map<std::string, std::vector<std::string>> parse_changes(const std::string& text) {
  std::map<std::string, std::vector<std::string>> changes;
  size_t start = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', start)) {
    auto words = split(text.substr(start, end - start));
    start = end + 1;
    if (words[0] == "back") {
      changes.erase(words[1]);
    } else {
      changes[words[0]] = std::move(words);
    }
  }
  return changes;
}

/// The keeper's life: waits for the end of the socket, then puts all back. Its exit status.
int keep(int fd) {
  // A Ctrl-C is for the comparison, and must not end who puts it back.
  setsid();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_IGN);
  // What tuned-adm says is no part of the comparison's output.
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(nowhere, STDOUT_FILENO);
  int status = 0;
  // The mode last: a daemon in `auto` again must find neither our read-ahead nor our tuned profile.
  const auto changes = parse_changes(read_to_end(fd));
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    const Status done = put_one_back(change->second);
    if (done) continue;
    std::fprintf(stderr, "tuneshiftctl: not put back: %s\n", done.error().message.c_str());
    status = 1;
  }
  return status;
}

}  // namespace

std::vector<std::string> tuned_command(const std::vector<std::string>& arguments) {
  return joined("tuned-adm", arguments);
}

Result<Keeper> Keeper::start() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return errno_error(errno, "making a socket");
  OwnedFd keepers(ends[0]);
  OwnedFd ours(ends[1]);
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return errno_error(errno, "starting a process");
  if (pid == 0) {
    close(ends[1]);
    _exit(keep(ends[0]));
  }
  return Keeper(std::move(ours), pid);
}

Status Keeper::tell(const std::vector<std::string>& words) {
  std::string line = words[0];
  for (size_t i = 1; i < words.size(); ++i) line += kSeparator + words[i];
  line += '\n';
  // Far below what a socket takes at once.
  if (send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL) ==
      static_cast<ssize_t>(line.size()))
    return {};
  return errno_error(errno, "the process that puts everything back is gone");
}

Status Keeper::keep_mode(const std::string& mode, const std::array<std::string, 2>& ours) {
  return tell({"mode", mode, ours[0], ours[1]});
}

Status Keeper::keep_value(const std::string& path, const std::string& ours,
                          const std::string& original) {
  return tell({"value", path, ours, original});
}

Status Keeper::keep_tuned(const std::vector<std::string>& way_back) {
  return tell(joined("tuned", way_back));
}

Status Keeper::forget_value() {
  return tell({"back", "value"});
}

Status Keeper::forget_tuned() {
  return tell({"back", "tuned"});
}

Status Keeper::put_back() {
  if (pid_ < 0) return {};
  { const OwnedFd closed = std::move(socket_); }
  const int status = reap(pid_);
  pid_ = -1;
  if (status == 0) return {};
  return Error{ErrorCode::io, "not everything is as it was before", {}, 0};
}

}  // namespace tuneshift
