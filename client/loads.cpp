// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/loads.h"

#include <algorithm>
#include <map>
#include <memory>

#include "client/session.h"
#include "client/table.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

constexpr int kRefreshMs = 500;
constexpr size_t kFinishedShown = 10;
constexpr size_t kBarWidth = 20;

Colour state_colour(const Json& load) {
  if (is_loading(load)) return Colour::green;
  return load["state"].text() == "finished" ? Colour::none : Colour::yellow;
}

/// Details do not change while a load is followed often enough to ask each time.
class Details {
 public:
  explicit Details(Daemon& daemon) : daemon_(daemon) {}

  Json add_to(const Json& load) {
    const uint64_t id = load["id"].number();
    const std::string state = load["state"].text();
    auto& known = known_[id];
    if (known.state != state) known = {state, with_details(daemon_, load)};
    Json whole = known.whole;
    return whole.merge(load);
  }

 private:
  struct Known {
    std::string state;
    Json whole;
  };
  Daemon& daemon_;
  std::map<uint64_t, Known> known_;
};

std::string render(const Json& loads, const Style& style) {
  if (loads.items().empty()) return "No loads.\n";
  const bool has_workload =
      std::any_of(loads.items().begin(), loads.items().end(),
                  [](const Json& load) { return !load["workload"].text().empty(); });
  Table table({{"ID", Align::right},
               {"STATE"},
               {"MODEL", Align::left, 12, true},
               {has_workload ? "WORKLOAD" : "", Align::left, 8, false, 2},
               {"DEVICES", Align::left, 8, false, 3},
               {style.columns == 0 ? "" : "PROGRESS", Align::left, 0, false, 2},
               {"DONE", Align::right},
               {"LOADED"},
               {"RATE", Align::right},
               {"TIME"},
               {"ASSISTANCE", Align::left, 10, false, 1}});
  for (const auto& load : loads.items()) {
    const std::string progress =
        style.columns == 0 || !is_loading(load)
            ? ""
            : bar(style, load["bytes_loaded"].number(), load["bytes_total"].number(), kBarWidth);
    table.add({load["id"].text(),
               {load["state"].text(), state_colour(load)},
               load_name(load),
               load["workload"].text(),
               load["devices"].text(),
               {progress, Colour::green},
               std::to_string(load_percent(load)) + " %",
               load_progress(load),
               human_rate(load_rate(load)),
               load_time(load),
               load["assistance"].text()});
  }
  return table.render(style);
}

/// All that load now and the last finished ones, or all.
Json select(const Json& loads, bool all, Details& details) {
  const auto& items = loads.items();
  size_t ended = static_cast<size_t>(std::count_if(
      items.begin(), items.end(), [](const Json& load) { return !is_loading(load); }));
  Json selected = Json::array();
  for (const auto& load : items) {
    if (!is_loading(load) && !all && ended-- > kFinishedShown) continue;
    selected.append(details.add_to(load));
  }
  return selected;
}

int list(Daemon& daemon, const Session& session, bool all) {
  const auto loads = daemon.loads();
  if (!loads) return fail(loads.error());
  Details details(daemon);
  const Json selected = select(loads.value(), all, details);
  if (session.json) {
    print(selected);
  } else {
    print(render(selected, session.style));
  }
  return kSuccess;
}

/// Draws `text` over what was drawn before.
class Screen {
 public:
  void draw(const std::string& text) {
    std::string out;
    if (lines_ > 0) out = "\033[" + std::to_string(lines_) + "A";
    out += "\033[J" + text;
    lines_ = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
    print(out);
    std::fflush(stdout);
  }

 private:
  size_t lines_ = 0;
};

