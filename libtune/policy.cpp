// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/policy.h"

#include <algorithm>
#include <set>

#include "libtune/expand.h"

namespace tuneshift {

namespace {

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t hour = 3600ULL * 1000 * ms;

bool by_person(LeaseKind kind) {
  return kind == LeaseKind::switched || kind == LeaseKind::hold;
}

/// "keeps the reader's pages (tuned)": what the profile's author says.
std::string note_of(const ProfileEntry& entry) {
  if (entry.source.empty()) return entry.why;
  return (entry.why.empty() ? "" : entry.why + " ") + "(" + entry.source + ")";
}

}  // namespace

const char* to_string(LeaseKind kind) {
  switch (kind) {
    case LeaseKind::suspect:
      return "suspect";
    case LeaseKind::server:
      return "server";
    case LeaseKind::load:
      return "load";
    case LeaseKind::switched:
      return "switch";
    case LeaseKind::hold:
      break;
  }
  return "hold";
}

const char* to_string(Policy::State state) {
  switch (state) {
    case Policy::State::idle:
      return "idle";
    case Policy::State::loading:
      return "loading";
    case Policy::State::serving:
      break;
  }
  return "serving";
}

uint64_t Policy::add(Lease lease) {
  leases_.emplace(++last_lease_, std::move(lease));
  return last_lease_;
}

bool Policy::remove(uint64_t id) {
  return leases_.erase(id) > 0;
}

void Policy::extend(uint64_t id, const Store& store) {
  auto found = leases_.find(id);
  if (found == leases_.end()) return;
  auto& stores = found->second.stores;
  const bool known = std::any_of(stores.begin(), stores.end(),
                                 [&](const Store& other) { return other.bdi == store.bdi; });
  if (!known) stores.push_back(store);
}

void Policy::drop_store(const std::string& bdi) {
  const bool reused = bdi.starts_with("0:");
  for (auto& [id, lease] : leases_) {
    std::erase_if(lease.stores, [&](const Store& store) { return store.bdi == bdi; });
    if (reused) std::erase(lease.devices, bdi);
  }
}

void Policy::look_up(
    const std::function<std::vector<Store>(const std::vector<std::string>&)>& find) {
  for (auto& [id, lease] : leases_) {
    if (!lease.devices.empty()) lease.stores = find(lease.devices);
  }
}

void Policy::replace(PolicySettings settings, Profiles profiles) {
  settings_ = settings;
  profiles_ = std::move(profiles);
}

bool Policy::in_force(const Lease& lease) const {
  if (mode_ == Mode::paused) return false;
  return mode_ != Mode::manual || by_person(lease.kind);
}

std::vector<const Lease*> Policy::by_priority() const {
  std::vector<const Lease*> order;
  std::set<std::pair<std::string, std::string>> asked;
  // leases_ is sorted by age: the newest of a kind ends up last, to win.
  for (auto it = leases_.rbegin(); it != leases_.rend(); ++it) {
    const Lease& lease = it->second;
    if (!in_force(lease)) continue;
    // However many suspects read from a store, all ask for the same: the newest one's word will do.
    const bool repeats = lease.kind == LeaseKind::suspect && lease.stores.size() == 1 &&
                         !asked.emplace(lease.profile, lease.stores.front().bdi).second;
    if (!repeats) order.push_back(&lease);
  }
  std::reverse(order.begin(), order.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const Lease* a, const Lease* b) { return a->kind < b->kind; });
  return order;
}

bool Policy::is_shared(const std::string& knob, const std::vector<Store>& stores) const {
  return std::any_of(stores.begin(), stores.end(), [&](const Store& store) {
    return store.read_ahead_knob == knob && shared_.contains(store.bdi);
  });
}

