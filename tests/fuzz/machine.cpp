// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/machine.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "libtune/knob_text.h"
#include "tests/fuzz/check.h"
#include "tests/unit/machine_tree.h"

namespace tuneshift::fuzz {

namespace {

constexpr std::array kDevices = {"vda",  "nvme0n1", "nvme1n1", "dm-0",   "loop0",
                                 "nbd0", "0:44",    "44",      "policy4"};
constexpr size_t kMostWrites = 4096;
constexpr const char* kMovedText = "7777";
constexpr const char* kDefaultLatency = "75000";

/// A knob in KnobInfo::moves: of the same device, or of the machine.
std::string moved_name(const Knob& mover, std::string_view moved) {
  if (find_kind(mover.kind->family, moved) == nullptr) return std::string(moved);
  return mover.name.substr(0, mover.name.size() - mover.kind->name.size()) + std::string(moved);
}

std::string first_text(const KnobInfo& kind) {
  if (kind.type == ValueType::choice) return "always [madvise] never\n";
  return std::to_string(kind.minimum.value_or(0) + 1) + "\n";
}

}  // namespace

Status ImitatedKernel::write(std::string_view path, std::string_view value) {
  writes.emplace_back(path, value);
  check(writes.size() < kMostWrites, "a restore ends", path);
  if (refusing.contains(writes.back().first)) return errno_error(EINVAL, "write", path);
  const auto knob = by_path.find(writes.back().first);
  check(knob != by_path.end() || !exists(path), "only knobs are written", path);
  return knob == by_path.end() ? KernelFs::write(path, value) : change(knob->second, value);
}

Status ImitatedKernel::set(const Knob& knob, std::string_view value) {
  return change(knob, value);
}

Status ImitatedKernel::change(const Knob& knob, std::string_view value) {
  const KnobInfo& kind = *knob.kind;
  const bool to_default = kind.restore == Restore::wbt_default && value == "-1";
  Status written = KernelFs::write(knob.path, to_default ? kDefaultLatency : value);
  if (!written) return written;
  if (!kind.excludes.empty() && value != "0") {
    const auto twin = resolve_knob(*this, kind.excludes);
    if (twin) (void)KernelFs::write(twin.value().path, "0");
  }
  if (!moves) return {};
  for (const std::string_view name : kind.moves) {
    const auto moved = resolve_knob(*this, moved_name(knob, name));
    if (moved) (void)KernelFs::write(moved.value().path, kMovedText);
  }
  return {};
}

Machine::Machine()
    : tree_(test::machine_tree()),
      outside_{test::file("victim", "untouched\n")},
      kernel_(tree_.open()) {
  tree_.add(test::symbolic_link("sys/class/bdi/0:45", outside_.root()));
  for (const KnobInfo& kind : catalogue()) {
    for (const char* device : kDevices) add_knob(kind, device);
  }
  for (const test::KernelTree* tree : {&tree_, &run_, &outside_}) watched_.add(tree->root());
}

void Machine::add_knob(const KnobInfo& kind, std::string_view device) {
  const auto knob = resolve_knob(kernel_, knob_name(kind, {std::string(device), "a.service"}));
  if (!knob || knob.value().kind != &kind) return;
  if (kind.restore == Restore::let_go) return;  // held by a process, and no file of a machine
  const std::string& path = knob.value().path;
  if (!kernel_.exists(path)) tree_.add(test::file(path, first_text(kind)));
  kernel_.by_path.emplace(path, knob.value());
  path_of_file_[std::filesystem::canonical(tree_.root() + "/" + path).string()] = path;
  originals_[path] = tree_.text(path);
}

std::string Machine::shown(const Knob& knob) const {
  const auto text = read_normal(kernel_, knob);
  return text ? text.value() : "";
}

void Machine::write_journal(const std::string& text) {
  run_.set("journal", text);
  const std::string path = run_.root() + "/journal";
  check(::chmod(path.c_str(), 0600) == 0, "a journal can be given its mode");
}

Journal Machine::open_journal() {
  auto journal = Journal::open(run_.root(), 0);
  check(journal.ok(), "a journal can be opened", journal ? "" : journal.error().message);
  return std::move(journal).value();
}

std::set<std::string> Machine::take_changes() {
  std::set<std::string> paths;
  for (const std::string& file : watched_.take_changes()) {
    if (file == run_.root() + "/journal") continue;
    const auto path = path_of_file_.find(file);
    check(path != path_of_file_.end(), "only knobs change", file);
    paths.insert(path->second);
    dirty_.insert(path->second);
  }
  return paths;
}

void Machine::reset() {
  (void)take_changes();
  kernel_.moves = false;
  kernel_.refusing.clear();
  kernel_.writes.clear();
  for (const std::string& path : std::exchange(dirty_, {})) tree_.set(path, originals_.at(path));
  (void)watched_.take_changes();
}

}  // namespace tuneshift::fuzz
