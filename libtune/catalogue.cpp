// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/catalogue.h"

#include <algorithm>

#include "libtune/knob_kinds.h"
#include "libtune/suggest.h"

namespace tuneshift {

namespace {

std::vector<KnobInfo> all_kinds() {
  std::vector<KnobInfo> kinds = sysctl_kinds();
  for (auto& some : {device_kinds(), scheduler_kinds(), machine_kinds(), unit_kinds()}) {
    kinds.insert(kinds.end(), some.begin(), some.end());
  }
  return kinds;
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      Family::sysctl, Family::block,  Family::bdi,    Family::fuse,    Family::thp,
      Family::cpu,    Family::pm_qos, Family::cgroup, Family::lru_gen, Family::debugfs};
  return all;
}

const char* to_string(Family family) {
  switch (family) {
    case Family::sysctl:
      return "sysctl";
    case Family::block:
      return "block";
    case Family::bdi:
      return "bdi";
    case Family::fuse:
      return "fuse";
    case Family::thp:
      return "thp";
    case Family::cpu:
      return "cpu";
    case Family::pm_qos:
      return "pm_qos";
    case Family::cgroup:
      return "cgroup";
    case Family::lru_gen:
      return "lru_gen";
    case Family::debugfs:
      break;
  }
  return "debugfs";
}

std::optional<Family> parse_family(std::string_view name) {
  for (const Family family : families()) {
    if (name == to_string(family)) return family;
  }
  return std::nullopt;
}

bool is_of_device(Target target) {
  switch (target) {
    case Target::machine:
    case Target::cpu_policy:
    case Target::unit:
    case Target::unit_disk:
      return false;
    case Target::disk:
    case Target::read_ahead:
    case Target::bdi:
    case Target::fuse_connection:
    case Target::bcache:
    case Target::device_mapper:
      break;
  }
  return true;
}

const std::vector<KnobInfo>& catalogue() {
  static const std::vector<KnobInfo> kinds = all_kinds();
  return kinds;
}

std::string host_name(const Knob& knob) {
  if (knob.kind->lives_with.empty()) return {};
  return knob.name.substr(0, knob.name.size() - knob.kind->name.size()) +
         std::string(knob.kind->lives_with);
}

const KnobInfo* find_kind(Family family, std::string_view name) {
  for (const KnobInfo& kind : catalogue()) {
    if (kind.family == family && kind.name == name) return &kind;
  }
  return nullptr;
}

std::string suggest_kind(Family family, std::string_view name) {
  std::vector<std::string_view> names;
  for (const KnobInfo& kind : catalogue()) {
    if (kind.family == family) names.push_back(kind.name);
  }
  return nearest(name, names);
}

const Advice* find_advice(std::string_view name) {
  const auto& all = all_advice();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Advice& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace tuneshift
