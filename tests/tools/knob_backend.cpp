// SPDX-License-Identifier: LGPL-2.1-or-later
// Reads and writes knobs that are no plain files, as its standard input says: "read PATH" or
// "write PATH VALUE", one a line. Answers "= TEXT" or "! CODE MESSAGE", one line each. What was
// written lasts as it would in the daemon: a request to PM QoS until the end of the input.
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <sstream>

#include "daemon/cpu_latency.h"
#include "daemon/device_mapper.h"
#include "daemon/knob_router.h"
#include "daemon/systemd_units.h"

namespace {

using namespace tuneshift;

std::string answer(const Error& error) {
  static const std::map<ErrorCode, std::string> names = {
      {ErrorCode::invalid_argument, "invalid_argument"},
      {ErrorCode::not_found, "not_found"},
      {ErrorCode::permission, "permission"},
      {ErrorCode::busy, "busy"},
      {ErrorCode::limit_exceeded, "limit_exceeded"},
      {ErrorCode::timeout, "timeout"},
      {ErrorCode::io, "io"},
      {ErrorCode::unsupported, "unsupported"},
  };
  return "! " + names.at(error.code) + " " + error.message;
}

std::string obey(KernelFs& knobs, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::string path;
  std::string value;
  words >> verb >> path >> value;
  if (verb == "read") {
    const auto text = knobs.read(path);
    return text.ok() ? "= " + text.value() : answer(text.error());
  }
  const Status status = knobs.write(path, value);
  return status.ok() ? "= " : answer(status.error());
}

}  // namespace

int main(int argc, char** argv) {
  SystemdUnits::Options units;
  CLI::App app("Reads and writes knobs that are no plain files.");
  app.add_option("--traces", units.traces)->required();
  app.add_option("--systemd-runtime", units.runtime_directory);
  app.add_flag("--allow-kubernetes", units.allow_kubernetes);
  CLI11_PARSE(app, argc, argv);
  auto kernel = KernelFs::open("/");
  if (!kernel.ok()) return 1;
  std::vector<KnobRouter::Route> routes;
  routes.emplace_back("dev/cpu_dma_latency", std::make_unique<CpuLatency>());
  routes.emplace_back("device-mapper/", std::make_unique<DeviceMapper>(kernel.value()));
  routes.emplace_back("systemd/", std::make_unique<SystemdUnits>(kernel.value(), units));
  KnobRouter knobs(kernel.value(), std::move(routes));
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << obey(knobs, line) << std::endl;
  }
  return 0;
}
