// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/inspect/readers.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "daemon/process_identity.h"

namespace tuneshift::testing {

namespace {

int child_socket = -1;

std::string little_endian(uint64_t number, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(number >> (8 * i) & 0xff);
  return bytes;
}

}  // namespace

Scratch::Scratch() {
  std::string name = std::filesystem::temp_directory_path() / "tuneshift-inspect-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  directory_ = name;
  chmod(directory_.c_str(), 0755);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string Scratch::file(const std::string& name, const std::string& beginning, uint64_t size,
                          mode_t mode) const {
  const std::string full = path(name);
  std::ofstream(full, std::ios::binary) << beginning;
  if (truncate(full.c_str(), static_cast<off_t>(size)) != 0 || chmod(full.c_str(), mode) != 0) {
    throw std::runtime_error("cannot make " + full);
  }
  return full;
}

Process::Process(const std::function<bool()>& work) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::runtime_error("socketpair");
  }
  socket_ = ends[0];
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    child_socket = ends[1];
    if (!work()) _exit(1);
    wait_for_go();
    _exit(0);
  }
  close(ends[1]);
  wait_until_ready();
}

Process::~Process() {
  end();
}

ProcessId Process::id() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::ostringstream text;
  text << file.rdbuf();
  const auto ticks = parse_start_ticks(text.str()).value_or(0);
  const auto hertz = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  // What the kernel cuts off when it shows ticks must not matter.
  return {pid_, ticks * (1000000000 / hertz) + 1234};
}

void Process::go() {
  if (write(socket_, "g", 1) != 1) throw std::runtime_error("the process has gone");
  wait_until_ready();
}

void Process::wait_for_go() {
  char byte = 'r';
  if (write(child_socket, &byte, 1) != 1 || read(child_socket, &byte, 1) != 1) _exit(1);
}

void Process::wait_until_ready() {
  char byte = 0;
  if (read(socket_, &byte, 1) == 1) return;
  end();
  throw std::runtime_error("the process failed in its work");
}

void Process::end() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(socket_);
  }
  pid_ = -1;
}

std::string safetensors_header() {
  const std::string json = R"({"w":{"dtype":"F16","shape":[1024],"data_offsets":[0,2048]}})";
  return little_endian(json.size(), 8) + json;
}

std::string gguf_header() {
  return "GGUF" + little_endian(3, 4) + little_endian(291, 8) + little_endian(25, 8);
}

std::string torch_header() {
  const std::string name = "archive/data.pkl";
  return std::string("PK\3\4", 4) + little_endian(0, 2) + little_endian(0x0808, 2) +
         little_endian(0, 2) + little_endian(0, 4) + std::string(12, '\0') +
         little_endian(name.size(), 2) + little_endian(18, 2) + name + "FB";
}

Reader reader_of(const Process& process, const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) throw std::runtime_error("stat " + path);
  return {process.id(), {major(status.st_dev), minor(status.st_dev), status.st_ino}};
}

bool enter_own_mounts() {
  return unshare(CLONE_NEWNS) == 0 &&
         mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace tuneshift::testing
