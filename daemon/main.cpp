// SPDX-License-Identifier: LGPL-2.1-or-later
#include <malloc.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include "daemon/app.h"
#include "daemon/options.h"

namespace {

void set_up_log() {
  // journald stamps by itself and takes fields; a terminal wants to be read.
  if (std::getenv("JOURNAL_STREAM") != nullptr) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "tuneshiftd", std::make_shared<spdlog::sinks::systemd_sink_st>()));
    return;
  }
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "tuneshiftd", std::make_shared<spdlog::sinks::stderr_color_sink_st>()));
  spdlog::set_pattern("%H:%M:%S.%e %^%l%$ %v");
}

int run(tuneshift::Options& options) {
  using namespace tuneshift;
  set_up_log();
  auto kernel = KernelFs::open("/");
  if (!kernel.ok()) {
    spdlog::error("{}", kernel.error().message);
    return 1;
  }
  if (auto self = kernel.value().read_link("proc/self/exe"); self.ok())
    options.program = self.value();
  // Putting values back must not depend on files that an operator may just have broken.
  if (options.restore) return run_restore(options, kernel.value());

  Diagnostics mistakes;
  const Settings settings = read_settings(options, mistakes);
  for (const Diagnostic& mistake : mistakes) {
    std::fprintf(stderr, "%s\n", to_string(mistake).c_str());
  }
  if (!mistakes.empty()) return 1;
  return options.check ? 0 : run_daemon(options, kernel.value(), settings);
}

}  // namespace

int main(int argc, char** argv) {
  // A fixed threshold: else the memory of one message of 32 MiB stays ours for good.
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  tuneshift::Options options;
  const int ended = tuneshift::parse_options(argc, argv, options);
  if (ended >= 0) return ended;
  try {
    return run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tuneshiftd: %s\n", error.what());
    return 1;
  }
}
