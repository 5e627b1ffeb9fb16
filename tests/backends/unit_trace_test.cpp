// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/unit_trace.h"

#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

TEST_CASE("a trace is found again as it was saved", "[units]") {
  const KernelTree tree{file("drop-in.conf", "CPUWeight=5\n")};
  const std::string drop_in = tree.root() + "/drop-in.conf";
  const UnitTraces traces(tree.root() + "/units");
  REQUIRE_FALSE(traces.find("CPUWeight:a.slice").has_value());
  const UnitTrace saved{true, drop_in, file_identity(drop_in), "/dev/vda 5\n/dev/vdb 6\n"};
  REQUIRE(traces.save("CPUWeight:a.slice", saved).ok());

  const auto found = UnitTraces(tree.root() + "/units").find("CPUWeight:a.slice");
  REQUIRE(found.has_value());
  REQUIRE(found->made);
  REQUIRE(found->drop_in == drop_in);
  REQUIRE(found->original == saved.original);
  REQUIRE_FALSE(traces.find("CPUWeight:b.slice").has_value());

  traces.forget("CPUWeight:a.slice");
  REQUIRE_FALSE(traces.find("CPUWeight:a.slice").has_value());
}

TEST_CASE("a change that was cut short is still ours", "[units]") {
  const KernelTree tree{};
  const UnitTraces traces(tree.root());
  REQUIRE(traces.save("x", {false, {}, {}, "5"}).ok());
  const auto found = traces.find("x");
  REQUIRE(found.has_value());
  REQUIRE_FALSE(found->made);
  REQUIRE(found->original == "5");
}

TEST_CASE("a drop-in that somebody else replaced or removed is theirs", "[units]") {
  const KernelTree tree{file("drop-in.conf", "CPUWeight=5\n")};
  const std::string drop_in = tree.root() + "/drop-in.conf";
  const UnitTraces traces(tree.root());
  REQUIRE(traces.save("x", {true, drop_in, file_identity(drop_in), "5"}).ok());

  SECTION("replaced") {
    tree.set("new", "CPUWeight=7\n");
    std::filesystem::rename(tree.root() + "/new", drop_in);
  }
  SECTION("removed") {
    tree.remove("drop-in.conf");
  }
  REQUIRE_FALSE(traces.find("x").has_value());
  REQUIRE_FALSE(std::filesystem::exists(tree.root() + "/x"));
}

TEST_CASE("a trace that cannot be saved says so", "[units]") {
  const KernelTree tree{file("plain", "")};
  REQUIRE_FALSE(UnitTraces(tree.root() + "/plain").save("x", {}).ok());
  REQUIRE_FALSE(UnitTraces(tree.root() + "/no/such").save("x", {}).ok());
}
