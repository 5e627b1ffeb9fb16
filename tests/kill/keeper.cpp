// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/kill/keeper.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "libtune/kernel_fs.h"
#include "tests/kill/kernel_state.h"
#include "tests/kill/knob_set.h"

namespace tuneshift::test {

namespace {

/// The lock of tests/lib/lock.py.
int lock_knobs() {
  const int fd =
      ::open("/run/lock/tuneshift-knobs", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 || ::flock(fd, LOCK_EX) != 0) throw std::runtime_error("the knobs cannot be locked");
  return fd;
}

/// Loop devices that nobody else has.
class Loops {
 public:
  explicit Loops(int count) : control_(::open("/dev/loop-control", O_RDWR | O_CLOEXEC)) {
    constexpr int kFirst = 700;
    for (int number = kFirst; count > 0 && control_ >= 0 && number < 2 * kFirst; ++number) {
      if (::ioctl(control_, LOOP_CTL_ADD, number) < 0) continue;
      numbers_.push_back(number);
      --count;
    }
  }
  Loops(const Loops&) = delete;
  Loops& operator=(const Loops&) = delete;
  ~Loops() {
    for (const int number : numbers_) ::ioctl(control_, LOOP_CTL_REMOVE, number);
    ::close(control_);
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const int number : numbers_) names.push_back("loop" + std::to_string(number));
    return names;
  }

 private:
  int control_;
  std::vector<int> numbers_;
};

/// A FUSE file system that nobody serves or sees: it has a bdi all the same.
class Fuse {
 public:
  Fuse(const KernelFs& kernel, const std::string& point) : point_(point) {
    std::filesystem::create_directory(point_);
    fd_ = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
    const std::string options =
        "fd=" + std::to_string(fd_) + ",rootmode=40000,user_id=0,group_id=0";
    if (fd_ < 0 || ::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tuneshift-kill", point_.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str())) {
      return;
    }
    const auto mounts = kernel.read("proc/self/mountinfo");
    std::istringstream lines(mounts ? mounts.value() : "");
    for (std::string line; std::getline(lines, line);) {
      if (line.find(" " + point_ + " ") == std::string::npos) continue;
      std::istringstream words(line);
      std::string id;
      std::string parent;
      words >> id >> parent >> bdi_;
    }
  }
  Fuse(const Fuse&) = delete;
  Fuse& operator=(const Fuse&) = delete;
  ~Fuse() {
    // Whatever else hangs in it for want of an answer is let go.
    if (fd_ >= 0) ::close(fd_);
    ::umount2(point_.c_str(), MNT_DETACH);
    std::error_code error;
    std::filesystem::remove(point_, error);
  }
  [[nodiscard]] const std::string& bdi() const { return bdi_; }

 private:
  std::string point_;
  std::string bdi_;
  int fd_ = -1;
};

std::string make_folder() {
  std::string name = "/tmp/tuneshift-kill.XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return name;
}

/// Numbers that somebody set by hand, so that those which a write to another knob brings along are
/// not the originals.
void prepare_machine(KernelFs& kernel) {
  (void)kernel.write("proc/sys/vm/min_free_kbytes", "66000");
}

/// The same for a queue. The write-back latency is a number on every other device and the default
/// on the rest: they come back in different ways.
void prepare_queue(KernelFs& kernel, const std::string& loop, bool by_hand) {
  const std::string queue = "sys/block/" + loop + "/queue/";
  (void)kernel.write(queue + "scheduler", "mq-deadline");
  (void)kernel.write(queue + "nr_requests", "64");
  // Not what the kernel gives them with the scheduler, or with the number of requests.
  for (const auto& [number, value] :
       {std::pair("read_expire", "80"), std::pair("front_merges", "0"),
        std::pair("async_depth", "33")}) {
    (void)kernel.write(queue + "iosched/" + number, value);
  }
  (void)kernel.write(queue + "read_ahead_kb", "256");
  if (by_hand) (void)kernel.write(queue + "wbt_lat_usec", "3000");
}

/// The keeper's whole life. `ready` gets the names, `alive` ends with the run.
int keep(int loop_count, int ready, int alive) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  const int lock = lock_knobs();
  KernelFs kernel = KernelFs::open("/").value();
  const std::string folder = make_folder();
  const Loops loops(loop_count);
  const Fuse fuse(kernel, folder + ".store");
  KernelState machine(kernel, machine_set(kernel, fuse.bdi()));
  prepare_machine(kernel);
  std::vector<KnobSet> sets = {machine_set(kernel, fuse.bdi())};
  bool by_hand = false;
  std::string names = folder + "\n" + fuse.bdi() + "\n";
  for (const std::string& loop : loops.names()) {
    prepare_queue(kernel, loop, by_hand = !by_hand);
    sets.push_back(queue_set(kernel, loop));
    names += loop + "\n";
  }
  std::vector<KernelState> states;
  for (const KnobSet& set : sets) states.emplace_back(kernel, set);
  if (::write(ready, names.data(), names.size()) != static_cast<ssize_t>(names.size())) return 1;
  ::close(ready);
  char byte = 0;
  while (::read(alive, &byte, 1) > 0) continue;
  int status = 0;
  for (KernelState& state : states) {
    for (const std::string& line : state.differences({})) {
      std::fprintf(stderr, "left by the run: %s\n", line.c_str());
      status = 1;
    }
    for (const std::string& line : state.put_back()) {
      std::fprintf(stderr, "CANNOT BE PUT BACK: %s\n", line.c_str());
    }
  }
  for (const std::string& line : machine.put_back()) {
    std::fprintf(stderr, "CANNOT BE PUT BACK: %s\n", line.c_str());
  }
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  ::close(lock);
  return status;
}

}  // namespace

Keeper::Keeper(int loops) {
  int ready[2] = {-1, -1};
  int alive[2] = {-1, -1};
  if (::pipe2(ready, O_CLOEXEC) != 0 || ::pipe2(alive, O_CLOEXEC) != 0) {
    throw std::runtime_error("pipe");
  }
  pid_ = ::fork();
  if (pid_ == 0) {
    ::setsid();
    ::close(ready[0]);
    ::close(alive[1]);
    ::_exit(keep(loops, ready[1], alive[0]));
  }
  ::close(ready[1]);
  ::close(alive[0]);
  alive_ = alive[1];
  std::string text;
  char part[512];
  for (ssize_t count = 0; (count = ::read(ready[0], part, sizeof(part))) > 0;) {
    text.append(part, static_cast<size_t>(count));
  }
  ::close(ready[0]);
  std::istringstream lines(text);
  if (!std::getline(lines, folder_) || !std::getline(lines, bdi_)) {
    throw std::runtime_error("the keeper failed");
  }
  for (std::string loop; std::getline(lines, loop);) loops_.push_back(loop);
}

Keeper::~Keeper() {
  finish();
}

bool Keeper::finish() {
  if (pid_ < 0) return true;
  ::close(alive_);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return status == 0;
}

}  // namespace tuneshift::test
