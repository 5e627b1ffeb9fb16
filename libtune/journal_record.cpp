// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/journal_record.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <list>
#include <map>
#include <optional>
#include <utility>

namespace tuneshift {

namespace {

using Fields = std::vector<std::string>;

constexpr size_t kChecksumLength = 8;

/// CRC-32 (IEEE 802.3), bit by bit: a journal is a few lines.
uint32_t checksum(std::string_view text) {
  uint32_t crc = ~0U;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

std::string encode_field(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f && c != '\\') {
      encoded += c;
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
    encoded += escaped;
  }
  return encoded;
}

std::optional<std::string> decode_field(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      decoded += text[i];
      continue;
    }
    if (i + 3 >= text.size() || text[i + 1] != 'x') return std::nullopt;
    unsigned byte = 0;
    const char* digits = text.data() + i + 2;
    if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 3;
  }
  return decoded;
}

std::optional<Fields> decode_record(std::string_view line) {
  if (line.size() <= kChecksumLength || line[kChecksumLength] != ' ') return std::nullopt;
  uint32_t expected = 0;
  const char* end = line.data() + kChecksumLength;
  if (std::from_chars(line.data(), end, expected, 16).ptr != end) return std::nullopt;
  std::string_view payload = line.substr(kChecksumLength + 1);
  if (checksum(payload) != expected) return std::nullopt;
  Fields fields;
  while (true) {
    const size_t tab = payload.find('\t');
    auto field = decode_field(payload.substr(0, tab));
    if (!field) return std::nullopt;
    fields.push_back(std::move(*field));
    if (tab == std::string_view::npos) return fields;
    payload.remove_prefix(tab + 1);
  }
}

struct Folded {
  JournalEntry entry;
  bool seen = false;  ///< the first of `ours` was read back: no abort takes it away
};

class Fold {
 public:
  /// False for a record that makes no sense here.
  bool add(const Fields& fields) {
    const std::string& kind = fields[0];
    if (fields.size() < 2 || fields[1].empty()) return false;
    const std::string& knob = fields[1];
    if (kind == "intent" && (fields.size() == 4 || fields.size() == 5)) {
      return intend(open(knob, fields[2], optional(fields, 4)), fields[3]);
    }
    if (kind == "guard" && (fields.size() == 3 || fields.size() == 4)) {
      return open(knob, fields[2], optional(fields, 3)).entry.guarded = true;
    }
    if (kind == "captured" && fields.size() == 4) return capture(knob, fields[2], fields[3]);
    if (kind == "released" && fields.size() == 2) return captures_.erase(knob) > 0;
    const auto found = find(knob);
    if (found == folded_.end()) return kind == "restored" && fields.size() == 2;
    if (kind == "rebased" && fields.size() == 3) return rebase(*found, fields[2]);
    if (kind == "confirm" && fields.size() == 3) return confirm(*found, fields[2]);
    if (fields.size() != 2) return false;
    if (kind == "abort") return abort(found);
    if (kind == "yielded") return yield(*found);
    if (kind != "restored") return false;
    folded_.erase(found);
    return true;
  }

  [[nodiscard]] std::vector<JournalEntry> entries() const {
    std::vector<JournalEntry> entries;
    for (const Folded& folded : folded_) entries.push_back(folded.entry);
    return entries;
  }

  [[nodiscard]] std::vector<JournalCapture> captures() const {
    std::vector<JournalCapture> captures;
    for (const auto& [knob, capture] : captures_) captures.push_back(capture);
    return captures;
  }

 private:
  using Iterator = std::list<Folded>::iterator;

  static std::string optional(const Fields& fields, size_t index) {
    return index < fields.size() ? fields[index] : std::string();
  }

  Iterator find(const std::string& knob) {
    return std::find_if(folded_.begin(), folded_.end(),
                        [&knob](const Folded& folded) { return folded.entry.knob == knob; });
  }

  /// The knob's entry; a new one where there is none, or somebody else's value or the end of its
  /// device ended the last. So did the line that settled it, though it was lost, where another
  /// original is known by now.
  Folded& open(const std::string& knob, const std::string& original, const std::string& device) {
    auto found = find(knob);
    if (found == folded_.end()) found = folded_.insert(folded_.end(), Folded{});
    const JournalEntry& last = found->entry;
    const bool other = !device.empty() && !last.device.empty() && device != last.device;
    if (last.knob.empty() || last.yielded || other || last.original != original) {
      *found = Folded{};
      found->entry.knob = knob;
      found->entry.original = original;
      found->entry.device = device;
    }
    return *found;
  }

