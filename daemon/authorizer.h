// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dbus/sdbus.h"

namespace tuneshift {

/// Whether a caller may do something: root always; others when polkit says so; without polkit on
/// the bus nobody else. Asked asynchronously by bus name, so a slow polkit stalls nobody.
class Authorizer {
 public:
  /// `uid` is the caller's; meaningless when it is not allowed.
  using Answer = std::function<void(bool allowed, uint32_t uid)>;

  explicit Authorizer(sdbus::IConnection& connection);

  /// `action` is a polkit action: "org.tuneshift1.switch", ".hold", ".configure", ".inspect".
  void check(const std::string& sender, const std::string& action, Answer answer);

 private:
  void ask_polkit(const std::string& sender, const std::string& action, uint32_t uid,
                  Answer answer);

  std::unique_ptr<sdbus::IProxy> bus_;
  std::unique_ptr<sdbus::IProxy> polkit_;
};

}  // namespace tuneshift
