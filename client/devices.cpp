// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <memory>
#include <string>

#include "client/histogram.h"
#include "client/session.h"
#include "client/table.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

/// "none" of "[none] mq-deadline".
std::string selected(const std::string& choices) {
  const size_t open = choices.find('[');
  const size_t close = choices.find(']', open);
  if (open == std::string::npos || close == std::string::npos) return choices;
  return choices.substr(open + 1, close - open - 1);
}

std::string kib(const Json& value) {
  return value.text().empty() ? "" : value.text() + " KiB";
}

std::string at_most(const Json& buckets, double share) {
  const uint64_t limit_us = percentile_limit(buckets, share);
  return limit_us == 0 ? "" : "< " + human_duration(limit_us);
}

int list(Daemon& daemon, const Session& session) {
  const auto devices = daemon.devices();
  if (!devices) return fail(devices.error());
  if (session.json) {
    print(devices.value());
    return kSuccess;
  }
  Table table({{"DEVICE"},
               {"TRANSPORT"},
               {"SCHEDULER"},
               {"READ-AHEAD", Align::right},
               {"REQUESTS", Align::right},
               {"MAX-SIZE", Align::right, 0, false, 2},
               {"READ P50", Align::right},
               {"READ P99", Align::right},
               {"MODEL", Align::left, 10, false, 1}});
  for (const auto& device : devices.value().items()) {
    const Json& queue = device["queue"];
    const Json& reads = device["read_latency"];
    table.add({device["name"].text(), device["transport"].text(),
               selected(queue["scheduler"].text()), kib(queue["read_ahead_kb"]),
               queue["nr_requests"].text(), kib(queue["max_sectors_kb"]), at_most(reads, 0.5),
               at_most(reads, 0.99), device["model"].text()});
  }
  print(table.empty() ? "No devices.\n" : table.render(session.style));
  return kSuccess;
}

/// Latency in µs, sizes in bytes. "read" and "write" are the time on the device.
Json histogram_json(const Json& device) {
  Json shown = Json::object();
  shown.set("name", device["name"]).set("unit", "us");
  for (const char* way : {"read", "write"}) {
    const std::string name = way;
    shown.set(name, histogram_rows(device[name + "_latency"]));
    shown.set(name + "_queue", histogram_rows(device[name + "_queue_latency"]));
    shown.set(name + "_sizes", histogram_rows(device[name + "_sizes"]));
  }
  return shown;
}

std::string render(const Json& device, const Style& style) {
  const std::string name = printable(device["name"].text());
  return render_latency(name + " reads", device["read_queue_latency"], device["read_latency"],
                        style) +
         '\n' + render_sizes(name + " read sizes", device["read_sizes"], style) + '\n' +
         render_latency(name + " writes", device["write_queue_latency"], device["write_latency"],
                        style) +
         '\n' + render_sizes(name + " write sizes", device["write_sizes"], style);
}

int histogram(Daemon& daemon, const Session& session, const std::string& name) {
  const auto devices = daemon.devices();
  if (!devices) return fail(devices.error());
  const auto& list = devices.value().items();
  const auto device = std::find_if(list.begin(), list.end(), [&name](const Json& candidate) {
    return candidate["name"].text() == name || "/dev/" + candidate["name"].text() == name;
  });
  if (device == list.end()) {
    return fail({ErrorCode::not_found,
                 "no device '" + printable(name) + "'; see 'tuneshiftctl devices'",
                 {},
                 0});
  }
  if (session.json) {
    print(histogram_json(*device));
  } else {
    print(render(*device, session.style));
  }
  return kSuccess;
}

}  // namespace

void add_device_verbs(CLI::App& app, Session& session) {
  app.add_subcommand("devices", "List the devices with their queues and latency")
      ->callback([&session] {
        session.verb = [&session](Daemon& daemon) { return list(daemon, session); };
      });
  auto name = std::make_shared<std::string>();
  auto* verb =
      app.add_subcommand("histogram", "Show a device's latency and request sizes since the start");
  verb->add_option("DEVICE", *name, "See 'tuneshiftctl devices'")->required();
  verb->callback([&session, name] {
    session.verb = [&session, name](Daemon& daemon) { return histogram(daemon, session, *name); };
  });
}

}  // namespace tuneshift
