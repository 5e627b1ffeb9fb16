// SPDX-License-Identifier: LGPL-2.1-or-later
// tuneshift-exporter: what the daemon tells on the bus as metrics, over HTTP or into a file.
#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "client/exporter/metrics.h"
#include "client/exporter/server.h"
#include "client/exporter/text_file.h"

namespace tuneshift {

namespace {

int fail(const std::string& message) {
  std::fprintf(stderr, "tuneshift-exporter: %s\n", message.c_str());
  return 1;
}

/// Why the daemon does not answer is told once, not at each question.
std::string page() {
  static std::string told;
  std::string problem;
  std::string text = exposition_text(collect_metrics(problem));
  if (!problem.empty() && problem != told) fail(problem);
  told = problem;
  return text;
}

int serve() {
  const int sockets = sd_listen_fds(1);
  if (sockets != 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
    return fail(
        "wants one listening socket from its service manager; see 'tuneshift-exporter "
        "--help'");
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  // Before the server's thread, which inherits it.
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  auto server = MetricsServer::start(SD_LISTEN_FDS_START, page);
  if (!server) return fail(server.error().message);
  sd_notify(0, "READY=1");
  int number = 0;
  sigwait(&ends, &number);
  return 0;
}

int write_file(const std::string& path) {
  const auto written = replace_text_file(path, page());
  return written ? 0 : fail(written.error().message);
}

int run(int argc, char** argv) {
  CLI::App app("What tuneshiftd tells on the system bus as metrics for Prometheus.",
               "tuneshift-exporter");
  std::string file;
  bool version = false;
  app.add_option("--textfile", file,
                 "write them once into FILE, whole or not at all, for node_exporter")
      ->type_name("FILE");
  app.add_flag("--version", version, "print the version");
  app.footer(
      "Without an option: answers GET /metrics on the socket that systemd passes\n"
      "(tuneshift-exporter.socket, or: systemd-socket-activate -l 9839 tuneshift-exporter).\n"
      "Exit status: 0, 1 when it failed, 2 for a usage error.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "tuneshift-exporter: %s\n", error.what());
    return 2;
  }
  if (version) {
    std::printf("tuneshift-exporter %s\n", TUNESHIFT_VERSION);
    return 0;
  }
  return file.empty() ? serve() : write_file(file);
}

}  // namespace

}  // namespace tuneshift

int main(int argc, char** argv) {
  try {
    return tuneshift::run(argc, argv);
  } catch (const std::exception& error) {
    return tuneshift::fail(error.what());
  }
}
