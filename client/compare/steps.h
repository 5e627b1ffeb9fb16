// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "client/compare/daemon_help.h"
#include "client/compare/keeper.h"
#include "client/compare/model_file.h"
#include "client/compare/runner.h"
#include "libtune/kernel_fs.h"
#include "libtune/result.h"

namespace tuneshift {

/// What the steps share; all of it outlives them.
struct Bench {
  const ModelFile& file;
  ReadOrder reader;
  Runner& runner;
  DaemonHelp& assistance;
  Keeper& keeper;
  KernelFs& kernel;
  std::set<uint64_t> helped = {};  ///< processes that loaded while the daemon helped
  uint64_t most_left_bytes = 0;    ///< of the file in the page cache, before any load
};

/// One way to load the file.
struct Step {
  std::string name;
  std::string skipped;  ///< why it cannot be measured here; empty when it can
  /// Makes the file cold and loads it: milliseconds, with what helps in advance. Whatever it
  /// changes is back when it returns, but for the daemon's mode.
  std::function<Result<double>()> measure;
};

/// The first one is stock: with nothing that helps.
std::vector<Step> make_steps(Bench& bench);

}  // namespace tuneshift
