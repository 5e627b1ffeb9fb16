// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect/recognise.h"

#include "daemon/inspect/siblings.h"
#include "tests/catch.h"
#include "tests/inspect/readers.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

constexpr uint64_t gib = 1ULL << 30;

std::string format_of(const std::string& beginning, uint64_t size = gib) {
  return recognise(beginning, size).format;
}

std::string changed(std::string text, size_t at, char to) {
  text[at] = to;
  return text;
}

}  // namespace

TEST_CASE("a safetensors header must fit its file") {
  const std::string good = safetensors_header();
  CHECK(format_of(good) == "safetensors");
  CHECK(format_of(good, good.size()) == "safetensors");
  CHECK(format_of(good.substr(0, 40), 40).empty());
  CHECK(format_of(changed(good, 7, '\x80')).empty());
  CHECK(format_of(changed(good, 8, '[')).empty());
  CHECK(format_of(changed(good, 9, '\0')).empty());
  CHECK(format_of(changed(good, 4, 1), 1ULL << 40).empty());  // 4 GiB of header
  CHECK(format_of(std::string("\1\0\0\0\0\0\0\0{}", 10)).empty());
  CHECK(format_of(std::string("\2\0\0\0\0\0\0\0{}", 10)) == "safetensors");
  CHECK(format_of("").empty());
}

TEST_CASE("GGUF has a known version and counts that its size allows") {
  const std::string good = gguf_header();
  CHECK(format_of(good) == "gguf");
  CHECK(format_of(changed(good, 4, 0)).empty());
  CHECK(format_of(changed(good, 4, 4)).empty());
  CHECK(format_of(changed(good, 15, 1)).empty());
  CHECK(format_of(changed(good, 0, 'g')).empty());
  CHECK(format_of(good.substr(0, 20), gib).empty());
}

TEST_CASE("a torch archive begins with its stored pickle") {
  const std::string good = torch_header();
  CHECK(format_of(good) == "torch");
  CHECK(format_of(changed(good, 8, 8)).empty());         // deflated
  CHECK(format_of(changed(good, 30 + 7, 'x')).empty());  // "archivexdata.pkl"
  CHECK(format_of(changed(good, 26, '\xff')).empty());   // name beyond what was read
  CHECK(format_of(changed(good, 2, 5)).empty());         // empty archive
}

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
