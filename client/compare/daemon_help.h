// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "client/compare/keeper.h"
#include "client/connection.h"
#include "libtune/result.h"

namespace tuneshift {

/// The daemon, told to help or to keep out of it.
class DaemonHelp {
 public:
  /// Without a daemon this works as well, and does nothing: why_not() says so.
  static Result<DaemonHelp> connect(Keeper& keeper);

  /// Why it cannot help; empty when it can.
  [[nodiscard]] const std::string& why_not() const { return why_not_; }

  // Each of these fails, and changes nothing, when somebody else has changed the mode meanwhile.

  /// It puts everything back and does nothing for two minutes, or until renew(): returns when
  /// everything is back.
  Status stand_aside();
  /// It helps whoever loads, whatever its mode was.
  Status help();
  /// Why it saw no load in any of these processes, as far as it says; empty when it did.
  [[nodiscard]] std::string why_no_load(const std::set<uint64_t>& pids) const;
  /// Before the two minutes are over.
  Status renew();

 private:
  DaemonHelp(std::unique_ptr<Daemon> daemon, Keeper& keeper)
      : daemon_(std::move(daemon)), keeper_(keeper) {}
  /// Fails when the mode is not what it was left in: then it is somebody else's.
  Status expect_our_mode();
  /// The same, and has the keeper know of the change.
  Status begin_change(const std::string& mode);
  Status wait_until_put_back();
  std::unique_ptr<Daemon> daemon_;
  Keeper& keeper_;
  std::string why_not_;
  std::string mode_before_;
  std::string mode_now_;  ///< as this has left it
  uint64_t since_us_ = 0;
};

}  // namespace tuneshift
