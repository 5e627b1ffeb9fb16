// SPDX-License-Identifier: LGPL-2.1-or-later
#include <clocale>
#include <cstdio>
#include <exception>
#include <string>

#include "client/args.h"
#include "client/session.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

int usage_error(const std::string& message, const std::string& verb) {
  std::fprintf(stderr, "tuneshiftctl: %s; see 'tuneshiftctl %s--help'\n",
               printable(message).c_str(), verb.empty() ? "" : (verb + ' ').c_str());
  return kUsage;
}

/// The first line of a message of CLI11, in our style.
std::string first_line(const std::string& message) {
  std::string line = message.substr(0, message.find('\n'));
  while (!line.empty() && line.back() == '.') line.pop_back();
  return line;
}

int run(int argc, char** argv) {
  Session session;
  session.style = detect_style();
  CLI::App app("Shows and controls tuneshift, which tunes this machine while models load and serve",
               "tuneshiftctl");
  app.set_version_flag("--version", "tuneshiftctl " TUNESHIFT_VERSION);
  app.add_flag("--json", session.json, "Print JSON: one document, or one object a line");
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  app.get_formatter()->label("SUBCOMMAND", "VERB");
  app.get_formatter()->label("REQUIRED", "");
  app.get_formatter()->label("TEXT", "");
  add_status_verbs(app, session);
  add_load_verbs(app, session);
  add_top_verbs(app, session);
  add_profile_verbs(app, session);
  add_import_verbs(app, session);
  add_control_verbs(app, session);
  add_hold_verbs(app, session);
  add_knob_verbs(app, session);
  add_history_verbs(app, session);
  add_report_verbs(app, session);
  add_device_verbs(app, session);
  add_monitor_verbs(app, session);
  add_record_verbs(app, session);
  add_replay_verbs(app, session);
  add_bench_verbs(app, session);
  add_compare_verbs(app, session);
  // After the verbs, which would inherit it.
  app.footer(
      "Without a VERB: status. Every verb takes --json.\n"
      "Exit status: 0, 1 when it failed, 2 for a usage error, 3 when the daemon is not there.");
  for (auto* added : app.get_subcommands({})) {
    if (!added->get_group().empty()) added->group("Verbs");  // without one it is hidden
  }

  const SplitArguments arguments = split_arguments(argc, argv);
  session.command = arguments.command;
  const auto verb = [&app]() -> std::string {
    const auto chosen = app.get_subcommands();
    return chosen.empty() ? "" : chosen.front()->get_name();
  };
  try {
    app.parse(std::vector<std::string>(arguments.own.rbegin(), arguments.own.rend()));
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    if (verb().empty() && !arguments.own.empty() && !arguments.own.front().starts_with('-'))
      return usage_error("no verb '" + arguments.own.front() + "'", "");
    return usage_error(first_line(error.what()), verb());
  }
  if (arguments.has_command && verb() != "hold")
    return usage_error("only 'hold' takes a COMMAND", verb());
  if (arguments.has_command && arguments.command.empty())
    return usage_error("no COMMAND after '--'", verb());
  if (!session.verb)
    session.verb = [&session](Daemon& daemon) { return show_status(daemon, session); };

  int status = kSuccess;
  if (session.local) {
    status = session.local();
  } else {
    auto daemon = Daemon::connect();
    if (!daemon) return fail(daemon.error());
    status = session.verb(*daemon.value());
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::fprintf(stderr, "tuneshiftctl: cannot write to the standard output\n");
    return status == kSuccess ? kFailed : status;
  }
  return status;
}

}  // namespace

}  // namespace tuneshift

int main(int argc, char** argv) {
  std::setlocale(LC_ALL, "");
  try {
    return tuneshift::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tuneshiftctl: %s\n", error.what());
    return tuneshift::kFailed;
  }
}
