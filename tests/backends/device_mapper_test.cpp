// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/device_mapper.h"

#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

// As kernels 6.1 (writethrough, smq) and 5.10 (mq, with tunables of the policy) print them.
constexpr const char* smq =
    "8 38/4096 128 1/1024 0 5 0 3 0 0 0 3 metadata2 writethrough no_discard_passdown "
    "2 migration_threshold 2048 smq 0 rw - ";
constexpr const char* mq =
    "8 38/4096 128 1/1024 0 5 0 3 0 0 0 1 writeback 4 random_threshold 4 migration_threshold 512 "
    "mq 2 migration_threshold 9 rw -";

/// A kernel with one map, 253:0.
class OneMap : public MapControl {
 public:
  explicit OneMap(std::vector<MapTarget> targets) : targets_(std::move(targets)) {}
  Result<std::vector<MapTarget>> status(DeviceNumber map) override {
    if (to_string(map) != "253:0") return errno_error(ENXIO, "status");
    return targets_;
  }
  Status message(DeviceNumber map, uint64_t sector, const std::string& text) override {
    messages += to_string(map) + " " + std::to_string(sector) + " " + text + "\n";
    return {};
  }
  static inline std::string messages;

 private:
  std::vector<MapTarget> targets_;
};

const KernelTree& tree() {
  static const KernelTree only{
      file("sys/block/dm-0/dev", "253:0\n"), file("sys/block/dm-0/dm/name", "models\n"),
      file("sys/block/dm-1/dev", "253:1\n"), file("sys/block/dm-1/dm/name", "gone\n"),
      file("sys/block/vda/dev", "253:0\n")};
  return only;
}

}  // namespace

TEST_CASE("the migration threshold is found among a cache's core arguments", "[dm]") {
  REQUIRE(migration_threshold_in(smq) == 2048);
  REQUIRE(migration_threshold_in(mq) == 512);
}

TEST_CASE("a status without a migration threshold has none", "[dm]") {
  for (const char* status : {"", "Fail", "Error", "8 38/4096 128 1/1024 0 5 0 3 0 0 0",
                             "8 38/4096 128 1/1024 0 5 0 3 0 0 0 -1 x", "a b c d e f g h i j k l m",
                             "8 38/4096 128 1/1024 0 5 0 3 0 0 0 4294967296 a",
                             "8 38/4096 128 1/1024 0 5 0 3 0 0 0 0 2 migration_threshold -5",
                             "8 38/4096 128 1/1024 0 5 0 3 0 0 0 0 1 migration_threshold",
                             // That of a policy is not the cache's.
                             "8 1/1 128 1/1 0 5 0 3 0 0 0 0 0 mq 2 migration_threshold 9 rw -"}) {
    CAPTURE(status);
    REQUIRE_FALSE(migration_threshold_in(status).has_value());
  }
}

TEST_CASE("a cache is read and told by its kernel name", "[dm]") {
  const KernelFs kernel = tree().open();
  DeviceMapper maps(kernel, std::make_unique<OneMap>(
                                std::vector<MapTarget>{{0, "linear", ""}, {4096, "cache", smq}}));
  OneMap::messages.clear();
  REQUIRE(maps.read("dm-0/migration_threshold").value() == "2048");
  REQUIRE(maps.write("dm-0/migration_threshold", "20480").ok());
  REQUIRE(OneMap::messages == "253:0 4096 migration_threshold 20480\n");

  for (const char* text : {"-1", "", "1 2", "x"}) {
    REQUIRE(maps.write("dm-0/migration_threshold", text).error().code ==
            ErrorCode::invalid_argument);
  }
  REQUIRE(OneMap::messages == "253:0 4096 migration_threshold 20480\n");
}

TEST_CASE("what is no cache has no migration threshold", "[dm]") {
  const KernelFs kernel = tree().open();
  DeviceMapper maps(kernel, std::make_unique<OneMap>(std::vector<MapTarget>{{0, "cache", "Fail"}}));
  // vda is no map, dm-1 went away, the others are no names of one.
  for (const char* rest : {"vda/migration_threshold", "dm-1/migration_threshold",
                           "dm-9/migration_threshold", "dm-0/other", "dm-0", "",
                           "../block/dm-0/migration_threshold", "models/migration_threshold"}) {
    CAPTURE(rest);
    REQUIRE(maps.read(rest).error().code == ErrorCode::not_found);
    REQUIRE(maps.write(rest, "5").error().code == ErrorCode::not_found);
  }
  const auto broken = maps.read("dm-0/migration_threshold");
  REQUIRE(broken.error().code == ErrorCode::unsupported);
  REQUIRE(broken.error().message.find("Fail") != std::string::npos);

  DeviceMapper linear(kernel, std::make_unique<OneMap>(std::vector<MapTarget>{{0, "linear", ""}}));
  REQUIRE(linear.read("dm-0/migration_threshold").error().code == ErrorCode::not_found);
  DeviceMapper two(kernel, std::make_unique<OneMap>(
                               std::vector<MapTarget>{{0, "cache", smq}, {8, "cache", smq}}));
  REQUIRE(two.read("dm-0/migration_threshold").error().code == ErrorCode::unsupported);
}
