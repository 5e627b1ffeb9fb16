// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/kill/kernel_state.h"

#include <algorithm>

namespace tuneshift::test {

namespace {

bool has(const std::vector<std::string>& paths, const std::string& path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

/// Whether it is one of `paths` or in a folder of them, which end in a slash.
bool is_ignored(const std::vector<std::string>& paths, const std::string& path) {
  return std::any_of(paths.begin(), paths.end(), [&path](const std::string& one) {
    return path == one || (one.back() == '/' && path.compare(0, one.size(), one) == 0);
  });
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// The word to write for "none [mq-deadline]".
std::string to_write(const std::string& shown) {
  const size_t open = shown.find('[');
  const size_t close = shown.find(']');
  if (open == std::string::npos || close == std::string::npos) return shown;
  return shown.substr(open + 1, close - open - 1);
}

}  // namespace

KernelState::KernelState(KernelFs& kernel, const KnobSet& set) : kernel_(kernel) {
  for (const KnobPlan& plan : set.plans) order_.push_back(plan.knob.path);
  for (const std::string& folder : set.folders) {
    const auto names = kernel.list(folder);
    if (!names) continue;
    for (const std::string& name : names.value()) {
      const std::string path = folder + "/" + name;
      // Reading that one makes every CPU sum up its counters.
      if (name == "stat_refresh" || has(order_, path) || !kernel.read(path)) continue;
      order_.push_back(path);
    }
  }
  for (const std::string& path : order_) before_[path] = shown(path);
}

std::string KernelState::shown(const std::string& path) const {
  const auto text = kernel_.read(path);
  return text ? text.value() : "?";
}

std::vector<std::string> KernelState::differences(const std::vector<std::string>& ignored) const {
  std::vector<std::string> lines;
  for (const std::string& path : order_) {
    const std::string& before = before_.at(path);
    const std::string now = shown(path);
    if (now == before || is_ignored(ignored, path)) continue;
    lines.push_back(path + ": " + before + " -> " + now);
  }
  return lines;
}

void KernelState::write(const std::string& path, const std::string& text) {
  // The default comes back by -1 alone; a number that was set by hand by that number.
  if (ends_with(path, "wbt_lat_usec")) (void)kernel_.write(path, "-1");
  if (shown(path) != text) (void)kernel_.write(path, to_write(text));
}

std::vector<std::string> KernelState::put_back() {
  // One pass for each step of "a write to this one moved that one".
  constexpr int kPasses = 4;
  for (int pass = 0; pass < kPasses; ++pass) {
    for (const std::string& path : order_) {
      if (shown(path) != before_.at(path)) write(path, before_.at(path));
    }
  }
  return differences({});
}

}  // namespace tuneshift::test
