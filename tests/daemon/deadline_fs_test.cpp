// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/deadline_fs.h"

#include <condition_variable>
#include <filesystem>
#include <future>
#include <set>
#include <thread>

#include "tests/catch.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;
using namespace std::chrono_literals;

namespace {

const std::string kScheduler = "sys/block/vda/queue/scheduler";
const std::string kRequests = "sys/block/vda/queue/nr_requests";
const std::string kOther = "sys/block/vdb/queue/scheduler";
const std::string kSwappiness = "proc/sys/vm/swappiness";

/// Calls on the held paths do not return before let_go().
class HeldKernelFs : public KernelFs {
 public:
  explicit HeldKernelFs(const KernelTree& tree) : KernelFs(tree.open()) {}

  void hold(const std::string& path) {
    const std::lock_guard lock(mutex_);
    held_.insert(path);
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    held_.clear();
    changed_.notify_all();
  }
  [[nodiscard]] Result<std::string> read(std::string_view path) const override {
    wait(path);
    return KernelFs::read(path);
  }
  Status write(std::string_view path, std::string_view value) override {
    wait(path);
    return KernelFs::write(path, value);
  }
  [[nodiscard]] std::thread::id thread() const {
    const std::lock_guard lock(mutex_);
    return thread_;
  }

 private:
  void wait(std::string_view path) const {
    std::unique_lock lock(mutex_);
    thread_ = std::this_thread::get_id();
    changed_.wait(lock, [&] { return held_.count(std::string(path)) == 0; });
  }
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::thread::id thread_;
  std::set<std::string> held_;
};

struct Held {
  KernelTree tree{file(kScheduler, "none\n"), file(kRequests, "64\n"), file(kOther, "none\n"),
                  file(kSwappiness, "60\n"), file("sys/block/vda/dev", "254:0\n")};
  HeldKernelFs kernel{tree};
  DeadlineFs fs{kernel, {20ms, 2}};
  std::promise<void> returned;

  Held() {
    fs.on_return([this] { returned.set_value(); });
  }
  /// Ends what hangs, and waits until it has: it must not outlive the kernel of this test.
  void land() {
    kernel.let_go();
    REQUIRE(returned.get_future().wait_for(20s) == std::future_status::ready);
    returned = {};
  }
};

size_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

}  // namespace

TEST_CASE("what answers is handed through", "[deadline]") {
  Held held;
  CHECK(held.fs.read(kScheduler).value() == "none");
  CHECK(held.fs.write(kScheduler, "kyber"));
  CHECK(held.fs.read(kScheduler).value() == "kyber");
  CHECK(held.fs.exists(kScheduler));
  CHECK(held.fs.list("sys/block").value().size() == 2);
  CHECK(held.fs.read("sys/block/vda/queue/missing").error().code == ErrorCode::not_found);
}

TEST_CASE("only a device's own files take a thread, and the first of them makes it", "[deadline]") {
  Held held;
  const size_t before = threads_of_this_process();
  CHECK(held.fs.read(kSwappiness).value() == "60");
  CHECK(held.fs.read("sys/block/vda/dev").value() == "254:0");
  CHECK(held.kernel.thread() == std::this_thread::get_id());
  CHECK(threads_of_this_process() == before);
  CHECK(held.fs.read(kScheduler));
  CHECK(held.kernel.thread() != std::this_thread::get_id());
  CHECK(held.fs.read(kOther));
  CHECK(threads_of_this_process() == before + 1);
}

TEST_CASE("a call that hangs is given up, and its device with it until it returns", "[deadline]") {
  Held held;
  held.kernel.hold(kScheduler);
  const bool writes = GENERATE(true, false);
  const Error error =
      writes ? held.fs.write(kScheduler, "kyber").error() : held.fs.read(kScheduler).error();
  CHECK(error.code == ErrorCode::timeout);
  CHECK(error.errno_value == 0);
  CHECK(error.message == std::string(writes ? "write " : "read ") + kScheduler +
                             ": no answer from the kernel for 20 ms");
  for (const std::string& path : {kScheduler, kRequests}) {
    const Error refused = held.fs.read(path).error();
    CHECK(refused.code == ErrorCode::busy);
    CHECK(refused.message == "the kernel has not answered the " +
                                 std::string(writes ? "write" : "read") + " of " + kScheduler +
                                 " for 20 ms");
    CHECK(held.fs.write(path, "1").error().code == ErrorCode::busy);
  }
  CHECK(held.fs.read(kOther).value() == "none");
  CHECK(held.fs.write(kSwappiness, "10"));
  held.land();
  CHECK(held.fs.read(kScheduler).value() == (writes ? "kyber" : "none"));
  CHECK(held.fs.write(kRequests, "128"));
}

TEST_CASE("a process whose figures do not come costs nobody else's", "[deadline]") {
  Held held;
  for (const char* pid : {"41", "42", "43"}) {
    const std::string directory = std::string("proc/") + pid;
    held.tree.add(file(directory + "/io", "rchar: 1\n"));
    held.tree.add(file(directory + "/fdinfo/3", "ino: 7\n"));
    held.tree.add(file(directory + "/status", "Uid: 0\n"));
  }
  held.kernel.hold("proc/41/io");
  held.kernel.hold("proc/42/fdinfo/3");
  std::promise<void> both;
  int left = 2;
  held.fs.on_return([&] {
    if (--left == 0) both.set_value();
  });
  CHECK(held.fs.read("proc/41/io").error().code == ErrorCode::timeout);
  CHECK(held.fs.read("proc/41/fdinfo/3").error().code == ErrorCode::busy);
  CHECK(held.fs.read("proc/41/status").value() == "Uid: 0");
  CHECK(held.fs.read("proc/43/io").value() == "rchar: 1");
  CHECK(held.fs.read("proc/42/fdinfo/3").error().code == ErrorCode::timeout);
  // As many as may hang do: that is for processes alone.
  CHECK(held.fs.read("proc/43/io").error().message ==
        "too many processes hang in the kernel already");
  CHECK(held.fs.read(kScheduler).value() == "none");
  held.kernel.let_go();
  REQUIRE(both.get_future().wait_for(20s) == std::future_status::ready);
  CHECK(held.fs.read("proc/41/io").value() == "rchar: 1");
}

TEST_CASE("no more calls hang than are allowed", "[deadline]") {
  Held held;
  std::promise<void> both;
  int left = 2;
  held.fs.on_return([&] {
    if (--left == 0) both.set_value();
  });
  held.kernel.hold(kScheduler);
  held.kernel.hold(kOther);
  CHECK(held.fs.read(kScheduler).error().code == ErrorCode::timeout);
  CHECK(held.fs.read(kOther).error().code == ErrorCode::timeout);
  CHECK(held.fs.read("sys/class/bdi/0:44/read_ahead_kb").error().code == ErrorCode::busy);
  CHECK(held.fs.read(kSwappiness));
  held.kernel.let_go();
  REQUIRE(both.get_future().wait_for(20s) == std::future_status::ready);
  CHECK(held.fs.read("sys/class/bdi/0:44/read_ahead_kb").error().code == ErrorCode::not_found);
}

TEST_CASE("what somebody else hangs in is refused with the reason", "[deadline]") {
  Held held;
  held.fs.set_stuck(kScheduler, "process 7 hangs");
  held.fs.set_stuck(kSwappiness, "process 7 may hang");
  CHECK(held.fs.write(kRequests, "128").error().message == "process 7 hangs");
  CHECK(held.fs.read(kSwappiness).error().message == "process 7 may hang");
  CHECK(held.fs.read(kOther));
}
