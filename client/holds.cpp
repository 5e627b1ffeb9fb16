// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/args.h"
#include "client/child.h"
#include "client/session.h"
#include "client/table.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

// As env(1) and the shells: the command could not be run, or was not found.
constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;

struct HoldArguments {
  std::string profile;
  std::string reason;
  std::string duration;
  std::vector<std::string> devices;
  pid_t pid = 0;
};

bool daemon_stopped(const std::vector<BusSignal>& signals) {
  for (const auto& signal : signals) {
    if (signal.kind == BusSignal::Kind::daemon_stopped) return true;
  }
  return false;
}

/// Whether a daemon that stopped is back with this hold: one that is upgraded is within a moment.
bool comes_back_with(Daemon& daemon, uint32_t cookie, std::vector<BusSignal> signals) {
  constexpr uint64_t patience_us = 2'000'000;
  const uint64_t until_us = now_us() + patience_us;
  const auto is_start = [](const BusSignal& signal) {
    return signal.kind == BusSignal::Kind::daemon_started;
  };
  while (std::none_of(signals.begin(), signals.end(), is_start)) {
    const uint64_t now = now_us();
    auto more = daemon.wait(static_cast<int>((until_us - std::min(now, until_us)) / 1000));
    if (!more || now >= until_us) return false;
    signals = std::move(more).value();
  }
  const auto holds = daemon.holds();
  if (!holds) return false;
  const auto& rows = holds.value().items();
  return std::any_of(rows.begin(), rows.end(),
                     [cookie](const Json& row) { return row["cookie"].number() == cookie; });
}

/// The hold is ours as long as we are on the bus.
int stay(Daemon& daemon, const Session& session, const TerminationSignals& stop, uint32_t cookie,
         const std::string& profile) {
  if (session.json) {
    print_line(Json::object().set("cookie", cookie));
  } else {
    print("Holding '" + printable(profile) + "' (hold " + std::to_string(cookie) +
          ") until Ctrl-C.\n");
    std::fflush(stdout);
  }
  while (true) {
    std::array<pollfd, 1> others = {{{.fd = stop.fd(), .events = POLLIN, .revents = 0}}};
    const auto signals = daemon.wait(-1, others);
    if (!signals) return fail(signals.error());
    bool by_terminal = false;
    if (stop.next(by_terminal) != 0) break;
    if (daemon_stopped(signals.value()) && !comes_back_with(daemon, cookie, signals.value()))
      return fail({ErrorCode::not_found, "tuneshiftd stopped, and the hold with it", {}, ENOTCONN});
  }
  const auto released = daemon.release(cookie);
  return released.ok() ? kSuccess : fail(released.error());
}

/// Runs the command; its exit status becomes ours. A daemon that stops meanwhile does not end it.
int run_command(Daemon& daemon, const Session& session, const TerminationSignals& stop,
                uint32_t cookie) {
  const auto child = start_command(session.command, stop.mask_before());
  if (!child) {
    (void)daemon.release(cookie);
    fail(child.error());
    return child.error().errno_value == ENOENT ? kNotFound : kCannotRun;
  }
  const auto pidfd = open_pidfd(child.value());
  bool connected = pidfd.ok();
  while (connected) {
    std::array<pollfd, 2> others = {{{.fd = stop.fd(), .events = POLLIN, .revents = 0},
                                     {.fd = pidfd.value().get(), .events = POLLIN, .revents = 0}}};
    const auto signals = daemon.wait(-1, others);
    connected = signals.ok();
    bool by_terminal = false;
    if (const int signal = stop.next(by_terminal); signal != 0 && !by_terminal)
      kill(child.value(), signal);
    if ((others[1].revents & POLLIN) != 0) break;
  }
  const int status = reap(child.value());
  (void)daemon.release(cookie);  // gone already when its time ended or the daemon stopped
  return status;
}

