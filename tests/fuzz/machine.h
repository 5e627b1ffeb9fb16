// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libtune/applier.h"
#include "tests/fuzz/watched_trees.h"
#include "tests/unit/kernel_tree.h"

namespace tuneshift::fuzz {

/// Files in memory behind a KernelFs that behaves as kernels do: a write zeroes the knob that it
/// excludes, moves others where `moves` says so, and is refused where `refusing` does.
class ImitatedKernel : public KernelFs {
 public:
  explicit ImitatedKernel(KernelFs files) : KernelFs(std::move(files)) {}

  Status write(std::string_view path, std::string_view value) override;
  /// The same without leaving a trace in `writes`: somebody else's.
  Status set(const Knob& knob, std::string_view value);

  bool moves = false;
  std::set<std::string> refusing;                           ///< paths
  std::vector<std::pair<std::string, std::string>> writes;  ///< path and value, also refused ones
  std::map<std::string, Knob> by_path;

 private:
  Status change(const Knob& knob, std::string_view value);
};

/// A whole machine, made once: its kernel's files, a run directory, and a place outside of both.
class Machine {
 public:
  Machine();

  ImitatedKernel& kernel() { return kernel_; }
  [[nodiscard]] const std::map<std::string, Knob>& knobs() const { return kernel_.by_path; }
  [[nodiscard]] std::string shown(const Knob& knob) const;

  void write_journal(const std::string& text);
  Journal open_journal();

  /// Paths of knobs that changed since the last call. It is a finding when anything else did, but
  /// the journal.
  std::set<std::string> take_changes();

  /// Makes every knob and the kernel's behaviour what they were in the beginning.
  void reset();

 private:
  void add_knob(const KnobInfo& kind, std::string_view device);
  test::KernelTree tree_;
  test::KernelTree run_{};
  test::KernelTree outside_;
  ImitatedKernel kernel_;
  std::map<std::string, std::string> path_of_file_;  // by the absolute path of the file itself
  std::map<std::string, std::string> originals_;     // by path
  std::set<std::string> dirty_;                      // paths changed since the last reset
  WatchedTrees watched_;
};

}  // namespace tuneshift::fuzz
