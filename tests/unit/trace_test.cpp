// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/trace.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

const std::string header = trace_header();
const Reader reader{{812, 99120}, {254, 1, 5308417}};

/// The body of a trace of this one entry, written and parsed.
TraceEntry again(const TraceEntry& entry) {
  auto trace = parse_trace(header + to_line(entry));
  if (!trace.ok()) FAIL(trace.error().message);
  REQUIRE(trace.value().size() == 1);
  return trace.value().front();
}

/// Equal texts: what is written has every field.
void check_round_trip(const TraceEntry& entry) {
  const std::string line = to_line(entry);
  CHECK(to_line(again(entry)) == line);
}

std::string mistake(const std::string& text) {
  const auto trace = parse_trace(text);
  return trace.ok() ? "none" : trace.error().message;
}

}  // namespace

TEST_CASE("an event is written and read with every field") {
  Event event;
  event.reader = reader;
  event.evidence = Evidence::direct_read;
  event.time_ns = 77;
  event.first_ns = 55;
  event.bytes = 8;
  event.file_size = 9;
  event.sequential = 7;
  event.jumps = 3;
  event.has_block_device = false;
  event.command = "a b%=,\n\xff";
  const std::string line = to_line({77, event});
  CHECK(line ==
        "77 event reader=812.99120@254:1:5308417 evidence=direct-read first_ns=55 bytes=8 size=9 "
        "sequential=7 jumps=3 block_device=0 command=a%20b%25=%2c%0a%ff\n");
  const auto read = std::get<Event>(again({77, event}).body);
  CHECK(read.reader == reader);
  CHECK(read.evidence == Evidence::direct_read);
  CHECK(read.time_ns == 77);
  CHECK(read.first_ns == 55);
  CHECK(read.bytes == 8);
  CHECK(read.file_size == 9);
  CHECK(read.sequential == 7);
  CHECK(read.jumps == 3);
  CHECK_FALSE(read.has_block_device);
  CHECK(read.command == event.command);
}

TEST_CASE("facts are written and read with every field") {
  Facts facts;
  facts.format = "gguf";
  facts.detail = "GGUF version 3";
  facts.path = "/m/a b.gguf";
  facts.file_size = 1;
  facts.resident_bytes = 0;
  facts.mapped = true;
  facts.descriptors = {{3, false}, {4, true}};
  facts.model = "/m/a";
  facts.model_bytes = 2;
  facts.shards = 3;
  facts.holds_gpu = true;
  facts.uid = 1000;
  facts.cgroup = "/system.slice/x.service";
  facts.command_line = "vllm serve /m";
  const auto read = std::get<TraceFacts>(again({5, TraceFacts{reader, facts}}).body);
  CHECK(read.reader == reader);
  CHECK(read.facts.format == facts.format);
  CHECK(read.facts.detail == facts.detail);
  CHECK(read.facts.path == facts.path);
  CHECK(read.facts.file_size == 1);
  CHECK(read.facts.resident_bytes == uint64_t{0});
  CHECK(read.facts.mapped);
  REQUIRE(read.facts.descriptors.size() == 2);
  CHECK(read.facts.descriptors[1].fd == 4);
  CHECK(read.facts.descriptors[1].direct);
  CHECK(read.facts.model == facts.model);
  CHECK(read.facts.model_bytes == 2);
  CHECK(read.facts.shards == 3);
  CHECK(read.facts.holds_gpu);
  CHECK(read.facts.uid == 1000);
  CHECK(read.facts.cgroup == facts.cgroup);
  CHECK(read.facts.command_line == facts.command_line);
  facts.resident_bytes.reset();
  CHECK_FALSE(
      std::get<TraceFacts>(again({5, TraceFacts{reader, facts}}).body).facts.resident_bytes);
}

TEST_CASE("every other kind of line is written and read again") {
  check_round_trip({1, TraceOrigin{"0.1.0", "6.18.5", true}});
  check_round_trip(
      {1, TraceSettings{500, 1 << 20, 7, 8, Mode::automatic, "throughput", "latency"}});
  check_round_trip({1, TraceMachine{1 << 30, "amd", "kvm", {"policy0", "policy,1"}}});
  check_round_trip({1, TraceDisk{"vda", {"virtio", "a model", "virtio_blk", true, true, true}}});
  check_round_trip(
      {1,
       TraceStore{254, 1, {"254:0", "block/vda/queue/read_ahead_kb", {"vda"}, {"dm-0"}, "xfs"}}});
  check_round_trip({1, TraceFailure{reader, ErrorCode::timeout, "no answer"}});
  check_round_trip({1, TraceSample{reader, {1, 2, 3, 4}}});
  check_round_trip({1, TraceBytes{reader, UINT64_MAX}});
  check_round_trip({1, TraceConsumed{reader, UINT64_MAX}});
  check_round_trip({1, TraceGone{reader.process}});
  check_round_trip({1, TraceTimer{}});
  check_round_trip({1, TraceCancel{3}});
  check_round_trip({1, TraceDecision{{LoadChangeKind::look_again, reader, 4, "too early"}}});
  check_round_trip({1, TraceLost{17}});
  check_round_trip({1, TraceEnd{}});
  check_round_trip({0, TraceLabel{812, TraceLabel::Is::not_load, "cp -a", 0}});
  check_round_trip({0, TraceLabel{812, TraceLabel::Is::server, "", 50}});
}

