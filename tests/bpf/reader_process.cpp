// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bpf/reader_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <stdexcept>
#include <utility>

namespace tuneshift::test {

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    read_end = UniqueFd(ends[0]);
    write_end = UniqueFd(ends[1]);
  }
  UniqueFd read_end;
  UniqueFd write_end;
};

bool exited_well(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// True once the test says go, false when it went away instead.
bool wait_for_go(Pipe& go) {
  go.write_end = UniqueFd();
  char byte = 0;
  return read(go.read_end.get(), &byte, 1) == 1;
}

[[noreturn]] void guard(const std::function<bool()>& work, Pipe& pids, Pipe& go) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const pid_t reader = fork();
  if (reader == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(wait_for_go(go) && work() ? 0 : 1);
  }
  go.write_end = UniqueFd();
  const bool told = write(pids.write_end.get(), &reader, sizeof reader) == sizeof reader;
  _exit(told && exited_well(reader) ? 0 : 1);
}

}  // namespace

ReaderProcess::ReaderProcess(const std::function<bool()>& work) {
  Pipe pids;
  Pipe go;
  guardian_ = fork();
  if (guardian_ < 0) throw std::runtime_error("fork");
  if (guardian_ == 0) guard(work, pids, go);
  if (read(pids.read_end.get(), &pid_, sizeof pid_) != sizeof pid_)
    throw std::runtime_error("no reader process");
  go_ = std::move(go.write_end);
}

ReaderProcess::~ReaderProcess() {
  if (guardian_ < 0) return;
  kill(guardian_, SIGKILL);
  waitpid(guardian_, nullptr, 0);
}

void ReaderProcess::start() {
  const char byte = 1;
  if (write(go_.get(), &byte, 1) != 1) throw std::runtime_error("starting the reader process");
  go_ = UniqueFd();
}

bool ReaderProcess::finish() {
  if (go_) start();
  return exited_well(std::exchange(guardian_, -1));
}

bool run_reader(const std::function<bool()>& work) {
  return ReaderProcess(work).finish();
}

}  // namespace tuneshift::test
