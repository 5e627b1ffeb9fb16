// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tuneshift {

// What the daemon and its helpers say to each other is plain structures: both programs come from
// one build, and a packet's first field `version` keeps those of two builds apart.

template <typename Packet>
std::string to_bytes(const Packet& packet) {
  return {reinterpret_cast<const char*>(&packet), sizeof packet};
}

/// False for another length or version.
template <typename Packet>
bool from_bytes(std::string_view bytes, uint32_t version, Packet& packet) {
  if (bytes.size() != sizeof packet) return false;
  std::memcpy(&packet, bytes.data(), sizeof packet);
  return packet.version == version;
}

}  // namespace tuneshift
