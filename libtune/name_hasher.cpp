// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/name_hasher.h"

#include <algorithm>
#include <bit>

namespace tuneshift {

namespace {

constexpr size_t longest_extension = 16;
constexpr int kept_digits = 12;

struct SipState {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void take(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_separator(char c) {
  return c == '-' || c == '_' || c == '.';
}

/// Where a last group of digits with its separator begins; the text's end when there is none.
size_t digits_at(std::string_view text) {
  size_t at = text.size();
  while (at > 0 && is_digit(text[at - 1])) --at;
  const bool found = at < text.size() && at > 0 && is_separator(text[at - 1]);
  return found ? at - 1 : text.size();
}

/// Where "-00001-of-00004" or "-00001" at the end begins.
size_t shard_at(std::string_view stem) {
  const size_t last = digits_at(stem);
  if (last == stem.size()) return last;
  const std::string_view before = stem.substr(0, last);
  if (!before.ends_with("of")) return last;
  const size_t of = before.size() - 2;
  if (of == 0 || !is_separator(before[of - 1])) return last;
  const size_t first = digits_at(before.substr(0, of - 1));
  return first == of - 1 ? last : first;
}

/// Where the extension with its point begins.
size_t extension_at(std::string_view name) {
  const size_t point = name.rfind('.');
  if (point == std::string_view::npos || point == 0) return name.size();
  const std::string_view extension = name.substr(point + 1);
  const bool is_one = !extension.empty() && extension.size() <= longest_extension &&
                      std::all_of(extension.begin(), extension.end(), [](char c) {
                        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                      });
  return is_one ? point : name.size();
}

}  // namespace

uint64_t siphash(const NameHasher::Key& key, std::string_view text) {
  SipState state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                 key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
  const uint64_t length = text.size();
  const auto load = [](std::string_view bytes) {
    uint64_t number = 0;
    for (size_t i = bytes.size(); i-- > 0;) {
      number = number << 8 | static_cast<unsigned char>(bytes[i]);
    }
    return number;
  };
  for (; text.size() >= 8; text.remove_prefix(8)) state.take(load(text.substr(0, 8)));
  state.take(length << 56 | load(text));
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

std::string NameHasher::word(std::string_view word) const {
  constexpr char digits[] = "0123456789abcdef";
  uint64_t hash = siphash(key_, word);
  std::string text;
  for (int i = 0; i < kept_digits; ++i, hash >>= 4) text += digits[hash & 0xf];
  return text;
}

std::string NameHasher::part(std::string_view part) const {
  if (part.empty() || part == "." || part == "..") return std::string(part);
  const size_t extension = extension_at(part);
  const std::string_view stem = part.substr(0, extension);
  const size_t shard = shard_at(stem);
  return word(stem.substr(0, shard)) + std::string(part.substr(shard));
}

std::string NameHasher::path(std::string_view path) const {
  std::string hidden;
  while (true) {
    const size_t end = std::min(path.find('/'), path.size());
    hidden += part(path.substr(0, end));
    if (end == path.size()) return hidden;
    hidden += '/';
    path.remove_prefix(end + 1);
  }
}

std::string NameHasher::command_line(std::string_view command_line) const {
  std::string hidden;
  std::string_view before;
  for (bool first = true; !command_line.empty(); first = false) {
    const size_t end = std::min(command_line.find(' '), command_line.size());
    const std::string_view argument = command_line.substr(0, end);
    command_line.remove_prefix(std::min(end + 1, command_line.size()));
    if (!first) hidden += ' ';
    const size_t name = argument.rfind('/') + 1;
    const size_t equals = argument.find('=');
    if (first) {
      hidden += path(argument.substr(0, name));
      hidden += argument.substr(name);
    } else if (argument.starts_with('-') && equals != std::string_view::npos) {
      hidden += argument.substr(0, equals + 1);
      hidden += path(argument.substr(equals + 1));
    } else if (argument.starts_with('-') || before == "-m") {
      hidden += argument;
    } else {
      hidden += path(argument);
    }
    before = argument;
  }
  return hidden;
}

void NameHasher::hide_names(TraceBody& body) const {
  if (auto* origin = std::get_if<TraceOrigin>(&body)) origin->hashed = true;
  if (auto* input = std::get_if<TraceFacts>(&body)) {
    Facts& facts = input->facts;
    for (std::string* name : {&facts.path, &facts.model, &facts.cgroup}) *name = path(*name);
    facts.command_line = command_line(facts.command_line);
  }
  // Messages have names in them.
  if (auto* failure = std::get_if<TraceFailure>(&body)) failure->message.clear();
  if (auto* decision = std::get_if<TraceDecision>(&body)) decision->change.reason.clear();
}

}  // namespace tuneshift
