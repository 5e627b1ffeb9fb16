// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libtune/result.h"

struct MHD_Daemon;

namespace tuneshift {

/// Answers `GET /metrics` on a listening socket, on a thread of its own, until it is destroyed.
/// At most 16 connections at a time, 8 of one address, each for 10 s without traffic; headers of 16
/// KiB at most.
class MetricsServer {
 public:
  /// `metrics` makes the page and is called by one thread at a time. Several requests within a
  /// second get the same page, so that nobody can keep the daemon busy through here. The socket is
  /// closed with the server.
  static Result<std::unique_ptr<MetricsServer>> start(int listening,
                                                      std::function<std::string()> metrics);
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  ~MetricsServer();

  /// The page, made anew when the last is older than a second.
  std::string page();

 private:
  explicit MetricsServer(std::function<std::string()> metrics) : metrics_(std::move(metrics)) {}

  std::function<std::string()> metrics_;
  std::string page_;
  int64_t made_us_ = 0;
  MHD_Daemon* server_ = nullptr;
};

}  // namespace tuneshift
