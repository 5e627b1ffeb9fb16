// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect_protocol.h"

#include "daemon/inspect_request.h"
#include "daemon/process_identity.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

Facts some_facts() {
  Facts facts;
  facts.format = "gguf";
  facts.role = FormatRole::data;
  facts.detail = "GGUF version 3";
  facts.path = "/m/a\nend\n\xff";
  facts.file_size = 4096;
  facts.resident_bytes = 4096;
  facts.mapped = true;
  facts.descriptors = {{3, false}, {7, true}};
  facts.model = "/m/a";
  facts.model_bytes = 8192;
  facts.shards = 2;
  facts.holds_gpu = true;
  facts.uid = 65534;
  facts.cgroup = "/system.slice/x.service";
  facts.command_line = "python serve.py";
  return facts;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("facts come through the helper's reply unchanged") {
  const Result<Facts> result = parse_inspect_reply(format_inspect_reply(some_facts()));
  REQUIRE(result.ok());
  const Facts& facts = result.value();
  CHECK(facts.format == "gguf");
  CHECK(facts.role == FormatRole::data);
  CHECK(facts.path == "/m/a\nend\n\xff");
  CHECK(facts.resident_bytes == 4096u);
  CHECK(facts.mapped);
  REQUIRE(facts.descriptors.size() == 2);
  CHECK(facts.descriptors[1].fd == 7);
  CHECK(facts.descriptors[1].direct);
  CHECK(facts.model_bytes == 8192);
  CHECK(facts.shards == 2);
  CHECK(facts.holds_gpu);
  CHECK(facts.uid == 65534);
  CHECK(facts.cgroup == "/system.slice/x.service");
  CHECK(facts.command_line == "python serve.py");
}

TEST_CASE("an error comes through the helper's reply") {
  const Error error{ErrorCode::permission, "open: Permission denied", "/a", 13};
  const Result<Facts> result = parse_inspect_reply(format_inspect_reply(error));
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::permission);
  CHECK(result.error().path == "/a");
  CHECK(result.error().errno_value == 13);
}

TEST_CASE("every cut of a reply is refused") {
  const std::string reply = format_inspect_reply(some_facts());
  for (size_t length = 0; length < reply.size(); ++length) {
    INFO(length);
    CHECK_FALSE(parse_inspect_reply(reply.substr(0, length)).ok());
  }
}

TEST_CASE("a reply that no helper of ours would give is refused") {
  const std::string good = format_inspect_reply(some_facts());
  std::string many = good;
  for (int i = 0; i < 300; ++i) many = replaced(many, "end\n", "direct=9\nend\n");
  const std::string bad[] = {
      good + "x=1\n",
      replaced(good, "facts 2", "facts 1"),
      replaced(good, "status=ok", "status=timeout"),
      replaced(good, "format=67677566", "format=6767756"),
      replaced(good, "role=data", "role=either"),
      replaced(good, "format=67", "format=-1"),
      replaced(good, "size=4096", "size=99999999999999999999"),
      replaced(good, "resident=4096", "resident=4097"),
      replaced(good, "mapped=1", "mapped=2"),
      replaced(good, "uid=65534", "uid=4294967296"),
      replaced(good, "uid=65534", "uid= 1"),
      replaced(good, "uid=65534", "uid=1\nuid=2"),
      replaced(good, "shards=2", "shards=2\nunknown=1"),
      replaced(good, "detail=47", "detail=4"),
      replaced(good, "detail=47", "detail=00"),
      replaced(good, "detail=47", "detail=4G"),
      replaced(good, "detail=", "detail=" + std::string(2000, '4')),
      replaced(good, "direct=7", "direct=-7"),
      many,
      std::string(max_inspect_reply_bytes + 1, 'a'),
  };
  for (const std::string& packet : bad) {
    INFO(packet.substr(0, 300));
    const auto result = parse_inspect_reply(packet);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::io);
  }
}

TEST_CASE("the start time is after the kernel's parenthesis") {
  const std::string fields = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n";
  CHECK(parse_start_ticks("12 (a)" + fields) == 4711u);
  CHECK(parse_start_ticks("12 () R 1 2 3 (x y) )" + fields) == 4711u);
  CHECK_FALSE(parse_start_ticks("12 (a) S 1 2").has_value());
  CHECK_FALSE(parse_start_ticks("").has_value());
  CHECK(started_at("12 (a)" + fields, 47110000000 + 9999999));
  CHECK_FALSE(started_at("12 (a)" + fields, 47120000000));
}

TEST_CASE("fields of fdinfo are found at a line's start only") {
  CHECK(parse_field("pos:\t0\nflags:\t0140000\nino:\t77\n", "ino:") == 77u);
  CHECK(parse_field("pos:\t0\nflags:\t0140000\nino:\t77\n", "flags:", 8) == 0140000u);
  CHECK_FALSE(parse_field("x ino:\t77\n", "ino:").has_value());
}

TEST_CASE("a request brings its rules to the helper unchanged") {
  FormatRule rule;
  rule.name = "mine";
  rule.role = FormatRole::data;
  rule.check = FormatCheck::npz;
  rule.magic = {{0, std::string("a\0b", 3)}, {257, "ustar"}};
  rule.files = {"*.bin"};
  rule.beside = {"*.index", "x"};
  rule.least_bytes = 1ULL << 40;
  FormatRule other;
  other.name = "other";
  const FormatRules rules = {rule, other};
  InspectRequest request;
  request.pid = 7;
  request.inode = 1ULL << 40;
  const std::string packet = format_inquiry(request, encode_format_rules(rules));
  const auto inquiry = parse_inquiry(packet);
  REQUIRE(inquiry.ok());
  CHECK(inquiry.value().request.pid == 7);
  CHECK(inquiry.value().request.inode == 1ULL << 40);
  CHECK(inquiry.value().rules == rules);

  for (size_t length = 0; length < packet.size(); ++length) {
    INFO(length);
    const auto cut = parse_inquiry(packet.substr(0, length));
    // Between two rules a packet has no mark of its end: the socket keeps it in one piece.
    const bool whole_rules = cut.ok() && cut.value().rules.size() < 2;
    CHECK((!cut.ok() || whole_rules));
  }
  CHECK_FALSE(parse_inquiry(packet + "x").ok());
  CHECK_FALSE(parse_inquiry(packet + std::string(max_inspect_request_bytes, 'x')).ok());
  request.version = 1;
  CHECK_FALSE(parse_inquiry(format_inquiry(request, "")).ok());
}
