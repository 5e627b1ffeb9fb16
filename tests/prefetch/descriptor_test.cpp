// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading ahead through a descriptor of the worker's own.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "daemon/prefetch_protocol.h"
#include "daemon/spawn_helper.h"
#include "tests/bpf/cold_file.h"
#include "tests/catch.h"
#include "tests/prefetch/fetching.h"

using namespace tuneshift;
using namespace tuneshift::testing;
using tuneshift::test::ColdFile;

namespace {

constexpr uint64_t file_bytes = 40 * mib;

// A file that nobody has read, and nobody's process that holds it open.
struct Ground {
  explicit Ground(mode_t mode = 0644) {
    if (chmod(file.path().c_str(), mode) != 0) throw std::runtime_error("chmod");
    reader = std::make_unique<Process>(
        [&] { return open(file.path().c_str(), O_RDONLY) >= 0 && drop_root(); });
    order = order_for(*reader, file.path());
  }
  [[nodiscard]] bool has_resident(uint64_t bytes) const {
    return testing::has_resident(file.path(), bytes);
  }
  [[nodiscard]] const FileId& id() const { return order.reader.file; }

  test::ScratchDirectory directory;
  ColdFile file{directory, file_bytes};
  std::unique_ptr<Process> reader;
  PrefetchOrder order;
};

bool says(const PrefetchProgress& progress, const std::string& words) {
  INFO(progress.trouble);
  return progress.ended && progress.trouble.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("a cold file is read ahead of an unprivileged reader") {
  Ground ground;
  Fetching fetching;
  ground.order.step_bytes = GENERATE(128 << 10, 4 * mib);
  REQUIRE(ground.has_resident(0));
  const PrefetchProgress last = fetching.fetch(ground.order);
  CHECK(last.trouble.empty());
  CHECK(last.fetched_bytes == file_bytes);
  CHECK(last.engine == "fadvise");
  CHECK(last.cpu_us > 0);
  CHECK(ground.has_resident(file_bytes));
  CHECK_FALSE(fetching.prefetcher().runs(ground.id()));
  // One for 16 MiB, and the last.
  CHECK(fetching.words == 3);
}

TEST_CASE("what one request did not read is asked for again") {
  Ground ground;
  Fetching fetching;
  // Far more than any store reads at once.
  ground.order.step_bytes = file_bytes;
  CHECK(fetching.fetch(ground.order).fetched_bytes == file_bytes);
  CHECK(ground.has_resident(file_bytes));
}

TEST_CASE("no byte beyond the budget is read, and more once it grows") {
  Ground ground;
  Fetching fetching;
  Prefetcher& prefetcher = fetching.prefetcher();
  REQUIRE(prefetcher.start(ground.order, {0}).ok());
  prefetcher.allow(ground.id(), {3 * mib});
  CHECK(fetching.wait_for(ground.id(), 3 * mib).fetched_bytes == 3 * mib);
  CHECK(ground.has_resident(3 * mib));
  prefetcher.allow(ground.id(), {5 * mib});
  CHECK(fetching.wait_for(ground.id(), 5 * mib).fetched_bytes == 5 * mib);
  CHECK(ground.has_resident(5 * mib));
  CHECK(prefetcher.runs(ground.id()));
  // A smaller one takes nothing back.
  prefetcher.allow(ground.id(), {mib});
  prefetcher.allow(ground.id(), {all_bytes});
  CHECK(fetching.end_of(ground.id()).fetched_bytes == file_bytes);
  CHECK(ground.has_resident(file_bytes));
}

TEST_CASE("the order says where to begin, and what is before that comes last") {
  Ground ground;
  Fetching fetching;
  ground.order.start_bytes = 28 * mib;
  REQUIRE(fetching.prefetcher().start(ground.order, {2 * mib}).ok());
  CHECK(fetching.wait_for(ground.id(), 2 * mib).fetched_bytes == 2 * mib);
  CHECK(has_resident(ground.file.path(), 2 * mib, 28 * mib));
  fetching.prefetcher().allow(ground.id(), {13 * mib});
  CHECK(fetching.wait_for(ground.id(), 13 * mib).fetched_bytes == 13 * mib);
  CHECK(has_resident(ground.file.path(), 12 * mib, 28 * mib));
  CHECK(ground.has_resident(13 * mib));
  fetching.prefetcher().allow(ground.id(), {all_bytes});
  CHECK(fetching.end_of(ground.id()).fetched_bytes == file_bytes);
  CHECK(ground.has_resident(file_bytes));
}

TEST_CASE("a worker that is paced reads all of it as well, and may be let loose again") {
  Ground ground;
  Fetching fetching;
  REQUIRE(fetching.prefetcher().start(ground.order, {24 * mib, true}).ok());
  CHECK(fetching.wait_for(ground.id(), 24 * mib).fetched_bytes == 24 * mib);
  CHECK(ground.has_resident(24 * mib));
  fetching.prefetcher().allow(ground.id(), {all_bytes, GENERATE(true, false)});
  const PrefetchProgress last = fetching.end_of(ground.id());
  CHECK(last.trouble.empty());
  CHECK(last.fetched_bytes == file_bytes);
  CHECK(ground.has_resident(file_bytes));
}

TEST_CASE("a budget may grow in many small steps") {
  Ground ground;
  Fetching fetching;
  REQUIRE(fetching.prefetcher().start(ground.order, {0}).ok());
  for (uint64_t budget = 4096; budget <= 200 * 4096; budget += 4096) {
    fetching.prefetcher().allow(ground.id(), {budget});
    REQUIRE(fetching.wait_for(ground.id(), budget).fetched_bytes == budget);
  }
}

TEST_CASE("a worker that reads is the reader's user, without a right and behind a filter") {
  Ground ground;
  Fetching fetching;
  REQUIRE(fetching.prefetcher().start(ground.order, {mib}).ok());
  fetching.wait_for(ground.id(), mib);
  const pid_t worker = worker_pid();
  REQUIRE(worker > 0);
  CHECK(status_of(worker, "Uid") == "65534\t65534\t65534\t65534");
  CHECK(status_of(worker, "Gid") == "65534\t65534\t65534\t65534");
  CHECK(status_of(worker, "CapPrm") == "0000000000000000");
  CHECK(status_of(worker, "NoNewPrivs") == "1");
#if !defined(__SANITIZE_ADDRESS__)
  CHECK(status_of(worker, "Seccomp") == "2");
#endif
}

TEST_CASE("a worker has its reader's priority, but none better than usual") {
  constexpr int process = 1;  // IOPRIO_WHO_PROCESS, include/uapi/linux/ioprio.h
  constexpr int classes = 1 << 13;
  const auto own_io = static_cast<int>(syscall(SYS_ioprio_get, process, 0));
  struct Case {
    int nice, io, worker_nice, worker_io;
  };
  const auto [nice, io, worker_nice, worker_io] =
      GENERATE_COPY(Case{5, 0, 5, own_io}, Case{19, 3 * classes, 19, 2 * classes + 7},
                    Case{0, 2 * classes + 7, 0, 2 * classes + 7},
                    Case{-5, 2 * classes, 0, 2 * classes + 4}, Case{0, classes + 4, 0, own_io});
  CAPTURE(nice, io);
  Ground ground;
  REQUIRE(setpriority(PRIO_PROCESS, static_cast<id_t>(ground.reader->pid()), nice) == 0);
  REQUIRE(syscall(SYS_ioprio_set, process, ground.reader->pid(), io) == 0);
  Fetching fetching;
  REQUIRE(fetching.prefetcher().start(ground.order, {mib}).ok());
  fetching.wait_for(ground.id(), mib);
  const pid_t worker = worker_pid();
  REQUIRE(worker > 0);
  CHECK(getpriority(PRIO_PROCESS, static_cast<id_t>(worker)) == worker_nice);
  CHECK(syscall(SYS_ioprio_get, process, worker) == worker_io);
}

TEST_CASE("what the reader's user may not open is not read") {
  Ground ground(0600);
  Fetching fetching;
  CHECK(says(fetching.fetch(ground.order), "open as the reader's user"));
  CHECK(ground.has_resident(0));
}

TEST_CASE("another file than was decided on is not read") {
  Ground ground;
  Fetching fetching;
  SECTION("another number") {
    ++ground.order.reader.file.inode;
    CHECK(says(fetching.fetch(ground.order), "holds no file"));
  }
  SECTION("another device") {
    ++ground.order.reader.file.device_minor;
    CHECK(says(fetching.fetch(ground.order), "holds no file"));
  }
  SECTION("another size") {
    ground.order.file_size -= mib;
    CHECK(says(fetching.fetch(ground.order), "another size"));
  }
  CHECK(ground.has_resident(0));
}

TEST_CASE("a reader that has gone is not read ahead of, nor is one with its number") {
  Ground ground;
  Fetching fetching;
  SECTION("gone") {
    ground.reader->end();
  }
  SECTION("another one") {
    ground.order.reader.process.start_ns += 1000000000;
  }
  CHECK(says(fetching.fetch(ground.order), "gone"));
  CHECK(ground.has_resident(0));
}

TEST_CASE("a file that shrinks ends its worker") {
  Ground ground;
  Fetching fetching;
  REQUIRE(fetching.prefetcher().start(ground.order, {2 * mib}).ok());
  fetching.wait_for(ground.id(), 2 * mib);
  REQUIRE(truncate(ground.file.path().c_str(), 3 * mib) == 0);
  fetching.prefetcher().allow(ground.id(), {all_bytes});
  const PrefetchProgress last = fetching.end_of(ground.id());
  CHECK(says(last, "shorter"));
  CHECK(last.fetched_bytes <= 3 * mib);
}

TEST_CASE("a worker that is killed has ended with trouble, one that is stopped in silence") {
  Ground ground;
  Fetching fetching;
  Prefetcher& prefetcher = fetching.prefetcher();
  REQUIRE(prefetcher.start(ground.order, {mib}).ok());
  fetching.wait_for(ground.id(), mib);
  const pid_t worker = worker_pid();
  REQUIRE(worker > 0);
  SECTION("killed") {
    kill(worker, SIGKILL);
    const PrefetchProgress last = fetching.end_of(ground.id());
    CHECK(says(last, "signal 9"));
    CHECK(last.fetched_bytes == mib);
  }
  SECTION("stopped") {
    const unsigned words = fetching.words;
    prefetcher.stop(ground.id());
    CHECK_FALSE(prefetcher.runs(ground.id()));
    fetching.run_until([] { return worker_pid() == 0; });
    CHECK(fetching.words == words);
  }
  CHECK(fetching.fetch(ground.order).fetched_bytes == file_bytes);
}

TEST_CASE("a worker ends when the daemon has gone") {
  Ground ground;
  auto helper = spawn_helper(TUNESHIFT_PREFETCH, format_prefetch_task({ground.order, mib}));
  REQUIRE(helper.ok());
  // It has read what it may, and waits.
  char packet[max_prefetch_packet_bytes];
  REQUIRE(read(helper.value().socket.get(), packet, sizeof packet) > 0);
  helper.value().socket.reset();
  pollfd ended{helper.value().pidfd.get(), POLLIN, 0};
  REQUIRE(poll(&ended, 1, 60000) == 1);
  CHECK(describe_end(reap_helper(helper.value())) == "status 0");
  CHECK(ground.has_resident(mib));
}
