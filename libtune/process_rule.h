// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tuneshift {

/// What an operator knows about a program that its reads do not tell.
enum class ProcessRole {
  loader,  ///< what it reads of a model file it keeps: a load at once, and serving when all is
           ///< cached
  never,   ///< it reads model files, but loads none: a copier, an archiver, a checksum
};

/// "loader" or "never".
const char* to_string(ProcessRole role);
bool parse_process_role(std::string_view text, ProcessRole& role);

/// Names programs by what proc shows of them. Texts are patterns of matches_glob().
struct ProcessRule {
  std::string name;  ///< for people: "vllm"
  ProcessRole role = ProcessRole::loader;
  /// One of these is the command (comm) or the last part of the first argument's path; empty: any.
  std::vector<std::string> commands;
  /// Each of these is one of the arguments, or the last part of its path.
  std::vector<std::string> arguments;
  /// What it has loaded it copies elsewhere: its file leaves the page cache then, but for pages
  /// that somebody maps.
  bool drop_after_load = false;
};

using ProcessRules = std::vector<ProcessRule>;

/// The first rule that names a process, or nullptr. `command` is the thread group leader's comm;
/// `command_line` has the arguments separated by spaces, as in Facts.
const ProcessRule* find_process_rule(const ProcessRules& rules, std::string_view command,
                                     std::string_view command_line);

}  // namespace tuneshift