int hold(Daemon& daemon, const Session& session, const HoldArguments& arguments) {
  HoldOptions options;
  options.devices = arguments.devices;
  options.reason = arguments.reason;
  if (options.reason.empty())
    options.reason = session.command.empty() ? "tuneshiftctl" : session.command.front();
  if (!arguments.duration.empty()) options.ttl_s = parse_duration(arguments.duration).value();
  std::optional<OwnedFd> process;
  if (arguments.pid != 0) {
    auto pidfd = open_pidfd(arguments.pid);
    if (!pidfd) return fail(pidfd.error());
    options.pidfd = process.emplace(std::move(pidfd.value())).get();
  }
  const bool lasts = options.ttl_s || process;
  // Before the hold: a Ctrl-C in between must not leave the command running without us.
  std::optional<TerminationSignals> stop;
  if (!lasts || !session.command.empty()) {
    auto blocked = TerminationSignals::block();
    if (!blocked) return fail(blocked.error());
    stop.emplace(std::move(blocked.value()));
    if (const auto status = daemon.subscribe(); !status) return fail(status.error());
  }
  const auto cookie = daemon.hold(arguments.profile, options);
  if (!cookie) return fail(cookie.error());
  if (!session.command.empty()) return run_command(daemon, session, *stop, cookie.value());
  if (!lasts) return stay(daemon, session, *stop, cookie.value(), arguments.profile);
  if (session.json) {
    print(Json::object().set("cookie", cookie.value()));
    return kSuccess;
  }
  std::string text =
      "Hold " + std::to_string(cookie.value()) + ": '" + printable(arguments.profile) + "'";
  if (process) text += " while process " + std::to_string(arguments.pid) + " lives";
  if (process && options.ttl_s) text += ", at most";
  if (options.ttl_s) text += " for " + human_duration(*options.ttl_s * 1000000);
  print(text + "; 'tuneshiftctl release " + std::to_string(cookie.value()) + "' ends it.\n");
  return kSuccess;
}

int list(Daemon& daemon, const Session& session) {
  const auto holds = daemon.holds();
  if (!holds) return fail(holds.error());
  if (session.json) {
    print(holds.value());
    return kSuccess;
  }
  const uint64_t now = now_us();
  Table table({{"COOKIE", Align::right},
               {"PROFILE"},
               {"HOLDER"},
               {"UID", Align::right, 0, false, 1},
               {"SINCE", Align::left, 0, false, 2},
               {"LEFT"},
               {"DEVICES", Align::left, 8, false, 3},
               {"REASON", Align::left, 12}});
  for (const auto& row : holds.value().items()) {
    const uint64_t until = row["until"].number();
    table.add({row["cookie"].text(), row["profile"].text(), row["holder"].text(), row["uid"].text(),
               human_time(row["since"].number(), now),
               until > now ? human_duration(until - now) : "-",
               row["devices"].size() == 0 ? "all" : row["devices"].text(), row["reason"].text()});
  }
  print(table.empty() ? "No holds.\n" : table.render(session.style));
  return kSuccess;
}

void add_hold(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<HoldArguments>();
  auto* verb = app.add_subcommand(
      "hold", "Hold a profile: for a time, a process or a command, or until Ctrl-C");
  verb->add_option("PROFILE", arguments->profile, "See 'tuneshiftctl profiles'")->required();
  verb->add_option("--for", arguments->duration, "End after this time, such as 90s, 10m or 2h")
      ->type_name("TIME")
      ->check(check_duration);
  verb->add_option("--pid", arguments->pid, "End when this process ends")
      ->type_name("PID")
      ->check(CLI::Range(1, INT32_MAX).description(""));
  verb->add_option("-d,--device", arguments->devices, "Only for this device; may be repeated (all)")
      ->type_name("DEVICE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_option("--reason", arguments->reason, "Told to whoever asks why")->type_name("TEXT");
  verb->footer(
      "With -- COMMAND... at the end: runs it, holds while it runs, and ends with its exit "
      "status.");
  verb->callback([&session, arguments] {
    if (!session.command.empty() && arguments->pid != 0)
      throw CLI::ValidationError("a COMMAND and --pid exclude each other");
    if (!session.command.empty() && session.json)
      throw CLI::ValidationError("--json and a COMMAND exclude each other: it has the output");
    session.verb = [&session, arguments](Daemon& daemon) {
      return hold(daemon, session, *arguments);
    };
  });
}

}  // namespace

void add_hold_verbs(CLI::App& app, Session& session) {
  add_hold(app, session);

  auto cookie = std::make_shared<uint32_t>(0);
  auto* release = app.add_subcommand("release", "End a hold");
  release->add_option("COOKIE", *cookie, "See 'tuneshiftctl holds'")->required();
  release->callback([&session, cookie] {
    session.verb = [&session, cookie](Daemon& daemon) {
      return finish(daemon.release(*cookie), session);
    };
  });

  app.add_subcommand("holds", "List the holds")->callback([&session] {
    session.verb = [&session](Daemon& daemon) { return list(daemon, session); };
  });
}

}  // namespace tuneshift