TEST_CASE("comments, empty lines, and labels without a time are no mistakes") {
  const auto trace = parse_trace(header + "# by hand\n\nlabel pid=7 is=load\n9 timer");
  REQUIRE(trace.ok());
  REQUIRE(trace.value().size() == 2);
  CHECK(std::get<TraceLabel>(trace.value()[0].body).pid == 7);
  CHECK(trace.value()[1].time_ns == 9);
}

TEST_CASE("a wrong line is named by its number and what is wrong with it") {
  CHECK(mistake("") == "line 1: no trace of tuneshift: it is empty");
  CHECK(mistake("PK\3\4") == "line 1: no trace of tuneshift");
  CHECK(mistake("tuneshift-trace one\n") == "line 1: 'one' is no version");
  CHECK(mistake("tuneshift-trace 2.0\n") == "line 1: format 2.0; this tuneshift reads 1.x");
  CHECK(mistake(header + "\n1 evnt\n") == "line 3: no kind of line is called 'evnt'");
  CHECK(mistake(header + "1x timer\n") == "line 2: '1x' is no time");
  for (const char* untimed : {"timer\n", "0 timer\n", "0000 timer\n"}) {
    CHECK(mistake(header + untimed) == "line 2: 'timer' needs a time");
  }
  CHECK(mistake(header + "1 timer now\n") == "line 2: expected key=value instead of 'now'");
  CHECK(mistake(header + "1 timer =1\n") == "line 2: expected key=value instead of '=1'");
  CHECK(mistake(header + "1 cancel load=1 load=2\n") == "line 2: 'load' is there twice");
  CHECK(mistake(header + "1 cancel\n") == "line 2: 'cancel' needs 'load'");
  CHECK(mistake(header + "1 cancel load=-1\n") == "line 2: 'cancel' has a wrong 'load': '-1'");
  CHECK(mistake(header + "1 cancel load=4294967296\n") ==
        "line 2: 'cancel' has a wrong 'load': '4294967296'");
  CHECK(mistake(header + "1 timer late=1\n") == "line 2: 'timer' has no key 'late'");
  for (const char* wrong : {"0.1@1:2:3", "1@1:2:3", "1.1", "1.1@1:2", "1.1@1:2:3x", "-1.1@1:2:3"}) {
    CHECK(mistake(header + "1 bytes bytes=1 reader=" + wrong + "\n") ==
          std::string("line 2: 'bytes' has a wrong 'reader': '") + wrong + "'");
  }
  for (const char* wrong : {"%", "%4", "%zz", "%-1", "a,b", "\x01"}) {
    CHECK(mistake(header + "label pid=1 is=load name=" + wrong + "\n")
              .starts_with("line 2: 'label' has a wrong 'name': '"));
  }
  CHECK(mistake(header + "1 machine cpu_policies=a,\n") ==
        "line 2: 'machine' has a wrong 'cpu_policies': 'a,'");
  CHECK(mistake(header + "1 origin hashed=yes\n") ==
        "line 2: 'origin' has a wrong 'hashed': 'yes'");
}

TEST_CASE("what a newer version added is refused as that") {
  const std::string newer = "tuneshift-trace 1.7\n";
  CHECK(parse_trace(newer + "1 timer\n").ok());
  const std::string why = ": written by a newer tuneshift, as format 1.7; this one reads up to 1.1";
  CHECK(mistake(newer + "1 timer late=1\n") == "line 2: 'timer' has no key 'late'" + why);
  CHECK(mistake(newer + "1 gpu busy=1\n") == "line 2: no kind of line is called 'gpu'" + why);
}

TEST_CASE("a trace is bounded") {
  CHECK(mistake(header + std::string(longest_trace_line + 1, 'x')) == "line 2: longer than 64 KiB");
  CHECK(mistake(header + std::string(most_trace_lines, '\n')) ==
        "line 500001: a trace has 500000 lines at most");
  CHECK(mistake(std::string(most_trace_bytes + 1, '\n')) == "a trace has 64 MiB at most");
  std::string items = "p";
  for (size_t i = 0; i < most_trace_items; ++i) items += ",p";
  CHECK(mistake(header + "1 machine cpu_policies=" + items)
            .starts_with("line 2: 'machine' has a wrong 'cpu_policies'"));
}