void Policy::collect(const Lease& lease, const Machine& machine, bool anything_serves,
                     Candidates& candidates) const {
  const auto profile = profiles_.find(lease.profile);
  if (profile == profiles_.end()) return;
  const auto& stores = lease.whole_machine ? machine.stores : lease.stores;
  for (const auto& [knob, entry] : tuneshift::expand(profile->second, stores, machine)) {
    const bool machine_wide = !is_of_device(entry->kind->target);
    if (!by_person(lease.kind) && entry->kind->use != Use::per_load) continue;
    if (lease.kind == LeaseKind::load && machine_wide && anything_serves) continue;
    const bool of_load = lease.kind == LeaseKind::load || lease.kind == LeaseKind::suspect;
    if (of_load && is_shared(knob, stores)) continue;
    if (lease.kind == LeaseKind::suspect &&
        std::none_of(stores.begin(), stores.end(), [&knob = knob](const Store& store) {
          return store.read_ahead_knob == knob;
        })) {
      continue;
    }
    const std::string note = note_of(*entry);
    Want want{entry->value, lease.profile, lease.owner,
              note.empty() ? lease.reason : lease.reason + ": " + note};
    auto [slot, fresh] = candidates.try_emplace(knob, Candidate{want, lease.kind, machine_wide});
    if (fresh) continue;
    if (slot->second.want.value != want.value) {
      want.why += "; overrules " + slot->second.want.owner + " (" + slot->second.want.profile +
                  ": " + to_string(slot->second.want.value) + ")";
    }
    slot->second = {std::move(want), lease.kind, machine_wide};
  }
}

std::optional<uint64_t> Policy::commit(const std::string& knob, const Candidate* candidate,
                                       uint64_t now_ns) {
  Commitment& last = machine_wide_[knob];
  const bool same = candidate ? last.want && last.want->value == candidate->want.value : !last.want;
  const bool person = mode_ == Mode::paused || mode_ == Mode::manual ||
                      (candidate && by_person(candidate->kind)) || last.by_person;
  if (!same && !person) {
    while (!last.changes_ns.empty() && last.changes_ns.front() + hour <= now_ns) {
      last.changes_ns.pop_front();
    }
    uint64_t due = last.changed_ns ? last.changed_ns + settings_.dwell_ms * ms : 0;
    if (last.changes_ns.size() >= settings_.writes_per_hour) {
      due = std::max(due, last.changes_ns.front() + hour);
    }
    if (now_ns < due) return due;
    last.changes_ns.push_back(now_ns);
  }
  if (!same) last.changed_ns = now_ns;
  last.want = candidate ? std::optional(candidate->want) : std::nullopt;
  last.by_person = candidate && by_person(candidate->kind);
  return std::nullopt;
}

Policy::Decision Policy::decide(uint64_t now_ns, const Machine& machine) {
  const bool anything_serves = count(LeaseKind::server) > 0;
  Candidates candidates;
  for (const Lease* lease : by_priority()) collect(*lease, machine, anything_serves, candidates);

  Decision decision;
  const auto put_off = [&](std::optional<uint64_t> due) {
    if (due) decision.next_ns = std::min(decision.next_ns.value_or(*due), *due);
  };
  for (const auto& [knob, candidate] : candidates) {
    if (candidate.machine_wide) {
      put_off(commit(knob, &candidate, now_ns));
    } else {
      decision.desired.emplace(knob, candidate.want);
    }
  }
  for (auto it = machine_wide_.begin(); it != machine_wide_.end();) {
    auto& [knob, commitment] = *it;
    if (!candidates.contains(knob)) put_off(commit(knob, nullptr, now_ns));
    if (commitment.want) decision.desired.emplace(knob, *commitment.want);
    const bool forgettable = !commitment.want && commitment.changed_ns + hour <= now_ns;
    it = forgettable ? machine_wide_.erase(it) : std::next(it);
  }
  return decision;
}

Desired Policy::expand(const std::string& profile, const std::vector<Store>& stores,
                       const Machine& machine) const {
  Desired desired;
  const auto found = profiles_.find(profile);
  if (found == profiles_.end()) return desired;
  for (const auto& [knob, entry] : tuneshift::expand(found->second, stores, machine)) {
    const std::string note = note_of(*entry);
    desired.emplace(knob, Want{entry->value, profile, "plan",
                               note.empty() ? entry->origin : entry->origin + ": " + note});
  }
  return desired;
}

Policy::State Policy::state() const {
  if (count(LeaseKind::load) > 0) return State::loading;
  return count(LeaseKind::server) > 0 ? State::serving : State::idle;
}

size_t Policy::count(LeaseKind kind) const {
  return static_cast<size_t>(std::count_if(leases_.begin(), leases_.end(), [&](const auto& entry) {
    return entry.second.kind == kind;
  }));
}

std::vector<std::string> Policy::active_profiles() const {
  std::set<std::string> names;
  for (const auto& [id, lease] : leases_) {
    if (in_force(lease)) names.insert(lease.profile);
  }
  return {names.begin(), names.end()};
}

const Lease* Policy::lease(uint64_t id) const {
  auto found = leases_.find(id);
  return found == leases_.end() ? nullptr : &found->second;
}

}  // namespace tuneshift
