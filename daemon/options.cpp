// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/options.h"

#include <CLI/CLI.hpp>

namespace tuneshift {

namespace {

constexpr unsigned most_lock_wait_s = 3600;

}  // namespace

int parse_options(int argc, char** argv, Options& options) {
  options.arguments.assign(argv, argv + argc);
  CLI::App app("Watches model loads and tunes the kernel for them.", "tuneshiftd");
  app.set_version_flag("--version", std::string("tuneshiftd ") + TUNESHIFT_VERSION);
  app.add_option("--config", options.config, "Configuration file")->capture_default_str();
  app.add_option("--profiles", options.profiles,
                 "Folder of profiles; several, the later ones override the earlier")
      ->capture_default_str();
  app.add_option("--rules", options.rules,
                 "Folder of rules for formats and processes; several, the later ones come first")
      ->capture_default_str();
  app.add_option("--run-directory", options.run_directory, "Where the journal is")
      ->capture_default_str();
  app.add_option("--state-directory", options.state_directory,
                 "Where the probes' self-test puts its file")
      ->capture_default_str();
  app.add_option("--tuned-directory", options.tuned.config_directory,
                 "Where tuned's active_profile is")
      ->capture_default_str();
  app.add_option("--tuned-run-directory", options.tuned.run_directory, "Where tuned's pid file is")
      ->capture_default_str();
  app.add_option("--helper", options.helper, "Path of tuneshift-inspect");
  app.add_option("--lock-wait", options.lock_wait_s,
                 "Seconds to wait for a killed daemon that still hangs in the kernel")
      ->check(CLI::Range(0U, most_lock_wait_s))
      ->capture_default_str();
  auto* restore = app.add_flag("--restore", options.restore,
                               "Put back what an earlier daemon left changed, then end");
  app.add_flag("--check", options.check, "Check the configuration, profiles and rules, then end")
      ->excludes(restore);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    app.exit(wanted);
    return 0;
  } catch (const CLI::ParseError& mistake) {
    app.exit(mistake);
    return 2;
  }
  return -1;
}

}  // namespace tuneshift
