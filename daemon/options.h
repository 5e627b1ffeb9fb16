// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "daemon/tuned_process.h"

namespace tuneshift {

/// tuneshiftd's command line.
struct Options {
  std::string config = "/etc/tuneshift/tuneshift.yaml";
  std::vector<std::string> profiles = {"/usr/lib/tuneshift/profiles", "/etc/tuneshift/profiles"};
  std::vector<std::string> rules = {"/usr/lib/tuneshift/rules", "/etc/tuneshift/rules"};
  std::string run_directory = "/run/tuneshift";
  std::string state_directory = "/var/lib/tuneshift";
  TunedPaths tuned;
  std::string helper;  ///< tuneshift-inspect; empty: beside this program, or where it is installed
  unsigned lock_wait_s = 20;           ///< for a process that keeps the journal, and is being ended
  std::string program;                 ///< its own path; empty where that is not known
  std::vector<std::string> arguments;  ///< all of them, as they were given
  bool restore = false;
  bool check = false;
};

/// Parses the command line. Returns an exit status when the program is to end at once (0 after
/// --help and --version, 2 after a mistake, which is told on stderr), else -1.
int parse_options(int argc, char** argv, Options& options);

}  // namespace tuneshift
