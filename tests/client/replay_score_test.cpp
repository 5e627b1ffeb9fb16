// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/replay_score.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

using Is = TraceLabel::Is;

ReplayVerdict verdict(Is is, bool loaded, bool served = false) {
  ReplayVerdict one{{1, is, "", 0}, loaded, served, {}, {}};
  if (loaded) one.delay_ns = 5'000'000;
  return one;
}

}  // namespace

TEST_CASE("precision and recall count labelled loads") {
  Replayed done;
  done.verdicts = {verdict(Is::load, true),      verdict(Is::load, true),
                   verdict(Is::load, true),      verdict(Is::load, false),
                   verdict(Is::not_load, false), verdict(Is::not_load, true),
                   verdict(Is::server, true)};
  ReplayScore score;
  score.add(done);
  CHECK(score.precision() == 0.75);
  CHECK(score.recall() == 0.75);
  CHECK(score.contradicted == 3);
  CHECK(score.delays_us == std::vector<uint64_t>{5000, 5000, 5000});
  CHECK_FALSE(score.is_good());
  CHECK(score.text().find("precision 0.750 (3 of 4)\nrecall 0.750 (3 of 4)\nservers 0.000 (0 of 1)"
                          "\ndelay from suspected to started: median 5 ms, worst 5 ms\n"
                          "3 labels contradicted, 0 decisions different") != std::string::npos);
}

TEST_CASE("without labels nothing is wrong, unless a decision differs") {
  ReplayScore score;
  score.add({});
  CHECK(score.is_good());
  CHECK(score.precision() == 1);
  CHECK(score.recall() == 1);
  Replayed other;
  other.differences = {"decides otherwise"};
  score.add(other);
  CHECK_FALSE(score.is_good());
  CHECK(score.json()["traces"].number() == 2);
}
