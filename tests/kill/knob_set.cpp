// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/kill/knob_set.h"

#include <algorithm>
#include <stdexcept>

#include "libtune/knob_text.h"

namespace tuneshift::test {

namespace {

using Words = std::vector<std::string>;

/// A knob's part in A and B, and the values to pick from: those that the machine does not show.
enum class Part { both, same, only_a, only_b };
struct Choice {
  std::string_view name;
  Part part;
  Words values;
};

const std::vector<Choice>& machine_choices() {
  static const std::vector<Choice> choices = {
      {"thp/enabled", Part::only_a, {"always", "never", "madvise"}},
      {"vm.swappiness", Part::both, {"10", "20", "33", "47"}},
      {"vm.vfs_cache_pressure", Part::same, {"50", "77", "120"}},
      {"vm.min_free_kbytes", Part::both, {"60000", "62000", "70000", "72000"}},
      {"vm.watermark_scale_factor", Part::only_a, {"50", "31", "70"}},
      {"vm.stat_interval", Part::both, {"10", "20", "30", "40"}},
      // Anything else than 0 starts a compaction.
      {"vm.compaction_proactiveness", Part::same, {"0"}},
      // More than is ever dirty here: a limit that is put off would change the course of a life.
      {"vm.dirty_bytes", Part::only_a, {"5000000000", "6000000000", "7000000000"}},
      {"vm.dirty_ratio", Part::only_b, {"15", "33", "27"}},
      {"vm.dirty_background_bytes", Part::only_b, {"4000000000", "4500000000", "4200000000"}},
      {"vm.dirty_background_ratio", Part::only_a, {"5", "12", "3"}},
      {"kernel.numa_balancing", Part::same, {"1", "2", "0"}},
      {"kernel.timer_migration", Part::only_b, {"0", "1"}},
      {"net.core.rmem_max", Part::both, {"16777216", "8388608", "1000000", "2000000"}},
      {"net.ipv4.tcp_rmem",
       Part::only_a,
       {"4096 131072 16777216", "4096 131072 7000000", "4096 131072 8000000"}},
      {"net.core.busy_read", Part::same, {"50", "20", "70"}},
      {"net.core.busy_poll", Part::only_b, {"50", "20", "70"}},
      {"thp/defrag", Part::both, {"defer+madvise", "defer", "never", "madvise"}},
      {"thp/shmem_enabled", Part::same, {"advise", "within_size", "never"}},
      {"thp/khugepaged/defrag", Part::only_b, {"0", "1"}},
  };
  return choices;
}

const std::vector<Choice>& queue_choices() {
  static const std::vector<Choice> choices = {
      {"scheduler", Part::both, {"none", "kyber", "bfq", "mq-deadline"}},
      {"nr_requests", Part::only_a, {"96", "48", "80"}},
      {"max_sectors_kb", Part::both, {"512", "256", "768", "1024"}},
      {"wbt_lat_usec", Part::both, {"0", "4000", "5000", "6000"}},
      {"iostats", Part::only_a, {"0", "1"}},
      {"rq_affinity", Part::same, {"2", "0", "1"}},
      {"nomerges", Part::only_a, {"1", "2", "0"}},
      {"read_ahead_kb", Part::both, {"4096", "1024", "3104", "2048"}},
  };
  return choices;
}

Words moved_paths(const KernelFs& kernel, const Knob& knob) {
  std::vector<std::string_view> names = knob.kind->moves;
  if (!knob.kind->excludes.empty()) names.push_back(knob.kind->excludes);
  const std::string device = knob.name.substr(0, knob.name.size() - knob.kind->name.size());
  Words paths;
  for (const std::string_view name : names) {
    const bool of_device = find_kind(knob.kind->family, name) != nullptr;
    const auto moved = resolve_knob(kernel, (of_device ? device : "") + std::string(name));
    if (moved) paths.push_back(moved.value().path);
  }
  return paths;
}

/// Nothing when this machine has no such file, or offers no other value.
void add_plan(const KernelFs& kernel, const std::string& name, const Choice& choice, KnobSet& set) {
  const auto knob = resolve_knob(kernel, name);
  if (!knob) throw std::runtime_error(knob.error().message);
  const auto original = read_normal(kernel, knob.value());
  if (!original) return;
  KnobPlan plan{knob.value(), original.value(), "", "", "", moved_paths(kernel, knob.value())};
  const Words offered = offered_choices(kernel.read(knob.value().path).value());
  Words values;
  for (const std::string& value : choice.values) {
    bool fits = value != plan.original && !may_be_rounded(*plan.knob.kind, plan.original, value);
    // Small numbers are near each other and still not rounded to one another.
    if (plan.original.size() == 1 && value.size() <= 2) fits = value != plan.original;
    if (plan.knob.kind->type == ValueType::choice) {
      fits = fits && std::find(offered.begin(), offered.end(), value) != offered.end();
    }
    if (fits) values.push_back(value);
  }
  if (values.empty()) return;
  size_t next = 0;
  if (choice.part != Part::only_b) plan.a = values[next];
  if (choice.part == Part::both && values.size() > 1) ++next;
  if (choice.part != Part::only_a) plan.b = values[next];
  if (++next < values.size()) plan.foreign = values[next];
  set.plans.push_back(std::move(plan));
}

Desired profile(const KnobSet& set, std::string KnobPlan::*value, const std::string& name) {
  Desired desired;
  for (const KnobPlan& plan : set.plans) {
    if ((plan.*value).empty()) continue;
    desired.emplace(plan.knob.name, Want{Exactly{plan.*value}, name, "hold 1", "a test"});
  }
  return desired;
}

}  // namespace

Desired KnobSet::profile_a() const {
  return profile(*this, &KnobPlan::a, "a");
}

Desired KnobSet::profile_b() const {
  return profile(*this, &KnobPlan::b, "b");
}

const KnobPlan* KnobSet::find(const std::string& path) const {
  for (const KnobPlan& plan : plans) {
    if (plan.knob.path == path) return &plan;
  }
  return nullptr;
}

KnobSet machine_set(const KernelFs& kernel, const std::string& bdi) {
  KnobSet set{"machine", {}, {"proc/sys/vm"}};
  for (const Choice& choice : machine_choices()) {
    add_plan(kernel, std::string(choice.name), choice, set);
  }
  const Choice read_ahead{"", Part::both, {"4096", "1024", "2048"}};
  if (!bdi.empty()) add_plan(kernel, "bdi/" + bdi + "/read_ahead_kb", read_ahead, set);
  return set;
}

KnobSet queue_set(const KernelFs& kernel, const std::string& loop) {
  const std::string queue = "sys/block/" + loop + "/queue";
  KnobSet set{"queue", {}, {queue, queue + "/iosched"}};
  for (const Choice& choice : queue_choices()) {
    add_plan(kernel, "block/" + loop + "/queue/" + std::string(choice.name), choice, set);
  }
  return set;
}

KnobSet few_set(const KernelFs& kernel) {
  KnobSet set{"few", {}, {"proc/sys/vm"}};
  for (const Choice& choice : machine_choices()) {
    if (choice.name == "vm.swappiness" || choice.name == "vm.dirty_bytes" ||
        choice.name == "vm.dirty_ratio" || choice.name == "net.core.busy_read") {
      add_plan(kernel, std::string(choice.name), choice, set);
    }
  }
  return set;
}

}  // namespace tuneshift::test
