// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libtune/applier.h"
#include "tests/unit/faulty_kernel_fs.h"
#include "tests/unit/machine_tree.h"

namespace tuneshift::test {

inline uint64_t tick() {
  static uint64_t now = 0;
  return ++now;
}

inline const std::string kSwappiness = "proc/sys/vm/swappiness";
inline const std::string kDirtyRatio = "proc/sys/vm/dirty_ratio";
inline const std::string kThpEnabled = "sys/kernel/mm/transparent_hugepage/enabled";
inline const std::string kDirtyBytes = "proc/sys/vm/dirty_bytes";
inline const std::string kVda = "sys/block/vda/queue/";

inline Want want(ValueSpec value, std::string owner = "load 1") {
  return {std::move(value), "throughput", std::move(owner), "a model is loading"};
}
inline ValueSpec exactly(std::string text) {
  return Exactly{std::move(text)};
}
inline ValueSpec at_least(int64_t number) {
  return Bounds{Amount{number, {}, {}}, std::nullopt};
}

/// "none [mq-deadline] kyber", as the kernel shows a choice.
inline std::function<std::string(const std::string&)> chosen_of(std::vector<std::string> choices,
                                                                std::string end) {
  return [choices = std::move(choices), end = std::move(end)](const std::string& value) {
    std::string text;
    for (const std::string& choice : choices) {
      if (!text.empty()) text += " ";
      text += choice == value ? "[" + choice + "]" : choice;
    }
    return text + end;
  };
}

/// Makes `kernel` behave as vda's queue and the machine's memory management do.
inline void imitate(FaultyKernelFs& kernel) {
  kernel.shows(kVda + "scheduler", chosen_of({"none", "mq-deadline", "kyber"}, " "));
  kernel.shows(kThpEnabled, chosen_of({"always", "madvise", "never"}, ""));
  kernel.on_write(kVda + "scheduler", [&kernel](const std::string&, const std::string&) {
    kernel.put(kVda + "nr_requests", "256\n");
  });
  kernel.on_write(kVda + "max_sectors_kb", [&kernel](const std::string&, const std::string&) {
    kernel.put(kVda + "read_ahead_kb", "8192\n");
  });
  kernel.shows(kVda + "read_ahead_kb",
               [](const std::string& value) { return std::to_string(std::stol(value) / 4 * 4); });
  kernel.shows(kVda + "wbt_lat_usec",
               [](const std::string& value) { return value == "-1" ? "75000" : value; });
  kernel.on_write(kDirtyBytes, [&kernel](const std::string&, const std::string&) {
    kernel.put(kDirtyRatio, "0\n");
  });
  kernel.on_write(kDirtyRatio, [&kernel](const std::string&, const std::string& value) {
    if (kernel.KernelFs::read(kDirtyRatio).value() != value) kernel.put(kDirtyBytes, "0\n");
  });
}

/// A machine with an applier on it.
struct Rig {
  KernelTree tree = machine_tree();
  KernelTree run{};
  FaultyKernelFs kernel{tree};
  std::map<std::string, std::string> before = tree.snapshot();
  std::optional<Journal> journal;
  std::optional<Applier> applier;

  Rig() {
    imitate(kernel);
    start();
  }

  void stop() {
    applier.reset();
    journal.reset();
  }

  /// A new process: nothing is known but what the journal says.
  void start() {
    stop();
    auto opened = Journal::open(run.root(), 0);
    if (!opened) throw std::runtime_error(opened.error().message);
    journal.emplace(std::move(opened).value());
    applier.emplace(kernel, *journal, Clocks{tick, tick});
  }

  Receipt converge(const Desired& desired) {
    Receipt all = applier->converge(desired, Pass::quick);
    for (Change& change : applier->converge(desired, Pass::freezing)) all.push_back(change);
    return all;
  }

  [[nodiscard]] std::string shown(const std::string& path) const {
    return kernel.KernelFs::read(path).value();
  }
};

/// "written vm.swappiness 60 -> 10", one a line.
inline std::string summary(const Receipt& receipt) {
  std::string text;
  for (const Change& change : receipt) {
    text += std::string(to_string(change.kind)) + " " + change.knob + " " + change.from + " -> " +
            change.to + "\n";
  }
  return text;
}

}  // namespace tuneshift::test
