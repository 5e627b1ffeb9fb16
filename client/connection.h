// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/args.h"
#include "client/json.h"
#include "libtune/result.h"

namespace tuneshift {

/// True for the error of a daemon or bus that is not there or went away: exit status 3.
bool is_absent(const Error& error);

/// A signal of the daemon.
struct BusSignal {
  enum class Kind {
    profile_applied,  ///< profile, reason, written, failed
    knob_yielded,     ///< knob, ours, theirs
    manager_changed,  ///< changed properties of the manager
    load_appeared,    ///< its properties
    load_changed,     ///< changed properties
    load_removed,
    daemon_started,
    daemon_stopped,
  };
  Kind kind = Kind::manager_changed;
  uint64_t load = 0;  ///< of the load signals
  Json values;
};

/// What Hold is told beside the profile.
struct HoldOptions {
  std::string reason;
  std::vector<std::string> devices;
  std::optional<uint64_t> ttl_s;
  int pidfd = -1;  ///< passed on when it is not negative
};

/// The daemon on the system bus, through the generated proxy. Replies arrive as JSON with the keys
/// of docs/dbus.md; properties have snake_case names. The exceptions of sdbus-c++ stop here: every
/// error has the one line that a person reads.
class Daemon {
 public:
  /// Connects to the bus; that the daemon is not there shows at the first call.
  static Result<std::unique_ptr<Daemon>> connect();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();

  Result<Json> manager();   ///< object: version, mode, state, loads, servers, …
  Result<Json> objects();   ///< object of loads and devices, from one call
  Result<Json> loads();     ///< array by id: id and the properties
  Result<Json> devices();   ///< array by name: the properties
  Result<Json> profiles();  ///< array of name, summary
  Result<Json> plan(const std::string& profile, const std::vector<std::string>& devices);
  Result<Json> holds();
  Result<Json> knobs();
  Result<Json> verify();
  Result<Json> why(const Subject& subject);
  Result<Json> history(uint64_t since_us);
  Result<Json> describe_load(uint64_t id);

  Result<uint32_t> hold(const std::string& profile, const HoldOptions& options);
  Status release(uint32_t cookie);
  Status switch_profile(const std::string& profile);
  Status set_mode(const std::string& mode);
  Status pause(uint64_t seconds);
  Status reload();
  Status rearm(const std::string& knob);
  /// Has a trace written into a Unix stream socket, which stays the caller's.
  Status record(int socket, bool hash_names);
  Status stop_record();

  /// Asks for the signals that wait() returns.
  Status subscribe();
  /// Blocks until a signal, an event on one of `others`, or the time is up (-1: never).
  Result<std::vector<BusSignal>> wait(int timeout_ms, std::span<pollfd> others = {});

 private:
  struct Bus;
  explicit Daemon(std::unique_ptr<Bus> bus);
  std::unique_ptr<Bus> bus_;
};

}  // namespace tuneshift
