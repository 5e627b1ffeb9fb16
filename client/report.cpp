// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/report.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "client/args.h"
#include "client/loads.h"
#include "client/session.h"
#include "client/table.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

/// One row a knob: the first value found, the last one given, how often, and for which profile.
Json changes_of(const Json& history, const std::string& kind) {
  std::map<std::string, Json> by_knob;
  for (const auto& row : history.items()) {
    if (row["kind"].text() != kind) continue;
    const std::string knob = row["knob"].text();
    Json& change = by_knob[knob];
    if (!change.has("knob")) change.set("knob", knob).set("from", row["from"]);
    change.set("to", row["to"]).set("times", change["times"].number() + 1);
    change.set("profile", row["profile"]).set("why", row["why"]);
  }
  Json list = Json::array();
  for (const auto& [knob, change] : by_knob) list.append(change);
  return list;
}

Json rejections_of(const Json& history) {
  std::map<std::string, uint64_t> by_reason;
  for (const auto& row : history.items()) {
    if (row["kind"].text() == "rejected") ++by_reason[row["reason"].text()];
  }
  Json list = Json::array();
  for (const auto& [reason, count] : by_reason)
    list.append(Json::object().set("reason", reason).set("times", count));
  return list;
}

uint64_t count_kind(const Json& history, const std::string& kind) {
  const auto& rows = history.items();
  return static_cast<uint64_t>(std::count_if(
      rows.begin(), rows.end(), [&kind](const Json& row) { return row["kind"].text() == kind; }));
}

std::string render_loads(const Json& loads, const Style& style) {
  Table table({{"LOAD", Align::right},
               {"MODEL", Align::left, 12, true},
               {"STATE"},
               {"SIZE", Align::right},
               {"TIME", Align::left, 0, false, 2},
               {"BEFORE", Align::right},
               {"AFTER", Align::right},
               {"SAVED", Align::right},
               {"ASSISTANCE", Align::left, 10, false, 1}});
  const auto rate = [](const Json& value) {
    return value.number() == 0 ? "" : human_rate(value.number());
  };
  for (const auto& load : loads.items()) {
    const uint64_t saved_us = load["saved_us"].number();
    table.add({load["id"].text(),
               load_name(load),
               load["state"].text(),
               human_size(load["bytes_total"].number()),
               load_time(load),
               rate(load["rate_before"]),
               rate(load["rate_after"]),
               {saved_us == 0 ? "" : human_duration(saved_us), Colour::green},
               load["assistance"].text()});
  }
  std::string text = table.render(style);
  for (const auto& load : loads.items()) {
    if (load["warning"].text().empty()) continue;
    const std::string warning = "load " + load["id"].text() + ": " + load["warning"].text();
    text += paint(style, Colour::yellow, printable(warning)) + '\n';
  }
  return text;
}

std::string render_changes(const std::string& title, const Json& changes, const Style& style) {
  if (changes.size() == 0) return "";
  Table table({{"  KNOB", Align::left, 24, true},
               {"FROM", Align::left, 8},
               {"TO", Align::left, 8},
               {"TIMES", Align::right},
               {"PROFILE", Align::left, 0, false, 2},
               {"WHY", Align::left, 12, false, 1}});
  for (const auto& row : changes.items()) {
    table.add({"  " + row["knob"].text(), row["from"].text(), row["to"].text(), row["times"].text(),
               row["profile"].text(), row["why"].text()});
  }
  return '\n' + paint(style, Colour::bold, title) + '\n' + table.render(style);
}

std::string render_rejections(const Json& rejections, const Style& style) {
  if (rejections.size() == 0) return "";
  std::string text = '\n' + paint(style, Colour::bold, "Looked like a load and was not") + '\n';
  for (const auto& row : rejections.items())
    text += "  " + row["times"].text() + " × " + printable(row["reason"].text()) + '\n';
  return text;
}

