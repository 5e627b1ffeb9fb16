// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/cpu_latency.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>

#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

constexpr const char* device = "/dev/cpu_dma_latency";

int32_t number_in(const std::string& bytes) {
  int32_t number = 0;
  REQUIRE(bytes.size() >= sizeof(number));
  std::memcpy(&number, bytes.data() + bytes.size() - sizeof(number), sizeof(number));
  return number;
}

/// The smallest of all requests on this machine.
int32_t effective() {
  const UniqueFd fd(open(device, O_RDONLY | O_CLOEXEC));
  int32_t number = 0;
  REQUIRE(read(fd.get(), &number, sizeof(number)) == sizeof(number));
  return number;
}

}  // namespace

TEST_CASE("a latency request is the number's four bytes", "[latency]") {
  const KernelTree tree{file("device", std::string("\x40\x42\x0f\x00", 4))};
  CpuLatency latency(tree.root() + "/device");
  REQUIRE(latency.read("").value() == "1000000");
  REQUIRE(latency.write("", "99").ok());
  REQUIRE(number_in(tree.text("device")) == 99);
  // The descriptor is kept: in a plain file the next request stands behind the first.
  REQUIRE(latency.write("", "2000000000").ok());
  REQUIRE(tree.text("device").size() == 8);
  REQUIRE(number_in(tree.text("device")) == 2000000000);
  REQUIRE(latency.write("", "").ok());
  REQUIRE(latency.write("", "7").ok());
  REQUIRE(latency.read("").value() == "7");
}

TEST_CASE("what is no latency is refused and leaves the request as it is", "[latency]") {
  const KernelTree tree{file("device", "")};
  CpuLatency latency(tree.root() + "/device");
  REQUIRE_FALSE(latency.read("").ok());
  REQUIRE(latency.write("", "5").ok());
  for (const char* text : {"-1", "2000000001", "99999999999999999999", "1.5", "0x5", "5 ", "x"}) {
    CAPTURE(text);
    REQUIRE(latency.write("", text).error().code == ErrorCode::invalid_argument);
  }
  REQUIRE(latency.read("").value() == "5");
}

TEST_CASE("a kernel without PM QoS has no such knob", "[latency]") {
  const KernelTree tree{};
  CpuLatency latency(tree.root() + "/device");
  REQUIRE(latency.read("").error().code == ErrorCode::not_found);
  REQUIRE(latency.write("", "5").error().code == ErrorCode::not_found);
  REQUIRE(latency.write("", "").ok());
}

TEST_CASE("the kernel obeys a request until it is let go", "[latency][knobs]") {
  if (access(device, R_OK | W_OK) != 0) {
    WARN("no " + std::string(device) + " here, or no right to it");
    return;
  }
  // Not the lock of all knobs: this one disturbs nobody but another run of this test.
  const UniqueFd lock(open("/run/lock/tuneshift-latency", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(flock(lock.get(), LOCK_EX) == 0);
  const int32_t before = effective();
  if (before < 2) {
    WARN("somebody asks for less already");
    return;
  }
  {
    CpuLatency latency;
    REQUIRE(latency.write("", std::to_string(before - 1)).ok());
    REQUIRE(effective() == before - 1);
    REQUIRE(latency.read("").value() == std::to_string(before - 1));
    REQUIRE(latency.write("", "1").ok());
    REQUIRE(effective() == 1);
    REQUIRE(latency.write("", "").ok());
    REQUIRE(effective() == before);
    REQUIRE(latency.write("", "1").ok());
    REQUIRE(effective() == 1);
  }
  REQUIRE(effective() == before);
}
