// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/exporter/metrics.h"

#include <prometheus/text_serializer.h>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace tuneshift {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double us_per_s = 1e6;

class Family {
 public:
  Family(const char* name, const char* help, MetricType type) {
    family_.name = std::string("tuneshift_") + name;
    family_.help = help;
    family_.type = type;
  }

  Family& add(double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (family_.type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family_.metric.push_back(std::move(metric));
    return *this;
  }

  /// `buckets`: element i has the requests of [2^i, 2^(i+1)) µs, the last is open.
  Family& add_latency(const Json& buckets, Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    auto& histogram = metric.histogram;
    double from = 1 / us_per_s;
    for (size_t i = 0; i < buckets.size(); ++i) {
      const uint64_t count = buckets.items()[i].number();
      histogram.sample_count += count;
      // Nobody added the times up: the middle of the bucket on its scale.
      histogram.sample_sum += static_cast<double>(count) * from * std::sqrt(2.0);
      from *= 2;
      const bool open = i + 1 == buckets.size();
      histogram.bucket.push_back(
          {histogram.sample_count, open ? std::numeric_limits<double>::infinity() : from});
    }
    if (!histogram.bucket.empty()) family_.metric.push_back(std::move(metric));
    return *this;
  }

  void move_to(std::vector<MetricFamily>& families) {
    if (!family_.metric.empty()) families.push_back(std::move(family_));
  }

 private:
  MetricFamily family_;
};

/// One for each of `choices`, and 1 for that which is: what alerts and dashboards can ask for.
template <size_t N>
Family one_of(const char* name, const char* help, const std::array<const char*, N>& choices,
              const std::string& chosen) {
  Family family(name, help, MetricType::Gauge);
  for (const char* choice : choices) family.add(chosen == choice ? 1 : 0, {{name, choice}});
  return family;
}

double number(const Json& value) {
  return static_cast<double>(value.number());
}

void add_manager(std::vector<MetricFamily>& families, const Json& manager) {
  const auto gauge = [&families](const char* name, const char* help, double value) {
    Family(name, help, MetricType::Gauge).add(value).move_to(families);
  };
  const auto counter = [&families](const char* name, const char* help, double value) {
    Family(name, help, MetricType::Counter).add(value).move_to(families);
  };
  Family("build_info", "Version of the daemon.", MetricType::Gauge)
      .add(1, {{"version", manager["version"].text()}})
      .move_to(families);
  one_of("mode", "Mode: what the daemon may do.", std::array{"observe", "auto", "manual", "paused"},
         manager["mode"].text())
      .move_to(families);
  one_of("state", "State of the machine as the daemon sees it.",
         std::array{"idle", "loading", "serving"}, manager["state"].text())
      .move_to(families);
  gauge("loads", "Loads of models that run now.", number(manager["loads"]));
  gauge("servers", "Processes that serve what they loaded.", number(manager["servers"]));

  Family probes("probe_tier", "Tier of each signal: ok, fallback or absent.", MetricType::Gauge);
  for (const auto& [signal, state] : manager["probes"].members()) {
    if (state.size() == 0) continue;
    probes.add(1, {{"signal", signal}, {"tier", state.items().front().text()}});
  }
  probes.move_to(families);

  counter("dropped_events_total", "Events of the probes that found the ring buffer full.",
          number(manager["dropped_events"]));
  Family events("events_total", "What was recorded in the history, by kind.", MetricType::Counter);
  for (const auto& [kind, count] : manager["events"].members()) {
    events.add(number(count), {{"kind", kind}});
  }
  events.move_to(families);
  const Json& totals = manager["totals"];
  counter("loaded_bytes_total", "Bytes of models that were loaded.",
          number(totals["loaded_bytes"]));
  counter("helped_bytes_total", "Of these the bytes that were loaded after help had begun.",
          number(totals["helped_bytes"]));
  counter("saved_seconds_total", "Time that the help saved, an estimate.",
          number(totals["saved_us"]) / us_per_s);
}

void add_knobs(std::vector<MetricFamily>& families, const Observation& seen) {
  std::map<std::string, double> by_state;
  for (const char* state : {"ours", "yielded", "failed", "absent", "waiting"}) by_state[state] = 0;
  for (const auto& knob : seen.knobs.items()) ++by_state[knob["state"].text()];
  Family knobs("knobs", "Kernel settings that the daemon is concerned with, by state.",
               MetricType::Gauge);
  for (const auto& [state, count] : by_state) knobs.add(count, {{"state", state}});
  knobs.move_to(families);
  Family("knobs_drifted", "Kernel settings that are not what is wanted.", MetricType::Gauge)
      .add(static_cast<double>(seen.drift.size()))
      .move_to(families);
  Family("holds", "Holds of clients.", MetricType::Gauge)
      .add(static_cast<double>(seen.holds.size()))
      .move_to(families);
}

void add_devices(std::vector<MetricFamily>& families, const Json& devices) {
  Family device("device_latency_seconds", "Time of requests on the device; the sum is an estimate.",
                MetricType::Histogram);
  Family queue("device_queue_latency_seconds",
               "Time of requests in the scheduler's queue; the sum is an estimate.",
               MetricType::Histogram);
  for (const auto& one : devices.items()) {
    for (const char* operation : {"read", "write"}) {
      const Labels labels = {{"device", one["name"].text()}, {"operation", operation}};
      const std::string prefix = operation;
      device.add_latency(one[prefix + "_latency"], labels);
      queue.add_latency(one[prefix + "_queue_latency"], labels);
    }
  }
  device.move_to(families);
  queue.move_to(families);
}

std::vector<MetricFamily> up(bool answered) {
  std::vector<MetricFamily> families;
  Family("up", "Whether the daemon answers on the bus.", MetricType::Gauge)
      .add(answered ? 1 : 0)
      .move_to(families);
  return families;
}

}  // namespace

std::vector<MetricFamily> metrics_of(const Observation& seen) {
  std::vector<MetricFamily> families = up(true);
  add_manager(families, seen.manager);
  add_knobs(families, seen);
  add_devices(families, seen.devices);
  return families;
}

std::vector<MetricFamily> collect_metrics(std::string& problem) {
  problem.clear();
  auto daemon = Daemon::connect();
  if (!daemon) {
    problem = daemon.error().message;
    return up(false);
  }
  Observation seen;
  const std::array<std::pair<Json*, Result<Json> (Daemon::*)()>, 5> parts = {{
      {&seen.manager, &Daemon::manager},
      {&seen.knobs, &Daemon::knobs},
      {&seen.drift, &Daemon::verify},
      {&seen.holds, &Daemon::holds},
      {&seen.devices, &Daemon::devices},
  }};
  for (const auto& [part, ask] : parts) {
    auto answer = (*daemon.value().*ask)();
    if (!answer) {
      problem = answer.error().message;
      return up(false);
    }
    *part = std::move(answer).value();
  }
  return metrics_of(seen);
}

std::string exposition_text(const std::vector<MetricFamily>& families) {
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tuneshift
