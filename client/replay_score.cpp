// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/replay_score.h"

#include <algorithm>
#include <cstdio>

#include "client/format.h"

namespace tuneshift {

namespace {

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

/// "precision 1.000 (9 of 9)".
std::string figure(const char* name, double value, uint64_t part, uint64_t whole) {
  char text[96];
  std::snprintf(text, sizeof text, "%s %.3f (%llu of %llu)", name, value,
                static_cast<unsigned long long>(part), static_cast<unsigned long long>(whole));
  return text;
}

uint64_t median(std::vector<uint64_t> numbers) {
  if (numbers.empty()) return 0;
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

uint64_t worst(const std::vector<uint64_t>& numbers) {
  return numbers.empty() ? 0 : *std::max_element(numbers.begin(), numbers.end());
}

}  // namespace

void ReplayScore::add(const Replayed& done) {
  ++traces;
  differences += done.differences.size();
  virtual_us += (done.last_ns - done.first_ns) / 1000;
  for (const ReplayVerdict& verdict : done.verdicts) {
    contradicted += verdict.holds() ? 0 : 1;
    const bool is_load = verdict.label.is == TraceLabel::Is::load;
    loads += is_load ? 1 : 0;
    found += is_load && verdict.loaded ? 1 : 0;
    false_loads += verdict.label.is == TraceLabel::Is::not_load && verdict.loaded ? 1 : 0;
    const bool is_server = verdict.label.is == TraceLabel::Is::server;
    servers += is_server ? 1 : 0;
    found_servers += is_server && verdict.served ? 1 : 0;
    if (is_load && verdict.delay_ns) delays_us.push_back(*verdict.delay_ns / 1000);
  }
}

double ReplayScore::precision() const {
  return share(found, found + false_loads);
}

double ReplayScore::recall() const {
  return share(found, loads);
}

std::string ReplayScore::text() const {
  std::string text = counted(traces, "trace") + ", " + human_duration(virtual_us) + " in " +
                     human_duration(took_us);
  if (took_us != 0) text += " (" + std::to_string(virtual_us / took_us) + "× real time)";
  text += '\n' + figure("precision", precision(), found, found + false_loads) + '\n' +
          figure("recall", recall(), found, loads) + '\n';
  if (servers != 0)
    text += figure("servers", share(found_servers, servers), found_servers, servers) + '\n';
  if (!delays_us.empty()) {
    text += "delay from suspected to started: median " + human_duration(median(delays_us)) +
            ", worst " + human_duration(worst(delays_us)) + '\n';
  }
  return text + counted(contradicted, "label") + " contradicted, " +
         counted(differences, "decision") + " different from the recorded ones\n";
}

Json ReplayScore::json() const {
  return Json::object()
      .set("traces", traces)
      .set("loads", loads)
      .set("found", found)
      .set("false_loads", false_loads)
      .set("servers", servers)
      .set("found_servers", found_servers)
      .set("precision", precision())
      .set("recall", recall())
      .set("delay_median_us", median(delays_us))
      .set("delay_worst_us", worst(delays_us))
      .set("contradicted", contradicted)
      .set("differences", differences)
      .set("virtual_us", virtual_us)
      .set("took_us", took_us);
}

}  // namespace tuneshift
