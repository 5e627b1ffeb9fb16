// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect/siblings.h"

#include "tests/catch.h"

using namespace tuneshift;

TEST_CASE("shard names are taken apart and put together") {
  const auto shard = parse_shard_name("model-00002-of-000163.safetensors");
  REQUIRE(shard.has_value());
  CHECK(shard->count == 163);
  CHECK(shard->shard(7) == "model-00007-of-000163.safetensors");
  CHECK(shard->before + shard->after == "model.safetensors");
  for (const char* name : {"model.safetensors", "-1-of-2", "1-of-2", "a-of-2", "a-1-of-", "a1-of-2",
                           "a-1-of-99999999999"}) {
    INFO(name);
    CHECK_FALSE(parse_shard_name(name).has_value());
  }
}

TEST_CASE("only plain names are taken from an index") {
  using Names = std::vector<std::string>;
  CHECK(parse_weight_map(R"({"weight_map":{"x\"y":"b","z" : "a","u":"b"}})") == Names{"a", "b"});
  CHECK(parse_weight_map(R"({"weight_map":{"x":"../a","y":"/b","z":"..","w":"c"}})") == Names{"c"});
  for (const char* bad :
       {"", "{}", R"({"weight_map":)", R"({"weight_map":{"a")", R"({"weight_map":{"a":"b")",
        R"({"weight_map":{"a":1}})", R"({"weight_map":[]})", R"({"weight_map":{"a":"b\)"}) {
    INFO(bad);
    CHECK(parse_weight_map(bad).empty());
  }
}
