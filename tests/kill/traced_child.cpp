// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/kill/traced_child.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>

namespace tuneshift::test {

namespace {

constexpr uint64_t number_of(long call) {
  return static_cast<uint64_t>(call);
}

bool takes_descriptor(uint64_t number) {
  for (const long call : {SYS_read, SYS_pread64, SYS_write, SYS_close, SYS_ftruncate, SYS_fstat}) {
    if (number == number_of(call)) return true;
  }
  return false;
}

void poke(pid_t pid, size_t offset, int64_t value) {
  if (::ptrace(PTRACE_POKEUSER, pid, offset, value) != 0) throw std::runtime_error("pokeuser");
}

}  // namespace

bool is_file_call(uint64_t number) {
  for (const long call :
       {SYS_openat2, SYS_openat, SYS_open, SYS_read, SYS_pread64, SYS_write, SYS_ftruncate,
        SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_fstat,
        SYS_newfstatat, SYS_flock, SYS_readlink, SYS_readlinkat, SYS_mkdir, SYS_mkdirat}) {
    if (number == number_of(call)) return true;
  }
  return false;
}

bool is_point(const SystemCall& call) {
  return is_file_call(call.number) && call.result != -EAGAIN;
}

TracedChild::TracedChild(const std::function<int()>& body) {
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(2);
    ::raise(SIGSTOP);
    ::_exit(body());
  }
  constexpr long kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
  if (::waitpid(pid_, &status_, 0) != pid_ || !WIFSTOPPED(status_) ||
      ::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, kOptions) != 0) {
    throw std::runtime_error("the child cannot be traced");
  }
}

TracedChild::~TracedChild() {
  if (ended_) return;
  kill();
  reap();
}

bool TracedChild::resume(int request) {
  if (ended_) return false;
  int signal = 0;
  while (true) {
    if (::ptrace(static_cast<__ptrace_request>(request), pid_, nullptr, signal) != 0 ||
        ::waitpid(pid_, &status_, 0) != pid_ || !WIFSTOPPED(status_)) {
      ended_ = true;
      return false;
    }
    if (WSTOPSIG(status_) == (SIGTRAP | 0x80)) return true;
    signal = WSTOPSIG(status_);
  }
}

std::optional<SystemCall> TracedChild::enter() {
  SystemCall call;
  __ptrace_syscall_info info = {};
  // The first stop may be the return of the call that it was stopped in.
  do {
    if (!resume(PTRACE_SYSCALL)) return std::nullopt;
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof(info), &info) <= 0) return std::nullopt;
  } while (info.op != PTRACE_SYSCALL_INFO_ENTRY);
  call.number = info.entry.nr;
  for (size_t i = 0; i < 6; ++i) call.arguments[i] = info.entry.args[i];
  call.on_kernel_file =
      call.number == number_of(SYS_openat2) ||
      (takes_descriptor(call.number) && kernel_files_.count(static_cast<int>(call.arguments[0])));
  return call;
}

bool TracedChild::leave(SystemCall& call, Meddling meddling, int error) {
  if (meddling == Meddling::replace) poke(pid_, offsetof(user_regs_struct, orig_rax), -1);
  __ptrace_syscall_info info = {};
  if (!resume(PTRACE_SYSCALL)) return false;
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof(info), &info) <= 0) return false;
  call.result = info.exit.rval;
  if (meddling != Meddling::none) {
    call.result = -error;
    poke(pid_, offsetof(user_regs_struct, rax), call.result);
  }
  const int fd = static_cast<int>(call.arguments[0]);
  if (call.number == number_of(SYS_close)) kernel_files_.erase(fd);
  if (call.number == number_of(SYS_openat2) && call.result >= 0) {
    kernel_files_.insert(static_cast<int>(call.result));
  }
  return true;
}

std::optional<SystemCall> TracedChild::step(const Meddler& meddler, int error) {
  auto call = enter();
  if (!call || !leave(*call, meddler ? meddler(*call) : Meddling::none, error)) return std::nullopt;
  return call;
}

void TracedChild::let_go() const {
  ::ptrace(PTRACE_CONT, pid_, nullptr, 0);
}

int TracedChild::finish() {
  while (resume(PTRACE_CONT)) continue;
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

void TracedChild::kill() const {
  ::kill(pid_, SIGKILL);
}

void TracedChild::reap() {
  if (ended_) return;
  while (::waitpid(pid_, &status_, 0) == pid_ && WIFSTOPPED(status_)) continue;
  ended_ = true;
}

bool TracedChild::has_ended() {
  if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) == pid_ && !WIFSTOPPED(status_)) ended_ = true;
  return ended_;
}

std::string TracedChild::read_bytes(uint64_t address, size_t length) const {
  std::string text(length, '\0');
  iovec local = {text.data(), text.size()};
  iovec remote = {reinterpret_cast<void*>(address), length};
  const ssize_t count = ::process_vm_readv(pid_, &local, 1, &remote, 1, 0);
  text.resize(count < 0 ? 0 : static_cast<size_t>(count));
  return text;
}

std::string TracedChild::read_text(uint64_t address) const {
  constexpr uint64_t kPage = 4096;
  std::string text;
  // Not past a page's end in one go: the next one may not be there.
  while (text.size() < kPage) {
    const std::string part = read_bytes(address, kPage - address % kPage);
    const size_t end = part.find('\0');
    if (part.empty() || end != std::string::npos) return text + part.substr(0, end);
    text += part;
    address += part.size();
  }
  return text;
}

}  // namespace tuneshift::test
