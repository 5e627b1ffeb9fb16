// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "client/connection.h"
#include "client/json.h"

namespace tuneshift {

/// What the daemon answered, each part as Daemon returns it.
struct Observation {
  Json manager;
  Json knobs;
  Json drift;  ///< the rows of Verify
  Json holds;
  Json devices;
};

/// The metrics of a daemon that answered; docs/fleet.md describes each. Units are seconds and bytes
/// (https://prometheus.io/docs/practices/naming/).
std::vector<prometheus::MetricFamily> metrics_of(const Observation& seen);

/// Asks the daemon on the system bus. Where it does not answer there is one metric, tuneshift_up 0,
/// and `problem` says why; else that is empty.
std::vector<prometheus::MetricFamily> collect_metrics(std::string& problem);

/// The text exposition format 0.0.4, which every Prometheus and node_exporter reads.
std::string exposition_text(const std::vector<prometheus::MetricFamily>& families);

}  // namespace tuneshift
