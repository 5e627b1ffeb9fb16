// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/authorizer.h"

#include <map>
#include <utility>

namespace tuneshift {

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
              answer(false, 0);
            } else if (uid == 0) {
              answer(true, uid);
            } else {
              ask_polkit(sender, action, uid, answer);
            }
          });
}

void Authorizer::ask_polkit(const std::string& sender, const std::string& action, uint32_t uid,
                            Answer answer) {
  using Details = std::map<std::string, std::string>;
  using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;
  const Subject subject("system-bus-name", {{"name", sdbus::Variant(sender)}});
  constexpr uint32_t no_flags = 0;
  polkit_->callMethodAsync("CheckAuthorization")
      .onInterface("org.freedesktop.PolicyKit1.Authority")
      .withArguments(subject, action, Details{}, no_flags, std::string())
      .uponReplyInvoke(
          [uid, answer = std::move(answer)](bus::MaybeError error,
                                            const sdbus::Struct<bool, bool, Details>& result) {
            answer(!error && std::get<0>(result), uid);
          });
}

}  // namespace tuneshift
