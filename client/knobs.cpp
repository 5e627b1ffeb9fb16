// SPDX-License-Identifier: LGPL-2.1-or-later
#include <memory>
#include <string>

#include "client/session.h"
#include "client/table.h"

namespace tuneshift {

namespace {

Colour state_colour(const std::string& state) {
  if (state == "ours") return Colour::green;
  if (state == "yielded") return Colour::yellow;
  return state == "failed" ? Colour::red : Colour::dim;
}

std::string render(const Json& knobs, const Style& style) {
  Table table({{"KNOB", Align::left, 24, true},
               {"STATE"},
               {"ORIGINAL", Align::left, 8, false, 3},
               {"NOW", Align::left, 8},
               {"WANTED", Align::left, 8},
               {"SINCE", Align::left, 0, false, 1},
               {"OWNER", Align::left, 8, false, 2},
               {"WHY", Align::left, 12, false, 4}});
  const uint64_t now = now_us();
  for (const auto& row : knobs.items()) {
    const std::string state = row["state"].text();
    table.add({row["knob"].text(),
               {state, state_colour(state)},
               row["original"].text(),
               row["current"].text(),
               row["wanted"].text(),
               human_time(row["since"].number(), now),
               row["owner"].text(),
               row["why"].text()});
  }
  return table.render(style);
}

int list(Daemon& daemon, const Session& session) {
  const auto knobs = daemon.knobs();
  if (!knobs) return fail(knobs.error());
  if (session.json) {
    print(knobs.value());
  } else {
    print(knobs.value().size() == 0 ? "No knob is changed.\n"
                                    : render(knobs.value(), session.style));
  }
  return kSuccess;
}

int verify(Daemon& daemon, const Session& session) {
  const auto differing = daemon.verify();
  if (!differing) return fail(differing.error());
  const size_t count = differing.value().size();
  if (session.json) {
    print(differing.value());
  } else {
    print(count == 0 ? "Every knob is as wanted.\n" : render(differing.value(), session.style));
  }
  if (count == 0) return kSuccess;
  return fail({ErrorCode::io,
               counted(count, "knob") + (count == 1 ? " is" : " are") + " not as wanted",
               {},
               0});
}

}  // namespace

void add_knob_verbs(CLI::App& app, Session& session) {
  app.add_subcommand("knobs", "List the knobs that are changed or wanted, with owner and reason")
      ->callback([&session] {
        session.verb = [&session](Daemon& daemon) { return list(daemon, session); };
      });
  app.add_subcommand("verify", "Compare every knob with what is wanted; status 1 when one differs")
      ->callback([&session] {
        session.verb = [&session](Daemon& daemon) { return verify(daemon, session); };
      });
  auto knob = std::make_shared<std::string>();
  auto* rearm = app.add_subcommand("rearm", "Take knobs back that were yielded to somebody else");
  rearm->add_option("KNOB", *knob, "Such as vm.swappiness (all)");
  rearm->callback([&session, knob] {
    session.verb = [&session, knob](Daemon& daemon) {
      return finish(daemon.rearm(*knob), session);
    };
  });
}

}  // namespace tuneshift
