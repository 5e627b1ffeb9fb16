// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/governor.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "libtune/knob_text.h"

namespace tuneshift {

namespace {

/// What the kernels since 6.1 give schedutil's rate_limit_us on the policy of this directory, in
/// µs: drivers/cpufreq/cpufreq.c, cpufreq_policy_transition_delay_us(), which capped 1000 latencies
/// at 10 ms, then at 2 ms, and now takes one and a half; drivers have their own (intel_pstate.c,
/// amd-pstate.c), or take one latency (cppc_cpufreq.c). Empty where it cannot be known.
std::vector<int64_t> default_rate_limits(const KernelFs& kernel, const std::string& policy) {
  constexpr int64_t kNsPerUs = 1000;
  const auto driver = kernel.read(policy + "scaling_driver");
  if (driver && driver.value() == "intel_cpufreq") {
    // The preference is there with HWP alone.
    return {kernel.exists(policy + "energy_performance_preference") ? 5000 : 500};
  }
  const auto text = kernel.read(policy + "cpuinfo_transition_latency");
  const auto latency_ns = text ? parse_number(text.value()) : std::nullopt;
  if (!latency_ns || *latency_ns < 0) return {};
  const int64_t latency = *latency_ns / kNsPerUs;
  if (latency == 0) return {1000};
  std::vector<int64_t> limits = {latency, std::min<int64_t>(1000 * latency, 10000),
                                 std::min<int64_t>(1000 * latency, 2000), latency + latency / 2};
  if (driver && driver.value() == "amd-pstate") limits.insert(limits.end(), {600, 1000});
  return limits;
}

/// Of a policy, or of all that have the governor: which it is depends on the driver
/// (CPUFREQ_HAVE_GOVERNOR_PER_POLICY).
bool has_default_rate_limit(const KernelFs& kernel, const std::string& policy) {
  constexpr std::string_view kFile = "schedutil/rate_limit_us";
  auto shown = kernel.read(policy + std::string(kFile));
  if (!shown) shown = kernel.read("sys/devices/system/cpu/cpufreq/" + std::string(kFile));
  const int64_t limit = shown ? parse_number(shown.value()).value_or(-1) : -1;
  const std::vector<int64_t> defaults = default_rate_limits(kernel, policy);
  return std::find(defaults.begin(), defaults.end(), limit) != defaults.end();
}

}  // namespace

std::string reason_to_keep(const KernelFs& kernel, const Knob& knob, const std::string& current) {
  if (knob.kind->family != Family::cpu || knob.kind->name != "scaling_governor") return {};
  if (current == "performance" || current == "powersave") return {};
  const std::string policy = knob.path.substr(0, knob.path.size() - knob.kind->name.size());
  if (current == "schedutil" && has_default_rate_limit(kernel, policy)) return {};
  return current + " has settings of its own that would be lost";
}

}  // namespace tuneshift
