// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/kill/faults.h"

#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "libtune/journal_record.h"
#include "libtune/knob_text.h"

namespace tuneshift::test {

namespace {

using Kind = Access::Kind;

/// Somebody else writes a group of knobs at a time, so that the others can be seen to come back. Of
/// four groups that rotate from point to point two are tried: each knob at every other point.
constexpr size_t kForeignGroups = 4;
constexpr size_t kGroupsAtOnePoint = 2;
constexpr int kMostComplaints = 4;

double now_s() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

int error_of(Fault fault) {
  if (fault == Fault::enospc) return ENOSPC;
  return fault == Fault::eintr ? EINTR : EIO;
}

/// Whether a fault may hit this call of a life.
bool is_place(const Access& access, Life life, Fault fault) {
  // What follows a restart's restore is the other life's.
  if (life == Life::restart && access.part > 0) return false;
  switch (fault) {
    case Fault::kill:
      return true;
    case Fault::late_eio:
    case Fault::kill_inside:
      return access.kind == Kind::write;
    case Fault::full_journal:
      return access.kind == Kind::journal;
    default:
      return access.is_file_call;
  }
}

/// The machine's memory, or nothing. When some of it comes or goes the kernel computes
/// vm.min_free_kbytes anew.
std::string memory(const KernelFs& kernel) {
  const auto text = kernel.read("proc/meminfo");
  return text ? text.value().substr(0, text.value().find('\n')) : std::string();
}

/// The letter of proc/PID/stat.
char state_of(const KernelFs& kernel, pid_t pid) {
  const auto text = kernel.read("proc/" + std::to_string(pid) + "/stat");
  if (!text) return 'X';
  const size_t end = text.value().rfind(") ");
  return end == std::string::npos ? 'X' : text.value()[end + 2];
}

}  // namespace

const char* to_string(Fault fault) {
  switch (fault) {
    case Fault::kill:
      return "SIGKILL";
    case Fault::kill_inside:
      return "SIGKILL in a freeze";
    case Fault::enospc:
      return "ENOSPC";
    case Fault::eio:
      return "EIO";
    case Fault::eintr:
      return "EINTR";
    case Fault::late_eio:
      return "EIO after the effect";
    case Fault::full_journal:
      return "journal full";
    case Fault::foreign:
      break;
  }
  return "foreign writer";
}

FaultRunner::FaultRunner(KernelFs& kernel, const KnobSet& set, const std::string& directory)
    : kernel_(kernel), set_(set), stage_(kernel, set, directory), state_(kernel, set) {}

const Trace& FaultRunner::trace(Life life) {
  const auto known = traces_.find(life);
  if (known != traces_.end()) return known->second;
  Trace recorded = record(stage_, life);
  if (settle("a life without faults", stage_.restore(), {}) > 0) {
    throw std::runtime_error("a life without faults left something changed");
  }
  return traces_.emplace(life, std::move(recorded)).first->second;
}

std::vector<size_t> FaultRunner::places(Life life, Fault fault) {
  std::vector<size_t> places;
  const Trace& calls = trace(life);
  for (size_t i = 0; i < calls.size(); ++i) {
    if (is_place(calls[i], life, fault)) places.push_back(i);
  }
  return places;
}

size_t FaultRunner::points(Life life, Fault fault) {
  return places(life, fault).size();
}

std::vector<std::string> FaultRunner::check_trace() {
  const Trace& calls = trace(Life::whole);
  std::vector<std::string> wrong = misdeeds(calls, set_);
  stage_.prepare(Life::whole);
  TracedChild child([this] { return stage_.live(Life::whole); });
  for (const std::string& line : full_from(child, calls.size())) wrong.push_back(line);
  return wrong;
}

std::string FaultRunner::summary() {
  const Life life = traces_.count(Life::whole) > 0 ? Life::whole : Life::compaction;
  int fewest = 0;
  for (const auto& [knob, times] : foreign_writes_) {
    fewest = fewest == 0 ? times : std::min(fewest, times);
  }
  return set_.title + ": " + std::to_string(set_.plans.size()) + " knobs, " +
         std::to_string(trace(life).size()) + " system calls (" + to_string(life) + "), at most " +
         std::to_string(widest_gap(trace(life), set_)) +
         " calls from a compare to its write; somebody else wrote " +
         std::to_string(foreign_writes_.size()) + " knobs, each at least " +
         std::to_string(fewest) + " times";
}

Row FaultRunner::run(Life life, Fault fault, Slice slice) {
  Row row{set_.title, life, fault, 0, 0, 0};
  const double begin = now_s();
  const std::vector<size_t> all = places(life, fault);
  for (size_t i = slice.first; i < all.size(); i += slice.stride) {
    if (fault == Fault::foreign) {
      for (size_t group = 0; group < kGroupsAtOnePoint; ++group) {
        const auto differing = retry([&] { return try_foreign(life, all[i], group); });
        row.differing += differing.value_or(0);
        if (differing) ++row.points;
      }
      continue;
    }
    row.differing += retry([&] { return try_at(life, fault, all[i]); }).value_or(0);
    ++row.points;
  }
  row.seconds = now_s() - begin;
  return row;
}

std::optional<int> FaultRunner::retry(const std::function<std::optional<int>()>& attempt) {
  constexpr int kMost = 10;
  std::optional<int> differing;
  for (int i = 0; i < kMost; ++i) {
    const std::string before = memory(kernel_);
    differing = attempt();
    if (differing.value_or(0) == 0 || memory(kernel_) == before) return differing;
    std::fputs("(the machine's memory changed: once more)\n", stderr);
  }
  return differing;
}

int FaultRunner::try_at(Life life, Fault fault, size_t place) {
  stage_.prepare(life);
  std::vector<std::string> wrong;
  const std::string what = set_.title + ", " + to_string(life) + ", " + to_string(fault) +
                           " at call " + std::to_string(place) + " (" +
                           describe(trace(life)[place]) + ")";
  TracedChild child([this, life] { return stage_.live(life); });
  const auto ordinal = static_cast<size_t>(
      std::count_if(trace(life).begin(), trace(life).begin() + static_cast<std::ptrdiff_t>(place),
                    [](const Access& access) { return access.is_file_call; }));
  switch (fault) {
    case Fault::kill:
      kill_at(child, place);
      break;
    case Fault::kill_inside:
      kill_inside(child, ordinal);
      break;
    case Fault::full_journal:
      wrong = full_from(child, ordinal);
      break;
    default:
      wrong = fail_at(child, fault, ordinal);
  }
  for (std::string& line : stage_.restore()) wrong.push_back(std::move(line));
  return settle(what, std::move(wrong), {});
}

void FaultRunner::kill_at(TracedChild& child, size_t place) {
  for (size_t i = 0; i <= place; ++i) {
    if (!child.step()) return;
  }
  child.kill();
  child.reap();
}

void FaultRunner::kill_inside(TracedChild& child, size_t ordinal) {
  size_t count = 0;
  while (auto call = child.enter()) {
    if (is_file_call(call->number) && count == ordinal) break;
    child.leave(*call, Meddling::none, 0);
    if (is_point(*call)) ++count;
  }
  child.let_go();
  while (!child.has_ended() && state_of(kernel_, child.pid()) != 'D') ::sched_yield();
  // The restore that follows has to wait for it by itself.
  child.kill();
}

std::vector<std::string> FaultRunner::fail_at(TracedChild& child, Fault fault, size_t ordinal) {
  size_t count = 0;
  bool done = false;
  const Meddling meddling = fault == Fault::late_eio ? Meddling::spoil : Meddling::replace;
  const auto meddler = [&](const SystemCall& call) {
    if (!is_file_call(call.number) || count++ != ordinal) return Meddling::none;
    done = true;
    return meddling;
  };
  while (!done && child.step(meddler, error_of(fault))) continue;
  const int status = child.finish();
  if (status == 0 || status == 3) return {};
  return {"the process ended with status " + std::to_string(status)};
}

std::vector<std::string> FaultRunner::full_from(TracedChild& child, size_t ordinal) {
  size_t count = 0;
  std::vector<std::string> wrong;
  Follower follower(child);
  const auto meddler = [&](const SystemCall& call) {
    const bool is_full = is_file_call(call.number) && count++ >= ordinal;
    const bool adds = call.number == SYS_write && !call.on_kernel_file;
    return is_full && adds ? Meddling::replace : Meddling::none;
  };
  while (const auto call = child.step(meddler, ENOSPC)) {
    const Access access = follower.follow(*call);
    const KnobPlan* plan = set_.find(access.path);
    if (access.kind != Kind::write || plan == nullptr) continue;
    if (access.text == plan->original || access.text == "-1") continue;  // goes back all the same
    std::stringstream text;
    text << std::ifstream(stage_.journal_path(), std::ios::binary).rdbuf();
    const auto entries = fold_records(text.str()).entries;
    if (std::none_of(entries.begin(), entries.end(), [plan](const JournalEntry& entry) {
          return entry.knob == plan->knob.name && entry.original == plan->original;
        })) {
      wrong.push_back(plan->knob.name + " was written without its original in the journal");
    }
  }
  if (child.finish() != 0) wrong.emplace_back("the process failed");
  return wrong;
}

std::vector<const KnobPlan*> FaultRunner::group_at(Life life, size_t place, size_t group) {
  std::vector<const KnobPlan*> chosen;
  for (size_t i = 0; i < set_.plans.size(); ++i) {
    const KnobPlan& plan = set_.plans[i];
    if ((i + place) % kForeignGroups != group || plan.foreign.empty()) continue;
    // One that another one's write moves cannot stand beside it.
    const bool clashes = std::any_of(chosen.begin(), chosen.end(), [&](const KnobPlan* other) {
      return std::count(other->moves.begin(), other->moves.end(), plan.knob.path) > 0 ||
             std::count(plan.moves.begin(), plan.moves.end(), other->knob.path) > 0;
    });
    if (!clashes && !is_in_gap(trace(life), place, plan, set_)) chosen.push_back(&plan);
  }
  return chosen;
}

std::optional<int> FaultRunner::try_foreign(Life life, size_t place, size_t group) {
  const std::vector<const KnobPlan*> theirs = group_at(life, place, group);
  if (theirs.empty()) return std::nullopt;
  stage_.prepare(life);
  TracedChild child([this, life] { return stage_.live(life); });
  const auto end = trace(life).begin() + static_cast<std::ptrdiff_t>(place) + 1;
  auto left = std::count_if(trace(life).begin(), end,
                            [](const Access& access) { return access.is_file_call; });
  while (left > 0) {
    const auto call = child.step();
    if (!call) throw std::runtime_error("a life took another course");
    if (is_point(*call)) --left;
  }
  std::vector<std::string> ignored;
  std::string what = set_.title + ", " + to_string(life) + ", after call " + std::to_string(place) +
                     " (" + describe(trace(life)[place]) + ") somebody writes";
  for (const KnobPlan* plan : theirs) {
    const Status written = kernel_.write(plan->knob.path, plan->foreign);
    if (!written) throw std::runtime_error(written.error().message);
    ++foreign_writes_[plan->knob.name];
    what += " " + plan->knob.name + "=" + plan->foreign;
    ignored.push_back(plan->knob.path);
    ignored.insert(ignored.end(), plan->moves.begin(), plan->moves.end());
    // The scheduler's own numbers come and go with it, and one follows nr_requests.
    const size_t name = plan->knob.path.rfind('/') + 1;
    if (plan->knob.kind->freezes_queue)
      ignored.push_back(plan->knob.path.substr(0, name) + "iosched/");
  }
  std::vector<std::string> wrong;
  if (child.finish() != 0) wrong.emplace_back("the process failed");
  for (std::string& line : stage_.restore()) wrong.push_back(std::move(line));
  for (const KnobPlan* plan : theirs) {
    const auto shown = read_normal(kernel_, plan->knob);
    const std::string now = shown ? shown.value() : shown.error().message;
    if (now != plan->foreign) wrong.push_back(plan->knob.name + " shows " + now);
  }
  return settle(what, std::move(wrong), ignored);
}

int FaultRunner::settle(const std::string& what, std::vector<std::string> wrong,
                        const std::vector<std::string>& ignored) {
  static int complaints = 0;
  for (std::string& line : state_.differences(ignored)) wrong.push_back(std::move(line));
  if (!wrong.empty() && complaints++ < kMostComplaints) {
    std::string text = what + "\n";
    for (const std::string& line : wrong) text += "    " + line + "\n";
    std::fputs((text + stage_.story()).c_str(), stderr);
  }
  for (const std::string& line : state_.put_back()) {
    throw std::runtime_error("cannot be put back: " + line);
  }
  return static_cast<int>(wrong.size());
}

}  // namespace tuneshift::test
