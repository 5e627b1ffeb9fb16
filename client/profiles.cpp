// SPDX-License-Identifier: LGPL-2.1-or-later
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/session.h"
#include "client/table.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

struct PlanArguments {
  std::string profile;
  std::vector<std::string> devices;
};

int list(Daemon& daemon, const Session& session) {
  const auto profiles = daemon.profiles();
  const auto manager = daemon.manager();
  if (!profiles) return fail(profiles.error());
  if (!manager) return fail(manager.error());
  const auto is_active = [&manager](const std::string& name) {
    for (const auto& active : manager.value()["active_profiles"].items()) {
      if (active.text() == name) return true;
    }
    return false;
  };
  Json list = Json::array();
  Table table({{"PROFILE"}, {"ACTIVE"}, {"SUMMARY", Align::left, 20}});
  for (Json profile : profiles.value().items()) {
    const std::string name = profile["name"].text();
    const bool active = is_active(name);
    table.add({{name, active ? Colour::green : Colour::none},
               active ? "yes" : "-",
               profile["summary"].text()});
    list.append(profile.set("active", active));
  }
  if (session.json) {
    print(list);
  } else {
    print(table.empty() ? "No profiles.\n" : table.render(session.style));
  }
  return kSuccess;
}

/// The section of a profile that a knob's name belongs to.
std::string family_of(const std::string& knob) {
  const size_t slash = knob.find('/');
  if (slash == std::string::npos) return "sysctl";
  const std::string first = knob.substr(0, slash);
  return first == "block" || first == "bdi" ? first : "thp";
}

int show(Daemon& daemon, const Session& session, const PlanArguments& arguments) {
  const auto plan = daemon.plan(arguments.profile, arguments.devices);
  if (!plan) return fail(plan.error());
  const auto profiles = daemon.profiles();
  if (!profiles) return fail(profiles.error());
  Json shown = Json::object();
  shown.set("name", arguments.profile).set("summary", "");
  for (const auto& profile : profiles.value().items()) {
    if (profile["name"].text() == arguments.profile) shown.set("summary", profile["summary"]);
  }
  std::map<std::string, Json> families;
  for (const auto& row : plan.value().items()) families[family_of(row["knob"].text())].append(row);
  Json sections = Json::object();
  for (const char* family : {"sysctl", "thp", "block", "bdi"}) {
    if (families.count(family) != 0) sections.set(family, families[family]);
  }
  shown.set("families", sections);
  if (session.json) {
    print(shown);
    return kSuccess;
  }
  std::string text = paint(session.style, Colour::bold, printable(arguments.profile));
  if (!shown["summary"].text().empty()) text += ": " + printable(shown["summary"].text());
  text += '\n';
  for (const auto& [family, rows] : sections.members()) {
    Table table(
        {{"  " + family, Align::left, 24, true}, {"VALUE"}, {"NOW"}, {"WHY", Align::left, 16}});
    for (const auto& row : rows.items()) {
      table.add({"  " + row["knob"].text(),
                 {row["wanted"].text(), Colour::bold},
                 row["current"].text(),
                 row["why"].text()});
    }
    text += '\n' + table.render(session.style);
  }
  print(text);
  return kSuccess;
}

/// As a diff: what would change, then how many stay, then what would not be written and why.
std::string render_plan(const Json& rows, const Style& style) {
  std::string text;
  uint64_t written = 0;
  uint64_t right = 0;
  uint64_t skipped = 0;
  for (const auto& row : rows.items()) {
    const std::string knob = printable(row["knob"].text());
    const std::string current = printable(row["current"].text());
    const std::string wanted = printable(row["wanted"].text());
    const std::string why = printable(row["why"].text());
    std::string note =
        row["owner"].text().empty() ? why : printable(row["owner"].text()) + ": " + why;
    if (!note.empty()) note = "  " + paint(style, Colour::dim, "# " + note);
    if (row["write"].truth()) {
      ++written;
      text += paint(style, Colour::red, "- " + knob + " = " + current) + '\n';
      text += paint(style, Colour::green, "+ " + knob + " = " + wanted) + note + '\n';
    } else if (current == wanted) {
      ++right;
    } else {
      ++skipped;
      text += paint(style, Colour::yellow, "! " + knob + " = " + current + ", not " + wanted) +
              note + '\n';
    }
  }
  if (!text.empty()) text += '\n';
  text += std::to_string(written) + " to write, " + std::to_string(right) + " already right";
  if (skipped != 0) text += ", " + std::to_string(skipped) + " not to be written";
  return text + '\n';
}

int plan(Daemon& daemon, const Session& session, const PlanArguments& arguments) {
  const auto rows = daemon.plan(arguments.profile, arguments.devices);
  if (!rows) return fail(rows.error());
  if (session.json) {
    print(rows.value());
  } else {
    print(render_plan(rows.value(), session.style));
  }
  return kSuccess;
}

void add_plan_options(CLI::App& verb, PlanArguments& arguments) {
  verb.add_option("PROFILE", arguments.profile, "See 'tuneshiftctl profiles'")->required();
  verb.add_option("-d,--device", arguments.devices, "Only this device; may be repeated (all disks)")
      ->type_name("DEVICE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace

void add_profile_verbs(CLI::App& app, Session& session) {
  app.add_subcommand("profiles", "List the profiles")->callback([&session] {
    session.verb = [&session](Daemon& daemon) { return list(daemon, session); };
  });

  auto arguments = std::make_shared<PlanArguments>();
  auto* show_verb = app.add_subcommand("show", "Show a profile as it would apply to this machine");
  add_plan_options(*show_verb, *arguments);
  show_verb->callback([&session, arguments] {
    session.verb = [&session, arguments](Daemon& daemon) {
      return show(daemon, session, *arguments);
    };
  });

  auto* plan_verb = app.add_subcommand("plan", "Show what a profile would change, as a diff");
  add_plan_options(*plan_verb, *arguments);
  plan_verb->callback([&session, arguments] {
    session.verb = [&session, arguments](Daemon& daemon) {
      return plan(daemon, session, *arguments);
    };
  });
}

}  // namespace tuneshift
