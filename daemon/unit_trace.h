// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>

#include "libtune/result.h"

namespace tuneshift {

/// What has to be known of a unit's property that we changed, also after a kill: systemd writes
/// each change into a drop-in file of its own, where it would override what the administrator puts
/// into the unit later.
struct UnitTrace {
  bool made = false;     ///< the drop-in was not there before us
  std::string drop_in;   ///< its path; empty until the first change is done
  std::string identity;  ///< of the file as our last change left it
  std::string original;  ///< the whole property before our first change
};

/// Tells one version of a file from any other; empty when there is none.
std::string file_identity(const std::string& path);

/// The traces, each a file in a directory that outlives the daemon but not the boot.
class UnitTraces {
 public:
  /// The directory is made when the first trace is; its parent must exist.
  explicit UnitTraces(std::string directory) : directory_(std::move(directory)) {}

  /// The trace called `name`, a file name. Nothing when there is none, or when somebody else has
  /// changed the drop-in since: then it is theirs, and the trace is forgotten.
  std::optional<UnitTrace> find(const std::string& name) const;
  Status save(const std::string& name, const UnitTrace& trace) const;
  void forget(const std::string& name) const;

 private:
  [[nodiscard]] std::string file(const std::string& name) const { return directory_ + "/" + name; }

  std::string directory_;
};

}  // namespace tuneshift
