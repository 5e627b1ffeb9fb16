// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/kill/trace.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace tuneshift::test {

namespace {

using Kind = Access::Kind;

constexpr int kSecondA = 2;
constexpr int kSwitch = 3;

bool is(const SystemCall& call, long number) {
  return call.number == static_cast<uint64_t>(number);
}

/// Whether a write to `path` may change the plan's knob.
bool changes(const std::string& path, const KnobPlan& plan, const KnobSet& set) {
  if (path == plan.knob.path) return true;
  const KnobPlan* mover = set.find(path);
  return mover != nullptr && std::count(mover->moves.begin(), mover->moves.end(), plan.knob.path);
}

/// Whether it is put back because a write to a knob of the run moves it.
bool is_moved(const std::string& path, const KnobSet& set) {
  return std::any_of(set.plans.begin(), set.plans.end(), [&path](const KnobPlan& plan) {
    return std::count(plan.moves.begin(), plan.moves.end(), path) > 0;
  });
}

bool touches(const Access& access, const KnobPlan& plan, const KnobSet& set) {
  if (access.kind == Kind::compare) return access.path == plan.knob.path;
  return access.kind == Kind::write && changes(access.path, plan, set);
}

/// Whether the plan's knob was read between the last record of the journal and this write.
bool is_compared(const Trace& trace, size_t write, const KnobPlan& plan, const KnobSet& set) {
  for (size_t i = write; i-- > 0;) {
    if (trace[i].kind == Kind::journal) return false;
    if (touches(trace[i], plan, set)) return trace[i].kind == Kind::compare;
  }
  return false;
}

}  // namespace

Access Follower::follow(const SystemCall& call) {
  Access access;
  access.is_file_call = is_point(call);
  if (is(call, SYS_getppid)) ++part_;
  access.part = part_;
  access.number = call.number;
  const int fd = static_cast<int>(call.arguments[0]);
  if (is(call, SYS_openat2) && call.result >= 0) {
    access.path = child_.read_text(call.arguments[1]);
    files_[static_cast<int>(call.result)] = {access.path, false};
  }
  if (is(call, SYS_close)) files_.erase(fd);
  const auto file = files_.find(fd);
  if (is(call, SYS_read) && file != files_.end()) {
    access.path = file->second.path;
    if (!std::exchange(file->second.is_read, true)) access.kind = Kind::compare;
  }
  if (is(call, SYS_write)) {
    access.text = child_.read_bytes(call.arguments[1], call.arguments[2]);
    access.kind = file == files_.end() ? Kind::journal : Kind::write;
    if (file != files_.end()) access.path = file->second.path;
  }
  if (is(call, SYS_ftruncate) || is(call, SYS_renameat)) access.kind = Kind::journal;
  return access;
}

std::string describe(const Access& access) {
  std::string text = "part " + std::to_string(access.part) + ": ";
  if (access.kind == Kind::journal) return text + "journal " + access.text;
  text += access.kind == Kind::compare ? "compare" : access.kind == Kind::write ? "write" : "call";
  return text + " " + std::to_string(access.number) + " " + access.path + " " + access.text;
}

Trace record(Stage& stage, Life life) {
  stage.prepare(life);
  TracedChild child([&] { return stage.live(life); });
  Follower follower(child);
  Trace trace;
  while (const auto call = child.step()) trace.push_back(follower.follow(*call));
  if (child.finish() != 0) throw std::runtime_error("a life without faults failed");
  return trace;
}

bool is_in_gap(const Trace& trace, size_t place, const KnobPlan& plan, const KnobSet& set) {
  const auto here = trace.begin() + static_cast<std::ptrdiff_t>(place) + 1;
  const auto touch = [&](const Access& access) { return touches(access, plan, set); };
  const auto next = std::find_if(here, trace.end(), touch);
  if (next == trace.end()) return false;
  if (next->kind == Kind::write) return true;
  const auto last = std::find_if(std::make_reverse_iterator(here), trace.rend(), touch);
  if (last == trace.rend() || last->kind != Kind::write) return false;
  // Of a pair that excludes each other what is neither 0 nor the known value is told apart.
  const bool moved = last->path != plan.knob.path && plan.knob.kind->excludes.empty();
  return moved || last->text == "-1";
}

size_t widest_gap(const Trace& trace, const KnobSet& set) {
  size_t widest = 0;
  for (size_t i = 0; i < trace.size(); ++i) {
    if (trace[i].kind != Kind::write) continue;
    for (const KnobPlan& plan : set.plans) {
      if (!changes(trace[i].path, plan, set)) continue;
      size_t last = i;
      while (last > 0 && !touches(trace[last - 1], plan, set)) --last;
      widest = std::max(widest, i - last);
    }
  }
  return widest;
}

std::vector<std::string> misdeeds(const Trace& trace, const KnobSet& set) {
  std::vector<std::string> found;
  for (size_t i = 0; i < trace.size(); ++i) {
    const Access& access = trace[i];
    if (access.part == kSecondA && access.kind == Kind::journal) {
      found.emplace_back("a switch to what is in force touched the journal");
    }
    if (access.kind != Kind::write) continue;
    for (const KnobPlan& plan : set.plans) {
      if (changes(access.path, plan, set) && !is_compared(trace, i, plan, set)) {
        found.push_back(plan.knob.name + " was not compared next to a write of " + access.path);
      }
    }
    const KnobPlan* plan = set.find(access.path);
    if (plan == nullptr && !is_moved(access.path, set)) {
      found.push_back(access.path + " is no knob of the run");
    }
    if (access.part == kSecondA) found.push_back(access.path + " was written though in force");
    if (plan == nullptr || access.part != kSwitch || plan->b.empty()) continue;
    if (access.text != plan->b) {
      found.push_back(access.path + " went through " + access.text + " on its way to " + plan->b);
    }
  }
  return found;
}

}  // namespace tuneshift::test
