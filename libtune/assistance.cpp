// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/assistance.h"

#include <algorithm>

namespace tuneshift {

namespace {

constexpr uint64_t least_ahead_bytes = 64ULL << 20;
/// Progress comes and is answered several times in this.
constexpr uint64_t ahead_seconds = 2;
/// Of the head room: what was consumed stays in the cache for a while as well, and the reader
/// grows.
constexpr uint64_t ahead_part = 4;
constexpr uint64_t largest_page_bytes = 64ULL << 10;

std::string mib(uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

bool covers(uint64_t head_room_bytes, uint64_t file_size) {
  return head_room_bytes >= head_room_reserve_bytes &&
         head_room_bytes - head_room_reserve_bytes >= file_size;
}

bool reads_randomly(const AssistanceQuestion& question) {
  const bool is_told =
      question.ordered_bytes >= least_order_bytes || question.jumps >= least_order_jumps;
  return is_told && question.sequential_bytes < question.ordered_bytes / 2;
}

/// Whether a worker is better than a window that suffices but for the jumps.
bool jumps(const AssistanceQuestion& question) {
  const bool is_quick =
      question.first_bytes_us > 0 && question.first_bytes_us <= most_first_bytes_us;
  return question.confirmed && question.mapped && !question.rotational && !question.shared &&
         (is_quick || !question.fuse) && question.ordered_bytes >= least_tensor_bytes &&
         question.tensor_jumps >= least_tensor_jumps &&
         question.tensor_jumps >= question.ordered_bytes / tensor_bytes_a_jump;
}

/// What is done where memory is plenty.
Assistance decide_with_memory(const AssistanceQuestion& question) {
  using Kind = Assistance::Kind;
  Assistance answer;
  answer.random = reads_randomly(question);
  const auto as = [&](Kind kind, const char* reason) {
    answer.kind = kind;
    answer.reason = reason;
    return answer;
  };
  if (question.direct > 0 && question.direct == question.descriptors && !question.mapped) {
    return as(Kind::none, "O_DIRECT: it does not read through the page cache");
  }
  const uint64_t cached = std::min(question.resident_bytes, question.file_size);
  if (question.file_size - cached < least_missing_bytes) return as(Kind::none, "already cached");
  if (question.by_large_reads) return as(Kind::none, "it prefetches by itself");
  const bool evicts = question.fuse && !question.mapped;
  if (question.rewindowed > 0 && !answer.random && question.shared && evicts) {
    return as(Kind::window, "its own, as others read from its store");
  }
  answer.jumps = !answer.random && question.rewindowed > 0 && jumps(question);
  if (question.rewindowed > 0 && !answer.random && !question.shared && !answer.jumps) {
    return as(Kind::window, question.ordered_bytes < least_order_bytes
                                ? "the window, until its order shows"
                                : "the window suffices");
  }
  if (question.descriptors == 0 && !question.mapped) {
    return as(Kind::none, "neither open nor mapped any more");
  }
  if (question.rotational && answer.random) {
    return as(Kind::none, "random order on a rotational disk: reading ahead would add seeks");
  }
  if (evicts) {
    return as(Kind::none, "on FUSE and not mapped: one more open may evict its pages");
  }
  answer.way = question.fuse ? Assistance::Way::mapping : Assistance::Way::descriptor;
  if (answer.random) return as(Kind::prefetch, "random order");
  if (answer.jumps) return as(Kind::prefetch, "it jumps, which its window does not foresee");
  if (question.rewindowed > 0) return as(Kind::prefetch, "its window is small beside others");
  return as(Kind::prefetch, question.descriptors == 0 ? "its descriptor is closed"
                                                      : "its window could not be reset");
}

std::string room_in_words(const HeadRoom& room) {
  return mib(room.bytes) + " (" + room.limited_by + ")";
}

}  // namespace

const char* to_string(Assistance::Kind kind) {
  switch (kind) {
    case Assistance::Kind::none:
      return "none";
    case Assistance::Kind::window:
      return "window";
    case Assistance::Kind::prefetch:
      return "prefetch";
  }
  return "";
}

Assistance decide_assistance(const AssistanceQuestion& question) {
  Assistance answer = decide_with_memory(question);
  if (answer.kind != Assistance::Kind::prefetch) return answer;
  const HeadRoom& room = question.head_room;
  answer.budget_bytes = budget_ahead({.confirmed = question.confirmed,
                                      .random = answer.random || answer.jumps,
                                      .file_size = question.file_size,
                                      .consumed_bytes = question.missed_bytes,
                                      .consumed_bytes_a_second = 0,
                                      .head_room_bytes = room.bytes});
  if (answer.budget_bytes == 0 && answer.jumps) {
    // Most of what is read in another order than the reader's would be evicted before it is used.
    answer.kind = Assistance::Kind::window;
    answer.reason = "the window, as memory has no room for all of the file";
    answer.jumps = false;
    return answer;
  }
  if (answer.budget_bytes == 0) {
    answer.kind = Assistance::Kind::none;
    answer.reason = room.bytes < head_room_reserve_bytes
                        ? "memory too tight: room for " + room_in_words(room) + ", of which " +
                              mib(head_room_reserve_bytes) + " are left alone"
                        : "random order and memory for only " +
                              mib(room.bytes - head_room_reserve_bytes) + " of " +
                              mib(question.file_size) + " (" + room.limited_by + ")";
    return answer;
  }
  if (question.shared) answer.reason += ", in small steps as others read from its store";
  answer.account =
      room.account_to_reader ? Assistance::Account::reader : Assistance::Account::daemon;
  if (!question.confirmed) {
    answer.reason += ": " + mib(answer.budget_bytes) + " until it is known for a load";
  } else if (!covers(room.bytes, question.file_size)) {
    answer.reason += ": a window ahead, as memory has room for " + room_in_words(room);
  }
  return answer;
}

uint64_t budget_ahead(const AheadQuestion& question) {
  const uint64_t room = question.head_room_bytes;
  if (room < head_room_reserve_bytes) return 0;
  const bool whole = covers(room, question.file_size);
  if (question.random && !whole) return 0;
  if (!question.confirmed) return std::min(question.file_size, suspect_budget_bytes);
  if (whole) return question.file_size;
  const uint64_t most = room / ahead_part;
  const uint64_t wanted =
      std::max(least_ahead_bytes, std::min(question.consumed_bytes_a_second, most) * ahead_seconds);
  const uint64_t consumed = std::min(question.consumed_bytes, question.file_size);
  const uint64_t budget = consumed + std::min({wanted, most, question.file_size - consumed});
  // A step that ends within a page is continued from there, which madvise(2) refuses.
  return budget == question.file_size ? budget : budget / largest_page_bytes * largest_page_bytes;
}

bool is_fuse(std::string_view file_system, bool has_block_device) {
  if (file_system.empty()) return !has_block_device;
  return file_system.starts_with("fuse") || file_system == "virtiofs";
}

}  // namespace tuneshift
