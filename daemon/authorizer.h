// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <deque>
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
  /// Questions to polkit at once for one user, of what the bus lets wait for all (128), and those
  /// that wait for their turn behind them.
  static constexpr size_t most_asked = 16;
  static constexpr size_t most_waiting = 256;

  /// `refusal` is what the caller is to be told, nullptr when it is allowed; then `uid` is the
  /// caller's.
  using Answer = std::function<void(const sdbus::Error* refusal, uint32_t uid)>;

  explicit Authorizer(sdbus::IConnection& connection);

  /// `action` is a polkit action: "org.tuneshift1.switch", ".hold", ".configure", ".inspect".
  void check(const std::string& sender, const std::string& action, Answer answer);

 private:
  struct Question {
    std::string sender;
    std::string action;
    Answer answer;
  };
  struct User {
    size_t asked = 0;
    std::deque<Question> waiting;
  };
  void ask_polkit(uint32_t uid, Question question);
  void ask_next(uint32_t uid);

  std::map<uint32_t, User> users_;  ///< those with questions under way
  std::unique_ptr<sdbus::IProxy> bus_;
  std::unique_ptr<sdbus::IProxy> polkit_;
};

}  // namespace tuneshift
