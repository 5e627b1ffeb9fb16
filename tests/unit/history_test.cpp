// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/history.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

Record record(uint64_t time_us, const std::string& kind, uint32_t pid) {
  return {time_us, time_us, kind, kind, {{"pid", pid}}};
}

std::string kinds(const std::vector<Record>& records) {
  std::string text;
  for (const Record& one : records) text += (text.empty() ? "" : " ") + one.kind;
  return text;
}

}  // namespace

TEST_CASE("the history tells in its order what is about somebody or not too old") {
  History history(10);
  history.add(record(5, "suspected", 1));
  history.add(record(6, "started", 1));
  history.add(record(7, "suspected", 2));
  history.add(record(7, "mode", 0));
  history.add(record(7, "rejected", 2));
  history.add(record(4, "finished", 1));  // the clock was set back
  CHECK(kinds(history.since(0)) == "suspected started suspected mode rejected finished");
  CHECK(kinds(history.since(6)) == "started suspected mode rejected");
  CHECK(kinds(history.about("pid", uint32_t{1})) == "suspected started finished");
  CHECK(kinds(history.about("pid", uint32_t{2})) == "suspected rejected");
  CHECK(kinds(history.about("pid", std::string("2"))).empty());
  CHECK(kinds(history.about("load", uint32_t{2})).empty());
}

TEST_CASE("a flood of suspects pushes no decision out of the history") {
  History history(3);
  history.add(record(1, "started", 1));
  for (uint32_t pid = 10; pid < 20; ++pid) {
    history.add(record(pid, "suspected", pid));
    history.add(record(pid, "rejected", pid));
  }
  CHECK(kinds(history.since(0)) == "started rejected suspected rejected");
  for (uint32_t pid = 20; pid < 25; ++pid) history.add(record(pid, "finished", pid));
  CHECK(kinds(history.since(0)) == "rejected suspected rejected finished finished finished");
}
