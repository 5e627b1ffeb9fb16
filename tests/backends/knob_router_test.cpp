// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/knob_router.h"

#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

/// Shows what it is asked; its knob "gone" is not there.
class Echo : public KnobBackend {
 public:
  explicit Echo(std::string name) : name_(std::move(name)) {}
  Result<std::string> read(std::string_view rest) override {
    if (rest == "gone") return errno_error(ENOENT, "read", rest);
    return name_ + ":" + std::string(rest) + value_;
  }
  Status write(std::string_view rest, std::string_view value) override {
    value_ = "=" + std::string(rest) + "=" + std::string(value);
    return {};
  }

 private:
  std::string name_;
  std::string value_;
};

KnobRouter echoes(KernelFs& inner) {
  std::vector<KnobRouter::Route> routes;
  routes.emplace_back("units/", std::make_unique<Echo>("units"));
  routes.emplace_back("dev/latency", std::make_unique<Echo>("latency"));
  return {inner, std::move(routes)};
}

}  // namespace

TEST_CASE("a path goes to the backend of its prefix, any other to the kernel", "[router]") {
  const KernelTree tree{file("proc/swappiness", "60\n"), file("dev/latency2", "7\n"),
                        symbolic_link("sys/vda", "../dev/latency2")};
  KernelFs inner = tree.open();
  KnobRouter router = echoes(inner);

  REQUIRE(router.read("units/a.slice/CPUWeight").value() == "units:a.slice/CPUWeight");
  REQUIRE(router.read("dev/latency").value() == "latency:");
  REQUIRE(router.read("dev/latency2").value() == "7");
  REQUIRE(router.read("proc/swappiness").value() == "60");
  REQUIRE(router.read("units").error().code == ErrorCode::not_found);

  REQUIRE(router.write("units/a", "5").ok());
  REQUIRE(router.read("units/b").value() == "units:b=a=5");
  REQUIRE(router.read("dev/latency").value() == "latency:");
  REQUIRE(router.write("proc/swappiness", "10").ok());
  REQUIRE(tree.text("proc/swappiness") == "10");
}

TEST_CASE("a backend's knob exists when it can be read, and is neither link nor folder",
          "[router]") {
  const KernelTree tree{file("proc/swappiness", "60\n"), symbolic_link("sys/vda", "x")};
  KernelFs inner = tree.open();
  const KnobRouter router = echoes(inner);

  REQUIRE(router.exists("units/a"));
  REQUIRE_FALSE(router.exists("units/gone"));
  REQUIRE(router.exists("proc/swappiness"));
  REQUIRE_FALSE(router.exists("proc/none"));
  REQUIRE_FALSE(router.list("units/a").ok());
  REQUIRE_FALSE(router.read_link("units/a").ok());
  REQUIRE(router.list("proc").value() == std::vector<std::string>{"swappiness"});
  REQUIRE(router.read_link("sys/vda").value() == "x");
}
