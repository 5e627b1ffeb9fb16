// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "client/args.h"
#include "client/child.h"
#include "client/session.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

constexpr size_t kChunkBytes = 64 << 10;

struct RecordArguments {
  std::string file;
  std::string duration;
  bool hash_paths = false;
  bool force = false;
};

Error system_error(const std::string& what) {
  return errno_error(errno, what);
}

struct Ends {
  OwnedFd ours;
  OwnedFd daemons;
};

Result<Ends> make_sockets() {
  std::array<int, 2> fds{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0)
    return system_error("cannot make a socket");
  return Ends{OwnedFd(fds[0]), OwnedFd(fds[1])};
}

/// Copies what the daemon sends into the file.
class Copy {
 public:
  Copy(int from, int to) : from_(from), to_(to) {}

  /// Takes what is there; false when the daemon has closed its end.
  Result<bool> step() {
    std::array<char, kChunkBytes> chunk;  // NOLINT: filled by recv
    const ssize_t got = recv(from_, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got < 0) return system_error("cannot read from tuneshiftd");
    lines_ += static_cast<uint64_t>(std::count(chunk.begin(), chunk.begin() + got, '\n'));
    for (ssize_t done = 0; done < got;) {
      const ssize_t written = write(to_, chunk.data() + done, static_cast<size_t>(got - done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return system_error("cannot write the trace");
      done += written;
    }
    return got > 0;
  }

  [[nodiscard]] uint64_t lines() const { return lines_; }

 private:
  int from_;
  int to_;
  uint64_t lines_ = 0;
};

int poll_timeout(uint64_t until_us) {
  if (until_us == 0) return -1;
  const uint64_t now = now_us();
  if (now >= until_us) return 0;
  return static_cast<int>(std::min<uint64_t>((until_us - now + 999) / 1000, INT32_MAX));
}

/// Until Ctrl-C or the time is over (0: none). The daemon ends a trace that has become too long.
Status copy_all(Daemon& daemon, const TerminationSignals& stop, Copy& copy, int socket,
                uint64_t until_us) {
  bool stopped = false;
  while (true) {
    std::array<pollfd, 2> others = {{{.fd = stop.fd(), .events = POLLIN, .revents = 0},
                                     {.fd = socket, .events = POLLIN, .revents = 0}}};
    const auto signals = daemon.wait(poll_timeout(until_us), others);
    bool by_terminal = false;
    const bool ends = stop.next(by_terminal) != 0 || (until_us != 0 && now_us() >= until_us);
    if (ends && !stopped) {
      stopped = true;
      until_us = 0;
      if (const auto done = daemon.stop_record(); !done) return done.error();
    }
    const auto open = copy.step();
    if (!open) return open.error();
    if (!open.value() && stopped) return {};
    if (!open.value())
      return Error{ErrorCode::io,
                   "tuneshiftd ended the recording: it stops, or the trace is as long "
                   "as one may be",
                   {},
                   0};
    if (!signals) return signals.error();
  }
}

/// The trace's file. One that is overwritten is so when there is something to write: until then the
/// new one has another name.
class TraceFile {
 public:
  TraceFile(std::string name, bool overwrites)
      : name_(std::move(name)), made_name_(overwrites ? name_ + ".XXXXXX" : name_) {}
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;
  ~TraceFile() {
    if (is_made_ && !is_kept_) unlink(made_name_.c_str());
  }

  Status make() {
    // Nobody else's business: it names files and commands of other users.
    if (made_name_ == name_) {
      fd_.emplace(open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    } else {
      struct stat there {};
      if (lstat(name_.c_str(), &there) == 0 && !S_ISREG(there.st_mode))
        return Error{ErrorCode::invalid_argument, printable(name_) + " is no regular file", {}, 0};
      fd_.emplace(mkostemp(made_name_.data(), O_CLOEXEC));
    }
    is_made_ = fd_->get() >= 0;
    return is_made_ ? Status() : system_error(name_);
  }

  Status keep() {
    if (made_name_ != name_ && rename(made_name_.c_str(), name_.c_str()) != 0)
      return system_error(name_);
    is_kept_ = true;
    return {};
  }

  [[nodiscard]] int fd() const { return fd_->get(); }

 private:
  std::string name_;
  std::string made_name_;
  std::optional<OwnedFd> fd_;
  bool is_made_ = false;
  bool is_kept_ = false;
};

int record(Daemon& daemon, const Session& session, const RecordArguments& arguments) {
  auto stop = TerminationSignals::block();
  if (!stop) return fail(stop.error());
  TraceFile file(arguments.file, arguments.force);
  if (const Status made = file.make(); !made) return fail(made.error());
  auto ends = make_sockets();
  if (!ends) return fail(ends.error());
  const OwnedFd ours = std::move(ends.value().ours);
  {
    const OwnedFd daemons = std::move(ends.value().daemons);
    if (const auto begun = daemon.record(daemons.get(), arguments.hash_paths); !begun)
      return fail(begun.error());
  }
  if (const Status kept = file.keep(); !kept) return fail(kept.error());
  uint64_t until_us = 0;
  if (!arguments.duration.empty())
    until_us = now_us() + parse_duration(arguments.duration).value() * 1000000;
  if (!session.json && until_us == 0) {
    print("Recording to " + printable(arguments.file) + " until Ctrl-C.\n");
    std::fflush(stdout);
  }
  Copy copy(ours.get(), file.fd());
  const auto copied = copy_all(daemon, stop.value(), copy, ours.get(), until_us);
  if (session.json) {
    print(Json::object().set("file", arguments.file).set("lines", copy.lines()));
  } else {
    print(counted(copy.lines(), "line") + " in " + printable(arguments.file) + ".\n");
  }
  return copied ? kSuccess : fail(copied.error());
}

}  // namespace

void add_record_verbs(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<RecordArguments>();
  auto* verb = app.add_subcommand("record", "Record what is seen and decided, for 'replay'");
  verb->add_option("FILE", arguments->file, "A new file")->required();
  verb->add_option("--for", arguments->duration, "Such as 10m; without it, until Ctrl-C")
      ->type_name("TIME")
      ->check(check_duration);
  verb->add_flag("--hash-paths", arguments->hash_paths,
                 "Replace names by hashes, to show the trace to others");
  verb->add_flag("--force", arguments->force, "Overwrite FILE");
  verb->callback([&session, arguments] {
    session.verb = [&session, arguments](Daemon& daemon) {
      return record(daemon, session, *arguments);
    };
  });
}

}  // namespace tuneshift