  static bool intend(Folded& folded, const std::string& value) {
    folded.entry.unconfirmed = true;
    folded.entry.ours.push_back(value);
    return true;
  }

  static bool confirm(Folded& folded, const std::string& read_back) {
    if (folded.entry.yielded) return false;
    folded.entry.ours = {read_back};
    folded.entry.unconfirmed = folded.entry.guarded = false;
    return folded.seen = true;
  }

  bool abort(Iterator found) {
    JournalEntry& entry = found->entry;
    if (!entry.unconfirmed) return false;
    entry.ours.pop_back();
    entry.unconfirmed = entry.ours.size() > (found->seen ? 1 : 0);
    if (entry.ours.empty() && !entry.guarded) folded_.erase(found);
    return true;
  }

  static bool yield(Folded& folded) {
    if (!folded.entry.yielded) folded.entry.gave_up = std::exchange(folded.entry.ours, {});
    folded.entry.ours.clear();
    folded.seen = false;
    folded.entry.unconfirmed = folded.entry.guarded = false;
    return folded.entry.yielded = true;
  }

  static bool rebase(Folded& folded, const std::string& original) {
    if (folded.entry.yielded) return false;
    folded.entry.original = original;
    return true;
  }

  bool capture(const std::string& knob, const std::string& ours, const std::string& base) {
    JournalCapture& captured = captures_[knob];
    captured.knob = knob;
    captured.base = base;
    if (std::find(captured.ours.begin(), captured.ours.end(), ours) == captured.ours.end()) {
      captured.ours.push_back(ours);
    }
    return true;
  }

  std::list<Folded> folded_;
  std::map<std::string, JournalCapture> captures_;
};

}  // namespace

std::string encode_record(const Fields& fields) {
  std::string payload;
  for (const std::string& field : fields) {
    if (!payload.empty()) payload += '\t';
    payload += encode_field(field);
  }
  char sum[kChecksumLength + 2];
  std::snprintf(sum, sizeof(sum), "%08x ", checksum(payload));
  return sum + payload + '\n';
}

std::string encode_intent(const std::string& knob, const std::string& original,
                          const std::string& value, const std::string& device) {
  Fields fields = {"intent", knob, original, value};
  if (!device.empty()) fields.push_back(device);
  return encode_record(fields);
}

std::string encode_guard(const std::string& knob, const std::string& original,
                         const std::string& device) {
  Fields fields = {"guard", knob, original};
  if (!device.empty()) fields.push_back(device);
  return encode_record(fields);
}

JournalContents fold_records(std::string_view text) {
  Fold fold;
  std::vector<std::string> problems;
  size_t line_number = 0;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    ++line_number;
    const auto fields = decode_record(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (!fields) {
      problems.push_back("journal line " + std::to_string(line_number) + " is damaged");
    } else if (!fold.add(*fields)) {
      problems.push_back("journal line " + std::to_string(line_number) + " does not belong there");
    }
  }
  return {fold.entries(), fold.captures(), std::move(problems)};
}

std::string encode_contents(const JournalContents& contents) {
  std::string text;
  for (const JournalEntry& entry : contents.entries) {
    const std::vector<std::string>& ours = entry.yielded ? entry.gave_up : entry.ours;
    const size_t confirmed = entry.unconfirmed && !ours.empty() ? 1 : 0;
    for (size_t i = 0; i < ours.size(); ++i) {
      text += encode_intent(entry.knob, entry.original, ours[i], entry.device);
      if (i == 0 && ours.size() > confirmed) {
        text += encode_record({"confirm", entry.knob, ours[i]});
      }
    }
    if (entry.guarded || entry.yielded) {
      text += encode_guard(entry.knob, entry.original, entry.device);
    }
    if (entry.yielded) text += encode_record({"yielded", entry.knob});
  }
  for (const JournalCapture& capture : contents.captures) {
    for (const std::string& ours : capture.ours) {
      text += encode_record({"captured", capture.knob, ours, capture.base});
    }
  }
  return text;
}

}  // namespace tuneshift
