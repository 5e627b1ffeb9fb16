// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/process_rule.h"

#include <algorithm>

#include "libtune/glob.h"

namespace tuneshift {

namespace {

std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

bool names(const ProcessRule& rule, std::string_view command,
           const std::vector<std::string_view>& arguments) {
  const auto is_command = [&](const std::string& pattern) {
    return matches_glob(pattern, command) ||
           (!arguments.empty() && matches_glob(pattern, last_part(arguments.front())));
  };
  const auto is_argument = [&](const std::string& pattern) {
    return std::any_of(arguments.begin(), arguments.end(), [&](std::string_view argument) {
      return matches_glob(pattern, argument) || matches_glob(pattern, last_part(argument));
    });
  };
  return (rule.commands.empty() ||
          std::any_of(rule.commands.begin(), rule.commands.end(), is_command)) &&
         std::all_of(rule.arguments.begin(), rule.arguments.end(), is_argument);
}

std::vector<std::string_view> split(std::string_view command_line) {
  std::vector<std::string_view> arguments;
  while (!command_line.empty()) {
    const size_t end = std::min(command_line.find(' '), command_line.size());
    if (end > 0) arguments.push_back(command_line.substr(0, end));
    command_line.remove_prefix(std::min(end + 1, command_line.size()));
  }
  return arguments;
}

}  // namespace

const char* to_string(ProcessRole role) {
  return role == ProcessRole::loader ? "loader" : "never";
}

bool parse_process_role(std::string_view text, ProcessRole& role) {
  for (const ProcessRole known : {ProcessRole::loader, ProcessRole::never}) {
    if (text != to_string(known)) continue;
    role = known;
    return true;
  }
  return false;
}

const ProcessRule* find_process_rule(const ProcessRules& rules, std::string_view command,
                                     std::string_view command_line) {
  const auto arguments = split(command_line);
  const auto found = std::find_if(rules.begin(), rules.end(), [&](const ProcessRule& rule) {
    return names(rule, command, arguments);
  });
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace tuneshift