std::string headline(const Json& report) {
  const uint64_t loads = report["loads"].size();
  std::string text = counted(loads, "load");
  const bool wrote = report["written"].size() != 0;
  const bool would = report["would_write"].size() != 0 || report["would_rewindow"].number() != 0;
  if (wrote) text += "; " + counted(report["written"].size(), "knob") + " changed";
  if (would && !wrote) text += "; nothing was written";
  if (would)
    text += "; " + counted(report["would_write"].size(), "knob") + " would have been changed";
  if (report["rewindowed"].number() != 0)
    text += "; " + counted(report["rewindowed"].number(), "reader") + " re-windowed";
  if (report["would_rewindow"].number() != 0)
    text += "; " + counted(report["would_rewindow"].number(), "reader") +
            " would have been re-windowed";
  if (report["saved_us"].number() != 0)
    text += "; about " + human_duration(report["saved_us"].number()) + " saved";
  return text;
}

int report(Daemon& daemon, const Session& session, uint64_t since_us) {
  const auto manager = daemon.manager();
  if (!manager) return fail(manager.error());
  const auto history = daemon.history(since_us);
  if (!history) return fail(history.error());
  const auto loads = daemon.loads();
  if (!loads) return fail(loads.error());
  Json described = Json::array();
  for (const auto& load : loads.value().items()) {
    const uint64_t finished = load["finished"].number();
    if (finished == 0 || finished >= since_us) described.append(with_details(daemon, load));
  }
  Json shown = Json::object();
  shown.set("mode", manager.value()["mode"]).set("since", since_us);
  shown.merge(build_report(history.value(), described));
  if (session.json) {
    print(shown);
  } else {
    print(render_report(shown, session.style));
  }
  return kSuccess;
}

}  // namespace

Json build_report(const Json& history, const Json& loads) {
  Json report = Json::object();
  uint64_t saved_us = 0;
  for (const auto& load : loads.items()) saved_us += load["saved_us"].number();
  const auto& rows = history.items();
  report.set("first", rows.empty() ? uint64_t{0} : rows.front()["time"].number());
  report.set("loads", loads.size() == 0 ? Json::array() : loads).set("saved_us", saved_us);
  report.set("written", changes_of(history, "written"));
  report.set("would_write", changes_of(history, "would-write"));
  report.set("rewindowed", count_kind(history, "rewindowed"));
  report.set("would_rewindow", count_kind(history, "would-rewindow"));
  report.set("yielded", changes_of(history, "yielded"));
  report.set("failed", changes_of(history, "failed"));
  return report.set("rejected", rejections_of(history));
}

std::string render_report(const Json& report, const Style& style) {
  const uint64_t first = std::max(report["since"].number(), report["first"].number());
  std::string text;
  if (first != 0) text += "Since " + human_time(first, now_us()) + ": ";
  text += headline(report) + ".\n";
  if (report["mode"].text() == "observe")
    text +=
        paint(style, Colour::yellow, "observing: 'tuneshiftctl mode auto' starts writing") + '\n';
  if (report["loads"].size() != 0) text += '\n' + render_loads(report["loads"], style);
  text += render_changes("Would have been changed", report["would_write"], style);
  text += render_changes("Changed", report["written"], style);
  text += render_changes("Left to somebody else", report["yielded"], style);
  text += render_changes("Refused by the kernel", report["failed"], style);
  return text + render_rejections(report["rejected"], style);
}

void add_report_verbs(CLI::App& app, Session& session) {
  auto since = std::make_shared<std::string>();
  auto* verb = app.add_subcommand("report", "Sum up what was done and gained, or would have been");
  verb->add_option("--since", *since, "10m (ago), today, 14:30 or '2025-01-31 14:30' (everything)")
      ->type_name("TIME")
      ->check(check_time);
  verb->callback([&session, since] {
    session.verb = [&session, since](Daemon& daemon) {
      return report(daemon, session, since->empty() ? 0 : parse_time(*since, now_us()).value());
    };
  });
}

}  // namespace tuneshift
