// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/compare/runner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "client/bench/read_speed.h"
#include "client/bench/store.h"
#include "libtune/number.h"

namespace tuneshift {

namespace {

constexpr int kRenewMs = 30'000;
// As deep as a network store wants it, see docs/benchmarks.md.
constexpr ReadPattern kCeilingPattern{.block_bytes = 1 << 20, .depth = 16, .random = false};
constexpr std::chrono::milliseconds kCeilingTime{500};

std::string read_to_end(int fd) {
  std::string text;
  std::array<char, 4096> chunk;  // NOLINT: filled by read
  for (ssize_t got = 0; (got = read(fd, chunk.data(), chunk.size())) > 0;)
    text.append(chunk.data(), static_cast<size_t>(got));
  return text;
}

Result<uint64_t> measure(const std::string& path, const std::string& what) {
  const auto& names = reader_names();
  if (what != kCeiling) {
    const auto at = std::find(names.begin(), names.end(), what) - names.begin();
    return load_file(path, static_cast<ReadOrder>(at));
  }
  const auto store = open_store(path, UINT64_MAX);
  if (!store) return store.error();
  const auto speed = measure_reads(store.value().fd.get(), store.value().size_bytes,
                                   kCeilingPattern, kCeilingTime);
  if (!speed) return speed.error();
  return speed.value().bytes_a_second();
}

}  // namespace

Status Runner::wait(pid_t pid) {
  const auto pidfd = open_pidfd(pid);
  if (!pidfd) return pidfd.error();
  while (true) {
    std::array<pollfd, 2> polled = {{{.fd = stop_.fd(), .events = POLLIN, .revents = 0},
                                     {.fd = pidfd.value().get(), .events = POLLIN, .revents = 0}}};
    if (poll(polled.data(), polled.size(), kRenewMs) == 0) {
      if (Status renewed = renew_(); !renewed) return renewed;
    }
    bool by_terminal = false;
    if (stop_.next(by_terminal) != 0) return Error{ErrorCode::io, "interrupted", {}, EINTR};
    if (polled[1].revents != 0) return {};
  }
}

Result<Ran> Runner::run_to(const std::vector<std::string>& command, int output, int errors) {
  if (const Status renewed = renew_(); !renewed) return renewed.error();
  const auto start = std::chrono::steady_clock::now();
  const auto pid = start_command(command, stop_.mask_before(), output, errors);
  if (!pid) return pid.error();
  last_pid_ = pid.value();
  const Status waited = wait(pid.value());
  if (!waited) kill(pid.value(), SIGKILL);
  Ran ran;
  ran.status = reap(pid.value());
  ran.ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (!waited) return waited.error();
  return ran;
}

Result<Ran> Runner::run(const std::vector<std::string>& command) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error(errno, "making a pipe");
  const OwnedFd from(ends[0]);
  Result<Ran> ran = [&] {
    const OwnedFd to(ends[1]);
    return run_to(command, to.get(), to.get());
  }();
  if (ran) ran.value().output = read_to_end(from.get());
  return ran;
}

Result<Ran> Runner::run_silently(const std::vector<std::string>& command) {
  const OwnedFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  return run_to(command, nowhere.get(), -1);
}

Result<std::string> Runner::ask_child(const std::vector<std::string>& arguments) {
  std::error_code failure;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (failure) return errno_error(failure.value(), "finding this program");
  std::vector<std::string> command = {program, kChildVerb};
  command.insert(command.end(), arguments.begin(), arguments.end());
  auto ran = run(command);
  if (!ran) return ran.error();
  if (ran.value().status != 0) {
    const std::string why =
        ran.value().output.empty()
            ? "the process that loads ended with status " + std::to_string(ran.value().status)
            : ran.value().output;
    return Error{ErrorCode::io, why, {}, 0};
  }
  return ran.value().output;
}

Result<double> Runner::load(const std::string& path, ReadOrder reader) {
  const auto said = ask_child({path, reader_names()[static_cast<size_t>(reader)]});
  if (!said) return said.error();
  return static_cast<double>(parse_integer(said.value()).value_or(0)) / 1e6;
}

Result<uint64_t> Runner::measure_ceiling(const std::string& path) {
  const auto said = ask_child({path, kCeiling});
  if (!said) return said.error();
  return static_cast<uint64_t>(parse_integer(said.value()).value_or(0));
}

int run_compare_child(const std::string& path, const std::string& what) {
  // Whoever asked was killed: nobody wants the figure.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto figure = measure(path, what);
  const std::string said = figure ? std::to_string(figure.value()) : figure.error().message;
  std::fputs(said.c_str(), stdout);
  return figure ? 0 : 1;
}

}  // namespace tuneshift
