// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/authorizer.h"

#include <map>
#include <utility>

#include "daemon/bus_errors.h"

namespace tuneshift {

namespace {

/// What an answer that is none says: without polkit nobody is allowed, with one that is too busy
/// nobody is refused.
sdbus::Error refusal_of(const sdbus::Error& error) {
  const std::string& name = error.getName();
  constexpr auto prefix = "org.freedesktop.DBus.Error.";
  for (const char* passing : {"LimitsExceeded", "NoReply", "Timeout"}) {
    if (name == std::string(prefix) + passing) return busy();
  }
  return access_denied();
}

}  // namespace

Authorizer::Authorizer(sdbus::IConnection& connection)
    : bus_(bus::proxy(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus")),
      polkit_(bus::proxy(connection, "org.freedesktop.PolicyKit1",
                         "/org/freedesktop/PolicyKit1/Authority")) {}

void Authorizer::check(const std::string& sender, const std::string& action, Answer answer) {
  bus_->callMethodAsync("GetConnectionUnixUser")
      .onInterface("org.freedesktop.DBus")
      .withArguments(sender)
      .uponReplyInvoke(
          [this, sender, action, answer = std::move(answer)](bus::MaybeError error, uint32_t uid) {
            if (error) {
              const sdbus::Error refusal = refusal_of(*error);
              answer(&refusal, 0);
            } else if (uid == 0) {
              answer(nullptr, uid);
            } else {
              ask_polkit(uid, {sender, action, answer});
            }
          });
}

void Authorizer::ask_polkit(uint32_t uid, Question question) {
  User& user = users_[uid];
  if (user.waiting.size() >= most_waiting) {
    const sdbus::Error refusal = busy();
    question.answer(&refusal, uid);
    return;
  }
  user.waiting.push_back(std::move(question));
  ask_next(uid);
}

void Authorizer::ask_next(uint32_t uid) {
  User& user = users_[uid];
  if (user.waiting.empty() || user.asked >= most_asked) return;
  const Question question = std::move(user.waiting.front());
  user.waiting.pop_front();
  ++user.asked;
  using Details = std::map<std::string, std::string>;
  using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;
  const Subject subject("system-bus-name", {{"name", sdbus::Variant(question.sender)}});
  constexpr uint32_t no_flags = 0;
  polkit_->callMethodAsync("CheckAuthorization")
      .onInterface("org.freedesktop.PolicyKit1.Authority")
      .withArguments(subject, question.action, Details{}, no_flags, std::string())
      .uponReplyInvoke(
          [this, uid, answer = question.answer](bus::MaybeError error,
                                                const sdbus::Struct<bool, bool, Details>& result) {
            User& answered = users_[uid];
            --answered.asked;
            ask_next(uid);
            if (answered.asked == 0) users_.erase(uid);
            if (!error && std::get<0>(result)) {
              answer(nullptr, uid);
              return;
            }
            const sdbus::Error refusal = error ? refusal_of(*error) : access_denied();
            answer(&refusal, uid);
          });
}

}  // namespace tuneshift