void print_followed(const Json& loads, const Session& session, Screen& screen) {
  if (session.json) {
    for (const auto& load : loads.items()) {
      Json line = Json::object();
      print_line(line.set("time", now_us()).merge(load));
    }
  } else if (session.style.columns != 0) {
    screen.draw(render(loads, session.style));
  } else {
    for (const auto& load : loads.items()) {
      std::string line = human_time(now_us(), now_us()) + " load " + load["id"].text() + ' ' +
                         load_name(load) + ": " + load["state"].text() + ", " +
                         load_progress(load) + ", " + human_rate(load_rate(load));
      if (const std::string time = load_time(load); !time.empty()) line += ", " + time;
      print(printable(line) + '\n');
    }
    std::fflush(stdout);
  }
}

/// Byte counts have no change signals: they are asked for while something loads, and only then.
int follow(Daemon& daemon, const Session& session, bool all) {
  if (const auto status = daemon.subscribe(); !status) return fail(status.error());
  Details details(daemon);
  Screen screen;
  std::map<uint64_t, std::string> shown;  // states; whoever reads lines sees an ended load once
  while (true) {
    const auto loads = daemon.loads();
    if (!loads) return fail(loads.error());
    Json selected = select(loads.value(), all, details);
    const bool active = std::any_of(selected.items().begin(), selected.items().end(), is_loading);
    if (session.json || session.style.columns == 0) {
      Json changed = Json::array();
      for (const auto& load : selected.items()) {
        std::string& state = shown[load["id"].number()];
        if (is_loading(load) || state != load["state"].text()) changed.append(load);
        state = load["state"].text();
      }
      selected = changed;
    }
    print_followed(selected, session, screen);
    const auto signals = daemon.wait(active ? kRefreshMs : -1);
    if (!signals) return fail(signals.error());
  }
}

}  // namespace

Json with_details(Daemon& daemon, const Json& load) {
  Json whole = load;
  if (const auto details = daemon.describe_load(load["id"].number()); details.ok())
    whole.merge(details.value());
  return whole;
}

bool is_loading(const Json& load) {
  return load["state"].text() == "loading";
}

std::string load_name(const Json& load) {
  const std::string model = load["model"].text();
  return model.empty() ? "load " + load["id"].text() : model;
}

std::string load_progress(const Json& load) {
  const uint64_t total = load["bytes_total"].number();
  const std::string loaded = human_size(load["bytes_loaded"].number());
  return total == 0 ? loaded : loaded + " of " + human_size(total);
}

uint64_t load_percent(const Json& load) {
  const uint64_t total = load["bytes_total"].number();
  if (total == 0) return 0;
  const auto share =
      static_cast<double>(load["bytes_loaded"].number()) / static_cast<double>(total);
  return static_cast<uint64_t>(std::min(share, 1.0) * 100);
}

std::string load_time(const Json& load) {
  if (!is_loading(load)) {
    const uint64_t started = load["started"].number();
    const uint64_t finished = load["finished"].number();
    return finished > started ? "took " + human_duration(finished - started) : "";
  }
  const uint64_t left_us = load["time_left"].number();
  return left_us == 0 ? "" : human_duration(left_us) + " left";
}

uint64_t load_rate(const Json& load) {
  const uint64_t started = load["started"].number();
  const uint64_t finished = load["finished"].number();
  if (is_loading(load) || finished <= started) return load["rate"].number();
  const auto seconds = static_cast<double>(finished - started) / 1e6;
  return static_cast<uint64_t>(static_cast<double>(load["bytes_loaded"].number()) / seconds);
}

void add_load_verbs(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand("loads", "List model loads: progress, rate and time left");
  struct Arguments {
    bool follow = false;
    bool all = false;
  };
  auto arguments = std::make_shared<Arguments>();
  verb->add_flag("-f,--follow", arguments->follow, "Go on showing them until Ctrl-C");
  verb->add_flag("-a,--all", arguments->all, "Also the finished ones before the last ten");
  verb->callback([&session, arguments] {
    session.verb = [&session, arguments](Daemon& daemon) {
      return arguments->follow ? follow(daemon, session, arguments->all)
                               : list(daemon, session, arguments->all);
    };
  });
}

}  // namespace tuneshift
