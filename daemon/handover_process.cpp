// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/handover_process.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <sstream>

namespace tuneshift {

namespace {

constexpr const char* variable = "TUNESHIFT_HANDOVER";
constexpr const char* latency_device = "/dev/cpu_dma_latency";
constexpr size_t most_bytes = 16 << 20;

Result<UniqueFd> make_file(const std::string& text) {
  UniqueFd file(memfd_create("tuneshift-handover", MFD_CLOEXEC));
  if (!file) return errno_error(errno, "memfd_create");
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return errno_error(errno, "write the handover");
  return file;
}

Result<std::string> read_file(int file) {
  const off_t size = lseek(file, 0, SEEK_END);
  if (size < 0) return errno_error(errno, "read the handover");
  if (static_cast<size_t>(size) > most_bytes)
    return Error{ErrorCode::limit_exceeded, "the handover is too large", {}, 0};
  std::string text(static_cast<size_t>(size), '\0');
  if (pread(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return errno_error(errno, "read the handover");
  return text;
}

/// All but the first three.
std::vector<int> open_descriptors(const KernelFs& kernel) {
  std::vector<int> found;
  const auto names = kernel.list("proc/self/fd");
  if (!names.ok()) return found;
  for (const std::string& name : names.value()) {
    const int descriptor = std::atoi(name.c_str());
    if (descriptor > STDERR_FILENO) found.push_back(descriptor);
  }
  return found;
}

std::vector<int> latency_requests(const KernelFs& kernel) {
  std::vector<int> found = open_descriptors(kernel);
  std::erase_if(found, [&kernel](int descriptor) {
    const auto target = kernel.read_link("proc/self/fd/" + std::to_string(descriptor));
    return !target.ok() || target.value() != latency_device;
  });
  return found;
}

/// Ours all end when another program is executed, but those that are meant for it.
void close_inherited(const KernelFs& kernel) {
  for (const int descriptor : open_descriptors(kernel)) {
    const int flags = fcntl(descriptor, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) close(descriptor);
  }
}

}  // namespace

Status replace_process(const std::string& program, const std::vector<std::string>& arguments,
                       const Handover& handover) {
  const auto file = make_file(to_text(handover));
  if (!file.ok()) return file.error();
  if (fcntl(file.value().get(), F_SETFD, 0) != 0 ||
      setenv(variable, std::to_string(file.value().get()).c_str(), 1) != 0)
    return errno_error(errno, "hand over");
  std::vector<char*> words;
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));  // NOLINT: execv() leaves them alone
  words.push_back(nullptr);
  execv(program.c_str(), words.data());
  const Error failed = errno_error(errno, "execute", program);
  unsetenv(variable);
  return failed;
}

std::optional<Inherited> take_handover(const KernelFs& kernel) {
  const char* value = std::getenv(variable);
  if (value == nullptr) return {};
  const std::string number = value;
  unsetenv(variable);
  int descriptor = -1;
  std::from_chars(number.data(), number.data() + number.size(), descriptor);
  const UniqueFd file(descriptor);
  const auto text = read_file(file.get());
  auto handover = text.ok() ? parse_handover(text.value()) : Result<Handover>(text.error());
  if (!handover.ok()) {
    spdlog::warn("starts anew: {}", handover.error().message);
    fcntl(file.get(), F_SETFD, FD_CLOEXEC);
    close_inherited(kernel);
    return {};
  }
  Inherited inherited;
  inherited.handover = std::move(handover).value();
  for (const int request : latency_requests(kernel)) {
    fcntl(request, F_SETFD, FD_CLOEXEC);
    inherited.latency_requests.emplace_back(request);
  }
  return inherited;
}

void keep_latency_requests(const KernelFs& kernel) {
  for (const int request : latency_requests(kernel)) fcntl(request, F_SETFD, 0);
}

InheritedChildren::InheritedChildren(Loop& loop, const KernelFs& kernel) {
  const std::string self = std::to_string(getpid());
  const auto text = kernel.read("proc/" + self + "/task/" + self + "/children");
  if (!text.ok()) return;
  std::istringstream words(text.value());
  for (pid_t pid = 0; words >> pid;) {
    Child& child = children_[pid];
    child.pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!child.pidfd) continue;
    child.source = loop.watch(child.pidfd.get(), [this, pid] {
      waitpid(pid, nullptr, WNOHANG);
      children_.erase(pid);
    });
  }
}

}  // namespace tuneshift
