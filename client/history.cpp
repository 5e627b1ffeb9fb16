// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <memory>
#include <string>

#include "client/args.h"
#include "client/session.h"
#include "client/table.h"

namespace tuneshift {

namespace {

Colour kind_colour(const std::string& kind) {
  if (kind == "failed") return Colour::red;
  if (kind == "yielded" || kind == "abandoned") return Colour::yellow;
  if (kind == "started" || kind == "finished" || kind == "serving") return Colour::green;
  if (kind == "written" || kind == "would-write") return Colour::blue;
  if (kind == "rejected" || kind == "absent") return Colour::dim;
  return Colour::none;
}

/// How long after the first sign of the reader: only where the daemon measured it.
std::string delay(const Json& row) {
  return row["after_us"].number() == 0 ? "" : '+' + human_duration(row["after_us"].number());
}

/// A present state, which `why KNOB` starts with, in the words of the other rows.
std::string present_state(const Json& row) {
  std::string text = row["knob"].text() + " is " + row["current"].text();
  if (row["current"].text() != row["wanted"].text()) text += ", wanted " + row["wanted"].text();
  text += ", was " + row["original"].text() + ": " + row["state"].text();
  if (!row["owner"].text().empty()) text += ", for " + row["owner"].text();
  if (!row["why"].text().empty()) text += " (" + row["why"].text() + ')';
  return text;
}

void show(const Json& rows, const Session& session, const std::string& nothing) {
  if (session.json) {
    print(rows);
    return;
  }
  Table table({{"TIME"}, {"DELAY", Align::right}, {"EVENT"}, {"WHAT"}});
  const uint64_t now = now_us();
  for (const auto& row : rows.items()) {
    const std::string kind = row["kind"].text();
    const uint64_t time = row["time"].number();
    table.add({exact_time(time != 0 ? time : row["since"].number(), now),
               {delay(row), Colour::dim},
               {kind, kind_colour(kind)},
               kind == "knob" ? present_state(row) : row["text"].text()});
  }
  print(table.empty() ? nothing + '\n' : table.render(session.style));
}

int history(Daemon& daemon, const Session& session, uint64_t since_us) {
  const auto rows = daemon.history(since_us);
  if (!rows) return fail(rows.error());
  show(rows.value(), session, "Nothing happened.");
  return kSuccess;
}

int why(Daemon& daemon, const Session& session, const Subject& subject) {
  const auto rows = daemon.why(subject);
  if (!rows) return fail(rows.error());
  const std::string name =
      subject.kind == Subject::Kind::pid ? "process " + std::to_string(subject.pid) : subject.text;
  show(rows.value(), session, "Nothing is known of " + name + '.');
  return kSuccess;
}

std::string check_subject(const std::string& text) {
  const auto subject = parse_subject(text);
  return subject.ok() ? "" : subject.error().message;
}

}  // namespace

void add_history_verbs(CLI::App& app, Session& session) {
  auto about = std::make_shared<std::string>();
  auto* why_verb =
      app.add_subcommand("why", "Show what was seen and done about one thing, and why");
  why_verb->add_option("SUBJECT", *about, "A process, a path or a knob")
      ->type_name("PID|PATH|KNOB")
      ->required()
      ->check(check_subject);
  why_verb->callback([&session, about] {
    session.verb = [&session, about](Daemon& daemon) {
      return why(daemon, session, parse_subject(*about).value());
    };
  });

  auto since = std::make_shared<std::string>();
  auto* verb = app.add_subcommand("history", "Show what was seen, decided and done, oldest first");
  verb->add_option("--since", *since, "10m (ago), today, 14:30 or '2025-01-31 14:30' (everything)")
      ->type_name("TIME")
      ->check(check_time);
  verb->callback([&session, since] {
    session.verb = [&session, since](Daemon& daemon) {
      return history(daemon, session, since->empty() ? 0 : parse_time(*since, now_us()).value());
    };
  });
}

}  // namespace tuneshift
