// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "dbus/sdbus.h"

namespace tuneshift {

/// Whether a caller may do something: root always; others when polkit says so; without polkit on
/// the bus nobody else. Asked asynchronously by bus name, so a slow polkit stalls nobody.
class Authorizer {
 public:
  /// Questions to polkit that wait for one user, of what the bus lets wait for all (128).
  static constexpr unsigned most_questions = 16;

  /// `refusal` is what the caller is to be told, nullptr when it is allowed; then `uid` is the
  /// caller's.
  using Answer = std::function<void(const sdbus::Error* refusal, uint32_t uid)>;

  explicit Authorizer(sdbus::IConnection& connection);

  /// `action` is a polkit action: "org.tuneshift1.switch", ".hold", ".configure", ".inspect".
  void check(const std::string& sender, const std::string& action, Answer answer);

 private:
  void ask_polkit(const std::string& sender, const std::string& action, uint32_t uid,
                  Answer answer);

  std::map<uint32_t, unsigned> waiting_;  ///< uid → its questions
  std::unique_ptr<sdbus::IProxy> bus_;
  std::unique_ptr<sdbus::IProxy> polkit_;
};

}  // namespace tuneshift
