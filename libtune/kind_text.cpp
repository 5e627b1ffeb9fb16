// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/kind_text.h"

namespace tuneshift {

namespace {

void add(std::string& text, const std::string& part) {
  text += (text.empty() ? "" : "; ") + part;
}

}  // namespace

std::string range_text(const KnobInfo& kind) {
  std::string range;
  if (kind.minimum && kind.maximum) {
    range = std::to_string(*kind.minimum) + " to " + std::to_string(*kind.maximum);
  } else if (kind.minimum) {
    range = "at least " + std::to_string(*kind.minimum);
  } else if (kind.maximum) {
    range = "at most " + std::to_string(*kind.maximum);
  }
  if (!kind.unit.empty()) range += (range.empty() ? "" : " ") + std::string(kind.unit);
  return range;
}

std::string type_text(const KnobInfo& kind) {
  switch (kind.type) {
    case ValueType::integer:
      return "number";
    case ValueType::choice:
      return "word";
    case ValueType::text:
      break;
  }
  return "text";
}

std::string target_text(const KnobInfo& kind) {
  switch (kind.target) {
    case Target::machine:
      return "machine";
    case Target::cpu_policy:
      return "CPU policy";
    case Target::unit:
      return "unit";
    case Target::unit_disk:
      return "unit and disk";
    case Target::disk:
      return "leaf disk";
    case Target::read_ahead:
      return "the file system's block device";
    case Target::bdi:
      return "file system without a disk";
    case Target::fuse_connection:
      return "FUSE connection";
    case Target::bcache:
      return "bcache device";
    case Target::device_mapper:
      break;
  }
  return "dm device";
}

std::string effects_text(const KnobInfo& kind) {
  std::string text;
  if (kind.freezes_queue) add(text, "freezes the queue");
  bool has_guests = false;
  for (const std::string_view moved : kind.moves) {
    const KnobInfo* other = find_kind(kind.family, moved);
    const bool is_guest = other != nullptr && other->lives_with == kind.name;
    if (!is_guest) add(text, "moves " + std::string(moved));
    has_guests = has_guests || is_guest;
  }
  if (has_guests) add(text, "replaces what lives with it");
  if (!kind.excludes.empty()) add(text, "excludes " + std::string(kind.excludes));
  if (kind.waits_for_writeback) add(text, "lowered only when what is dirty fits");
  if (kind.rounding == Rounding::power_of_two) add(text, "rounded to a power of two");
  if (kind.rounding == Rounding::human_size) add(text, "known and put back to 1/10 of its unit");
  if (kind.rounding == Rounding::jiffies) add(text, "rounded to jiffies");
  if (!kind.ceiling.empty()) add(text, "bounds stop at " + std::string(kind.ceiling));
  return text;
}

std::string restore_text(const KnobInfo& kind) {
  switch (kind.restore) {
    case Restore::write_back:
      if (!kind.lives_with.empty()) return "written back behind " + std::string(kind.lives_with);
      return "written back";
    case Restore::wbt_default:
      return "-1 first, for the kernel's default";
    case Restore::let_go:
      break;
  }
  return "let go";
}

}  // namespace tuneshift
