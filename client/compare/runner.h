// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "client/child.h"
#include "client/compare/load_file.h"
#include "libtune/result.h"

namespace tuneshift {

/// A program that has ended.
struct Ran {
  int status = 0;  ///< as a shell reports it
  double ms = 0;   ///< from its start to its end
  std::string output;
};

/// Runs programs one after the other. SIGINT and SIGTERM kill the one that runs: the error's
/// errno_value is EINTR then.
class Runner {
 public:
  /// `renew` is called before each program and every 30 seconds while one runs.
  Runner(TerminationSignals stop, std::function<Status()> renew)
      : stop_(std::move(stop)), renew_(std::move(renew)) {}

  /// With what it writes to its standard output and error: 64 KiB at most.
  Result<Ran> run(const std::vector<std::string>& command);
  /// The same with its standard output thrown away.
  Result<Ran> run_silently(const std::vector<std::string>& command);

  /// Loads a file in a process of its own, whose program is this one: milliseconds.
  Result<double> load(const std::string& path, ReadOrder reader);
  /// The process that ran last.
  [[nodiscard]] pid_t last_pid() const { return last_pid_; }
  /// How fast its store gives it, past the page cache: bytes a second.
  Result<uint64_t> measure_ceiling(const std::string& path);

 private:
  Result<Ran> run_to(const std::vector<std::string>& command, int output, int errors);
  Status wait(pid_t pid);
  Result<std::string> ask_child(const std::vector<std::string>& arguments);
  TerminationSignals stop_;
  std::function<Status()> renew_;
  pid_t last_pid_ = 0;
};

/// The other end of load() and measure_ceiling(), in the child: prints the figure, or why there is
/// none. The exit status.
int run_compare_child(const std::string& path, const std::string& what);

/// What the child measures beside the loads of the readers.
constexpr const char* kCeiling = "ceiling";
/// The verb of this program that does, which the help does not show.
constexpr const char* kChildVerb = "compare-child";

}  // namespace tuneshift
