// SPDX-License-Identifier: LGPL-2.1-or-later
#include <cstdio>
#include <map>
#include <string>

#include "client/loads.h"
#include "client/session.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

const char* event_name(BusSignal::Kind kind) {
  switch (kind) {
    case BusSignal::Kind::profile_applied:
      return "profile-applied";
    case BusSignal::Kind::knob_yielded:
      return "knob-yielded";
    case BusSignal::Kind::manager_changed:
      return "changed";
    case BusSignal::Kind::load_appeared:
      return "load-appeared";
    case BusSignal::Kind::load_changed:
      return "load-changed";
    case BusSignal::Kind::load_removed:
      return "load-removed";
    case BusSignal::Kind::daemon_started:
      return "daemon-started";
    case BusSignal::Kind::daemon_stopped:
      return "daemon-stopped";
  }
  return "";
}

/// Names and values of changed properties: "state idle, loads 0".
std::string describe_changes(const Json& values) {
  std::string text;
  for (const auto& [name, value] : values.members()) {
    if (name == "probes") continue;  // status shows them in full
    if (!text.empty()) text += ", ";
    std::string words = name;
    for (char& c : words) c = c == '_' ? ' ' : c;
    text += words + ' ' + (value.text().empty() ? "none" : value.text());
  }
  return text.empty() ? "probes changed" : text;
}

/// Remembers the loads it has seen, to say how one ended.
class Narrator {
 public:
  explicit Narrator(Daemon& daemon) : daemon_(daemon) {}

  void remember(const Json& load) { loads_[load["id"].number()] = with_details(daemon_, load); }

  /// One line for a person; also completes the signal's values.
  std::string tell(BusSignal& signal, Colour& colour) {
    Json& values = signal.values;
    switch (signal.kind) {
      case BusSignal::Kind::profile_applied: {
        const uint64_t failed = values["failed"].number();
        colour = failed == 0 ? Colour::blue : Colour::red;
        std::string text = "profile '" + values["profile"].text() +
                           "' applied: " + counted(values["written"].number(), "knob") + " written";
        if (failed != 0) text += ", " + std::to_string(failed) + " failed";
        return text + because(values["reason"]);
      }
      case BusSignal::Kind::knob_yielded:
        colour = Colour::yellow;
        return values["knob"].text() + " yielded: ours was " + values["ours"].text() +
               ", somebody set " + values["theirs"].text();
      case BusSignal::Kind::manager_changed:
        return describe_changes(values);
      case BusSignal::Kind::load_appeared:
        remember(Json::object().set("id", signal.load).merge(values));
        colour = Colour::green;
        return tell_start(signal);
      case BusSignal::Kind::load_changed:
        return tell_change(signal, colour);
      case BusSignal::Kind::load_removed:
        colour = Colour::dim;
        loads_.erase(signal.load);
        return "load " + std::to_string(signal.load) + " forgotten";
      case BusSignal::Kind::daemon_started:
        return "tuneshiftd started";
      case BusSignal::Kind::daemon_stopped:
        colour = Colour::red;
        loads_.clear();
        return "tuneshiftd stopped";
    }
    return {};
  }

 private:
  static std::string because(const Json& reason) {
    return reason.text().empty() ? "" : " (" + reason.text() + ')';
  }

  std::string tell_start(BusSignal& signal) {
    const Json& load = loads_[signal.load];
    signal.values.merge(load);
    std::string text = title(signal.load, load) + " started";
    if (load["bytes_total"].number() != 0) text += ", " + human_size(load["bytes_total"].number());
    if (load["devices"].size() != 0) text += " from " + load["devices"].text();
    return text + because(load["evidence"]);
  }

  std::string tell_change(BusSignal& signal, Colour& colour) {
    Json& load = loads_[signal.load];
    load.merge(signal.values);
    if (!signal.values.has("state"))
      return title(signal.load, load) + ": " + describe_changes(signal.values);
    refresh(signal.load, load);
    signal.values.merge(load);
    const std::string state = load["state"].text();
    colour = state == "finished" ? Colour::green : Colour::yellow;
    std::string text = title(signal.load, load) + ' ' + state;
    if (is_loading(load)) return text;
    text += ": " + load_progress(load);
    if (const std::string time = load_time(load); !time.empty())
      text += ", " + time + ", " + human_rate(load_rate(load));
    if (load["saved_us"].number() != 0)
      text += ", about " + human_duration(load["saved_us"].number()) + " saved";
    return text;
  }

  /// Byte counts are not in change signals.
  void refresh(uint64_t id, Json& load) {
    const auto loads = daemon_.loads();
    if (!loads) return;
    for (const auto& current : loads.value().items()) {
      if (current["id"].number() == id) load.merge(with_details(daemon_, current));
    }
  }

  static std::string title(uint64_t id, const Json& load) {
    std::string text = "load " + std::to_string(id);
    if (!load["model"].text().empty()) text += ' ' + load["model"].text();
    return text;
  }

  Daemon& daemon_;
  std::map<uint64_t, Json> loads_;
};

int monitor(Daemon& daemon, const Session& session) {
  if (const auto status = daemon.subscribe(); !status) return fail(status.error());
  const auto loads = daemon.loads();
  if (!loads) return fail(loads.error());
  Narrator narrator(daemon);
  for (const auto& load : loads.value().items()) {
    if (is_loading(load)) narrator.remember(load);
  }
  while (true) {
    auto signals = daemon.wait(-1);
    if (!signals) return fail(signals.error());
    for (auto& signal : signals.value()) {
      const uint64_t now = now_us();
      Colour colour = Colour::none;
      const std::string text = narrator.tell(signal, colour);
      if (session.json) {
        Json line = Json::object();
        line.set("time", now).set("event", event_name(signal.kind));
        if (signal.load != 0) line.set("load", signal.load);
        print_line(line.merge(signal.values));
      } else {
        print(exact_time(now, now) + "  " + paint(session.style, colour, printable(text)) + '\n');
        std::fflush(stdout);
      }
    }
  }
}

}  // namespace

void add_monitor_verbs(CLI::App& app, Session& session) {
  app.add_subcommand("monitor", "Show what happens as it happens, until Ctrl-C")
      ->callback([&session] {
        session.verb = [&session](Daemon& daemon) { return monitor(daemon, session); };
      });
}

}  // namespace tuneshift
