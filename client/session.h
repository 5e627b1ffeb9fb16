// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "client/format.h"

namespace tuneshift {

constexpr int kSuccess = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kAbsent = 3;

/// What the command line asked for, and how to answer.
struct Session {
  bool json = false;
  Style style;
  std::vector<std::string> command;  ///< what follows "--"
  std::function<int(Daemon&)> verb;  ///< set by the subcommand that was parsed
  std::function<int()> local;        ///< set instead by one that needs no daemon
};

/// For CLI11's check(): the mistake in a duration or a time, or empty.
std::string check_duration(const std::string& text);
std::string check_time(const std::string& text);

// One function a group of verbs: defines its subcommands, which set session.verb. Mistakes in the
// arguments are thrown as CLI::ParseError while parsing, before the daemon is asked for anything.
void add_status_verbs(CLI::App& app, Session& session);
void add_load_verbs(CLI::App& app, Session& session);
void add_profile_verbs(CLI::App& app, Session& session);
void add_import_verbs(CLI::App& app, Session& session);
void add_control_verbs(CLI::App& app, Session& session);
void add_hold_verbs(CLI::App& app, Session& session);
void add_knob_verbs(CLI::App& app, Session& session);
void add_history_verbs(CLI::App& app, Session& session);
void add_report_verbs(CLI::App& app, Session& session);
void add_device_verbs(CLI::App& app, Session& session);
void add_monitor_verbs(CLI::App& app, Session& session);
void add_record_verbs(CLI::App& app, Session& session);
void add_replay_verbs(CLI::App& app, Session& session);
void add_bench_verbs(CLI::App& app, Session& session);
void add_compare_verbs(CLI::App& app, Session& session);
void add_top_verbs(CLI::App& app, Session& session);

/// What `tuneshiftctl` does without a verb.
int show_status(Daemon& daemon, const Session& session);

/// Prints the one line on standard error; returns the exit status that belongs to it.
int fail(const Error& error);

/// Standard output.
void print(const std::string& text);
/// One document.
void print(const Json& document);
/// One object a line, flushed: somebody may be reading along.
void print_line(const Json& object);

/// The result of a command that only changes something: silent for people, {} with --json.
int finish(const Status& status, const Session& session);

}  // namespace tuneshift
