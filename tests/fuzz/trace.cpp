// SPDX-License-Identifier: LGPL-2.1-or-later
// A trace of anybody's making: it is refused with a readable line, or it is written again as it
// was read and replays to an end.
#include "libtune/trace.h"

#include <string>

#include "libtune/replay.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/target.h"

using namespace tuneshift;
using namespace tuneshift::fuzz;

namespace {

std::string written(const Trace& trace) {
  std::string text = trace_header();
  for (const TraceEntry& entry : trace) text += to_line(entry);
  return text;
}

void check_again(const Trace& trace) {
  const std::string text = written(trace);
  const auto again = parse_trace(text);
  check(again.ok(), "what is written can be read", again.ok() ? "" : again.error().message);
  check(written(again.value()) == text, "reading loses nothing", text);
}

void check_replay(const Trace& trace) {
  const Replayed done = replay(trace, {});
  check(done.first_ns <= done.last_ns, "time goes on");
  uint64_t last_ns = done.first_ns;
  for (const ReplayStep& step : done.steps) {
    check(step.time_ns >= last_ns && step.time_ns <= done.last_ns, "decisions are in their order");
    last_ns = step.time_ns;
  }
  check(done.differences.size() <= 100, "differences are bounded");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto trace = parse_trace(text);
  if (!trace.ok()) {
    check(is_readable(trace.error().message), "a mistake can be shown", trace.error().message);
    check(trace.error().message.starts_with("line "), "a mistake has its line");
    return 0;
  }
  check_again(trace.value());
  check_replay(trace.value());
  return 0;
}
