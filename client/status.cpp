// SPDX-License-Identifier: LGPL-2.1-or-later
#include <map>

#include "client/loads.h"
#include "client/session.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

constexpr size_t kBarWidth = 20;

constexpr size_t kLabelWidth = 10;

std::string label(const std::string& name) {
  return std::string(kLabelWidth - name.size(), ' ') + name + ": ";
}

/// Under a value, not under its label.
std::string indent() {
  return std::string(kLabelWidth + 2, ' ');
}

std::string field(const std::string& name, const std::string& value) {
  return label(name) + value + '\n';
}

Colour state_colour(const std::string& state) {
  return state == "idle" ? Colour::none : Colour::green;
}

/// "14 ours, 1 yielded, 2 failed".
std::string count_knobs(const Json& knobs, const Style& style) {
  std::map<std::string, uint64_t> count;
  for (const auto& knob : knobs.items()) ++count[knob["state"].text()];
  std::string text = std::to_string(count["ours"]) + " ours";
  const auto add = [&](const char* state, Colour colour) {
    if (count[state] != 0)
      text += ", " + paint(style, colour, std::to_string(count[state]) + ' ' + state);
  };
  add("yielded", Colour::yellow);
  add("failed", Colour::red);
  add("absent", Colour::none);
  return text;
}

std::string render_loads(const Json& loads, const Style& style) {
  std::string text;
  for (const auto& load : loads.items()) {
    if (!is_loading(load)) continue;
    text += indent();
    if (style.columns != 0) {
      text += paint(style, Colour::green,
                    bar(style, load["bytes_loaded"].number(), load["bytes_total"].number(),
                        kBarWidth)) +
              ' ';
    }
    text += std::to_string(load_percent(load)) + " %  " + load_progress(load) + "  " +
            human_rate(load_rate(load));
    if (const std::string left = load_time(load); !left.empty()) text += "  " + left;
    text += "  " + printable(load_name(load)) + '\n';
  }
  return text;
}

std::string render_holds(const Json& holds) {
  if (holds.size() == 0) return "";
  std::string list;
  for (const auto& hold : holds.items()) {
    if (!list.empty()) list += ", ";
    list +=
        hold["cookie"].text() + ' ' + printable(hold["profile"].text()) + " (" +
        printable(hold["reason"].text().empty() ? hold["holder"].text() : hold["reason"].text()) +
        ')';
  }
  return field("Holds", list);
}

/// Signals that do not work as they should; nothing when all do.
std::string render_probes(const Json& probes, const Style& style) {
  std::string text;
  for (const auto& [signal, state] : probes.members()) {
    if (state.size() < 2 || state.items()[0].text() == "ok") continue;
    const std::string tier = state.items()[0].text();
    const Colour colour = tier == "absent" ? Colour::red : Colour::yellow;
    text += (text.empty() ? label("Probes") : indent()) + printable(signal) + ' ' +
            paint(style, colour, printable(tier)) + ": " + printable(state.items()[1].text()) +
            '\n';
  }
  return text;
}

std::string hint(const std::string& mode) {
  if (mode == "observe") return "observing: nothing is written; 'tuneshiftctl mode auto' starts";
  if (mode == "paused") return "paused: everything is put back; 'tuneshiftctl mode MODE' ends it";
  if (mode == "manual") return "manual: only holds and 'tuneshiftctl switch' change anything";
  return "";
}

std::string render(const Json& status, const Style& style) {
  const std::string state = status["state"].text();
  const std::string mode = status["mode"].text();
  std::string text =
      paint(style, state_colour(state), style.unicode ? "● " : "* ") +
      paint(style, Colour::bold, "tuneshift " + printable(status["version"].text())) + ": " +
      paint(style, state_colour(state), printable(state)) + '\n';
  text +=
      field("Mode", paint(style, mode == "auto" ? Colour::none : Colour::yellow, printable(mode)));
  const std::string profiles = printable(status["active_profiles"].text());
  text += field("Profiles", profiles.empty() ? "none" : profiles);
  text += field("Loads", status["loads"].text());
  text += render_loads(status["load_list"], style);
  text += field("Servers", status["servers"].text());
  text += render_holds(status["holds"]);
  if (status.has("knobs")) text += field("Knobs", count_knobs(status["knobs"], style));
  text += render_probes(status["probes"], style);
  if (const std::string dropped = status["dropped_events"].text();
      status["dropped_events"].number())
    text += field("Dropped", dropped + " events: the daemon did not keep up");
  if (const std::string note = hint(mode); !note.empty())
    text += '\n' + paint(style, Colour::yellow, note) + '\n';
  return text;
}

}  // namespace

int show_status(Daemon& daemon, const Session& session) {
  const auto manager = daemon.manager();
  if (!manager) return fail(manager.error());
  const auto loads = daemon.loads();
  if (!loads) return fail(loads.error());
  const auto holds = daemon.holds();
  if (!holds) return fail(holds.error());
  const auto knobs = daemon.knobs();
  if (!knobs) return fail(knobs.error());
  Json active = Json::array();
  for (const auto& load : loads.value().items()) {
    if (is_loading(load)) active.append(with_details(daemon, load));
  }
  Json status = manager.value();
  status.set("load_list", active).set("holds", holds.value()).set("knobs", knobs.value());
  if (session.json) {
    print(status);
  } else {
    print(render(status, session.style));
  }
  return kSuccess;
}

void add_status_verbs(CLI::App& app, Session& session) {
  app.add_subcommand("status", "Show what tuneshift is doing now")->callback([&session] {
    session.verb = [&session](Daemon& daemon) { return show_status(daemon, session); };
  });
}

}  // namespace tuneshift
