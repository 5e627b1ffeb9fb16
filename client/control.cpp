// SPDX-License-Identifier: LGPL-2.1-or-later
#include <memory>
#include <string>

#include "client/args.h"
#include "client/session.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

int show_mode(Daemon& daemon, const Session& session) {
  const auto manager = daemon.manager();
  if (!manager) return fail(manager.error());
  const Json& mode = manager.value()["mode"];
  if (session.json) {
    print(Json::object().set("mode", mode));
  } else {
    print(printable(mode.text()) + '\n');
  }
  return kSuccess;
}

void add_switch(CLI::App& app, Session& session) {
  struct Arguments {
    std::string profile;
    bool automatic = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* verb = app.add_subcommand("switch", "Keep one profile for the whole machine, or stop that");
  auto* name = verb->add_option("PROFILE", arguments->profile, "See 'tuneshiftctl profiles'");
  verb->add_flag("--auto", arguments->automatic, "Let loads, servers and holds decide again")
      ->excludes(name);
  verb->callback([&session, arguments] {
    if (arguments->profile.empty() && !arguments->automatic)
      throw CLI::ValidationError("expected a PROFILE or --auto");
    session.verb = [&session, arguments](Daemon& daemon) {
      return finish(daemon.switch_profile(arguments->profile), session);
    };
  });
}

void add_mode(CLI::App& app, Session& session) {
  auto mode = std::make_shared<std::string>();
  auto* verb = app.add_subcommand("mode", "Show the mode, or change it until the daemon restarts");
  verb->add_option("MODE", *mode, "observe, auto, manual or paused")
      ->check(CLI::IsMember({"observe", "auto", "manual", "paused"}).description(""));
  verb->callback([&session, mode] {
    session.verb = [&session, mode](Daemon& daemon) {
      return mode->empty() ? show_mode(daemon, session) : finish(daemon.set_mode(*mode), session);
    };
  });
}

void add_pause(CLI::App& app, Session& session) {
  auto time = std::make_shared<std::string>();
  auto* verb = app.add_subcommand("pause", "Put everything back and do nothing for a while");
  verb->add_option("TIME", *time, "Such as 10m; without it, until 'tuneshiftctl mode MODE'")
      ->check(check_duration);
  verb->callback([&session, time] {
    session.verb = [&session, time](Daemon& daemon) {
      return finish(
          time->empty() ? daemon.set_mode("paused") : daemon.pause(parse_duration(*time).value()),
          session);
    };
  });
}

}  // namespace

void add_control_verbs(CLI::App& app, Session& session) {
  add_switch(app, session);
  add_mode(app, session);
  add_pause(app, session);
  app.add_subcommand("reload", "Read the configuration, the profiles and the rules again")
      ->callback([&session] {
        session.verb = [&session](Daemon& daemon) { return finish(daemon.reload(), session); };
      });
}

}  // namespace tuneshift
