// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/assistance.h"

#include <algorithm>

#include "tests/catch.h"

using namespace tuneshift;
using Kind = Assistance::Kind;

namespace {

constexpr uint64_t MiB = 1ULL << 20;
constexpr uint64_t GiB = 1ULL << 30;

HeadRoom room(uint64_t bytes) {
  return {.bytes = bytes,
          .limited_by = "memory.max of /a",
          .account_to_reader = true,
          .account_reason = "",
          .of_own_group = false};
}

/// A load of 8 GiB that mapped the file and closed it (safetensors), in order so far.
AssistanceQuestion closed_after_mmap() {
  AssistanceQuestion question;
  question.confirmed = true;
  question.mapped = true;
  question.missed_bytes = 100 * MiB;
  question.ordered_bytes = 100 * MiB;
  question.sequential_bytes = 95 * MiB;
  question.file_size = 8 * GiB;
  question.resident_bytes = 100 * MiB;
  question.head_room = room(32 * GiB);
  return question;
}

/// One that keeps the file open, and whose window was reset.
AssistanceQuestion rewindowed() {
  AssistanceQuestion question = closed_after_mmap();
  question.descriptors = 1;
  question.rewindowed = 1;
  return question;
}

AssistanceQuestion in_random_order(AssistanceQuestion question) {
  question.sequential_bytes = question.ordered_bytes / 10;
  return question;
}

void check_none(const AssistanceQuestion& question, const std::string& reason) {
  const Assistance answer = decide_assistance(question);
  CHECK(answer.kind == Kind::none);
  CHECK(answer.reason == reason);
  CHECK(answer.budget_bytes == 0);
}

}  // namespace

TEST_CASE("beside others a worker takes the place of the window, where it can", "[assistance]") {
  AssistanceQuestion question = rewindowed();
  question.shared = true;
  Assistance answer = decide_assistance(question);
  CHECK(answer.kind == Kind::prefetch);
  CHECK(answer.reason ==
        "its window is small beside others, in small steps as others read from its store");
  question = closed_after_mmap();
  question.shared = true;
  answer = decide_assistance(question);
  CHECK(answer.kind == Kind::prefetch);
  CHECK(answer.reason == "its descriptor is closed, in small steps as others read from its store");
  // One more open may evict.
  question = rewindowed();
  question.shared = question.fuse = true;
  question.mapped = false;
  answer = decide_assistance(question);
  CHECK(answer.kind == Kind::window);
  CHECK(answer.reason == "its own, as others read from its store");
}

TEST_CASE("a window that was reset suffices for what continues", "[assistance]") {
  AssistanceQuestion question = rewindowed();
  CHECK(decide_assistance(question).kind == Kind::window);
  CHECK(decide_assistance(question).reason == "the window suffices");
  CHECK(decide_assistance(question).budget_bytes == 0);

  // Tensor order: each one begins somewhere else.
  question.sequential_bytes = 50 * MiB;
  CHECK(decide_assistance(question).kind == Kind::window);

  // The mapping has the very file that was reset.
  question.descriptors = 0;
  CHECK(decide_assistance(question).kind == Kind::window);

  // Memory does not matter: the kernel's own read-ahead takes its window into account.
  question.head_room = room(0);
  CHECK(decide_assistance(question).kind == Kind::window);
}

TEST_CASE("a worker foresees the jumps from tensor to tensor, a window does not", "[assistance]") {
  AssistanceQuestion question = rewindowed();
  question.tensor_jumps = least_tensor_jumps;
  question.fuse = GENERATE(false, true);
  question.first_bytes_us = most_first_bytes_us;
  const Assistance answer = decide_assistance(question);
  CHECK(answer.kind == Kind::prefetch);
  CHECK_FALSE(answer.random);
  CHECK(answer.jumps);
  CHECK(answer.way == (question.fuse ? Assistance::Way::mapping : Assistance::Way::descriptor));
  CHECK(answer.reason == "it jumps, which its window does not foresee");

  std::string reason = "the window suffices";
  SECTION("a few are no order") {
    question.tensor_jumps = least_tensor_jumps - 1;
  }
  SECTION("nor are they in many bytes") {
    question.ordered_bytes = question.sequential_bytes =
        (least_tensor_jumps + 1) * tensor_bytes_a_jump;
  }
  SECTION("nor in the first ones") {
    question.ordered_bytes = question.sequential_bytes = least_tensor_bytes - 1;
  }
  SECTION("one that reads without a mapping is in order for its window") {
    question.mapped = false;
  }
  SECTION("a suspect keeps its window") {
    question.confirmed = false;
  }
  SECTION("reading ahead would add seeks") {
    question.rotational = true;
  }
  SECTION("it would not be in memory any more when the reader is there") {
    question.head_room = room(question.file_size);
    reason = "the window, as memory has no room for all of the file";
  }
  SECTION("through a mapping its requests are small: not where each takes long") {
    question.fuse = true;
    question.first_bytes_us = GENERATE(uint64_t{0}, most_first_bytes_us + 1);
  }
  CHECK(decide_assistance(question).kind == Kind::window);
  CHECK(decide_assistance(question).reason == reason);
  CHECK(decide_assistance(question).budget_bytes == 0);
}

TEST_CASE("an order shows after some misses", "[assistance]") {
  AssistanceQuestion question = rewindowed();
  question.ordered_bytes = least_order_bytes - 1;
  question.sequential_bytes = 0;
  CHECK(decide_assistance(question).kind == Kind::window);
  CHECK(decide_assistance(question).reason == "the window, until its order shows");
  question.ordered_bytes = least_order_bytes;
  CHECK(decide_assistance(question).kind == Kind::prefetch);
  CHECK(decide_assistance(question).random);

  // Single pages: 128 KiB of them.
  question.ordered_bytes = 128 << 10;
  question.jumps = least_order_jumps - 1;
  CHECK(decide_assistance(question).kind == Kind::window);
  question.jumps = least_order_jumps;
  CHECK(decide_assistance(question).kind == Kind::prefetch);
}

TEST_CASE("misses of which no event has told yet have no order", "[assistance]") {
  AssistanceQuestion question = closed_after_mmap();
  question.missed_bytes = 7 * MiB;
  question.ordered_bytes = MiB / 8;
  question.sequential_bytes = 0;
  CHECK_FALSE(decide_assistance(question).random);
  CHECK(decide_assistance(question).reason == "its descriptor is closed");
}

TEST_CASE("a descriptor that was closed after mmap needs a prefetch", "[assistance]") {
  AssistanceQuestion question = closed_after_mmap();
  const Assistance answer = decide_assistance(question);
  CHECK(answer.kind == Kind::prefetch);
  CHECK(answer.way == Assistance::Way::descriptor);
  CHECK(answer.account == Assistance::Account::reader);
  CHECK(answer.budget_bytes == 8 * GiB);
  CHECK_FALSE(answer.random);
  CHECK(answer.reason == "its descriptor is closed");

  question.mapped = false;
  check_none(question, "neither open nor mapped any more");
}

TEST_CASE("a window that could not be reset needs a prefetch", "[assistance]") {
  AssistanceQuestion question = rewindowed();
  question.rewindowed = 0;
  question.mapped = false;
  CHECK(decide_assistance(question).kind == Kind::prefetch);
  CHECK(decide_assistance(question).reason == "its window could not be reset");
}

TEST_CASE("random order is prefetched whole or not at all", "[assistance]") {
  AssistanceQuestion question = in_random_order(rewindowed());
  const Assistance answer = decide_assistance(question);
  CHECK(answer.kind == Kind::prefetch);
  CHECK(answer.budget_bytes == 8 * GiB);
  CHECK(answer.reason == "random order");

  question.head_room = room(8 * GiB + head_room_reserve_bytes);
  CHECK(decide_assistance(question).kind == Kind::prefetch);
  question.head_room = room(8 * GiB + head_room_reserve_bytes - 1);
  check_none(question, "random order and memory for only 8191 MiB of 8192 MiB (memory.max of /a)");
  question.confirmed = false;
  check_none(question, "random order and memory for only 8191 MiB of 8192 MiB (memory.max of /a)");
}

TEST_CASE("a load in order is read ahead of within memory", "[assistance]") {
  AssistanceQuestion question = closed_after_mmap();
  question.head_room = room(2 * GiB);
  const Assistance answer = decide_assistance(question);
  CHECK(answer.kind == Kind::prefetch);
  CHECK(answer.budget_bytes == (100 + 64) * MiB);
  CHECK(answer.reason ==
        "its descriptor is closed: a window ahead, as memory has room for 2048 MiB (memory.max "
        "of /a)");

  question.head_room = room(head_room_reserve_bytes);
  CHECK(decide_assistance(question).budget_bytes == (100 + 32) * MiB);
  question.head_room = room(head_room_reserve_bytes - 1);
  check_none(question,
             "memory too tight: room for 127 MiB (memory.max of /a), of which 128 MiB are left "
             "alone");
}

TEST_CASE("a suspect gets 64 MiB at most", "[assistance]") {
  AssistanceQuestion question = closed_after_mmap();
  question.confirmed = false;
  Assistance answer = decide_assistance(question);
  CHECK(answer.budget_bytes == suspect_budget_bytes);
  CHECK(answer.reason == "its descriptor is closed: 64 MiB until it is known for a load");
  CHECK(decide_assistance(in_random_order(question)).budget_bytes == suspect_budget_bytes);
  question.head_room = room(256 * MiB);
  CHECK(decide_assistance(question).budget_bytes == suspect_budget_bytes);
  question.file_size = 20 * MiB;
  question.resident_bytes = 0;
  CHECK(decide_assistance(question).budget_bytes == 20 * MiB);
}

TEST_CASE("what no read-ahead helps is left alone", "[assistance]") {
  SECTION("O_DIRECT") {
    AssistanceQuestion question = closed_after_mmap();
    question.mapped = false;
    question.descriptors = 2;
    question.direct = 2;
    check_none(question, "O_DIRECT: it does not read through the page cache");
    question.direct = 1;
    CHECK(decide_assistance(question).kind == Kind::prefetch);
    question.direct = 2;
    question.mapped = true;
    CHECK(decide_assistance(question).kind == Kind::prefetch);
  }
  SECTION("cached") {
    AssistanceQuestion question = in_random_order(closed_after_mmap());
    question.resident_bytes = question.file_size - least_missing_bytes;
    CHECK(decide_assistance(question).kind == Kind::prefetch);
    question.resident_bytes += 1;
    check_none(question, "already cached");
    question.resident_bytes = question.file_size + 4096;
    check_none(question, "already cached");
    check_none(AssistanceQuestion{}, "already cached");
  }
  SECTION("its own prefetch") {
    AssistanceQuestion question = in_random_order(closed_after_mmap());
    question.by_large_reads = true;
    check_none(question, "it prefetches by itself");
  }
  SECTION("a rotational disk") {
    AssistanceQuestion question = closed_after_mmap();
    question.rotational = true;
    CHECK(decide_assistance(question).kind == Kind::prefetch);
    check_none(in_random_order(question),
               "random order on a rotational disk: reading ahead would add seeks");
  }
}

TEST_CASE("on FUSE nothing is opened anew", "[assistance]") {
  AssistanceQuestion question = closed_after_mmap();
  question.fuse = true;
  CHECK(decide_assistance(question).way == Assistance::Way::mapping);
  question.mapped = false;
  check_none(question, "neither open nor mapped any more");
  question.descriptors = 1;
  check_none(question, "on FUSE and not mapped: one more open may evict its pages");
  question.rewindowed = 1;
  CHECK(decide_assistance(question).kind == Kind::window);
  check_none(in_random_order(question),
             "on FUSE and not mapped: one more open may evict its pages");
}

TEST_CASE("pages are the daemon's where the reader's group must not be joined", "[assistance]") {
  AssistanceQuestion question = closed_after_mmap();
  question.head_room.account_to_reader = false;
  CHECK(decide_assistance(question).account == Assistance::Account::daemon);
}

TEST_CASE("the window ahead follows the reader's rate", "[assistance]") {
  AheadQuestion question;
  question.confirmed = true;
  question.file_size = 100 * GiB;
  question.consumed_bytes = GiB;
  question.head_room_bytes = 8 * GiB;
  CHECK(budget_ahead(question) == GiB + 64 * MiB);
  question.consumed_bytes_a_second = 10 * MiB;
  CHECK(budget_ahead(question) == GiB + 64 * MiB);
  question.consumed_bytes_a_second = 500 * MiB;
  CHECK(budget_ahead(question) == GiB + 1000 * MiB);
  question.consumed_bytes_a_second = 1ULL << 63;
  CHECK(budget_ahead(question) == GiB + 2 * GiB);
  question.consumed_bytes = question.file_size - MiB;
  CHECK(budget_ahead(question) == question.file_size);
  question.consumed_bytes = UINT64_MAX;
  CHECK(budget_ahead(question) == question.file_size);
}

TEST_CASE("a budget shrinks with the head room", "[assistance]") {
  AheadQuestion question;
  question.confirmed = true;
  question.file_size = GiB;
  question.consumed_bytes = 100 * MiB;
  question.head_room_bytes = 2 * GiB;
  CHECK(budget_ahead(question) == GiB);
  question.head_room_bytes = GiB;
  CHECK(budget_ahead(question) == 164 * MiB);
  question.random = true;
  CHECK(budget_ahead(question) == 0);
  question.head_room_bytes = 2 * GiB;
  CHECK(budget_ahead(question) == GiB);
  question.head_room_bytes = 100 * MiB;
  CHECK(budget_ahead(question) == 0);
  question.head_room_bytes = UINT64_MAX;
  question.file_size = UINT64_MAX;
  question.random = false;
  question.consumed_bytes_a_second = UINT64_MAX;
  constexpr uint64_t largest_page = 64 << 10;
  CHECK(budget_ahead(question) == (100 * MiB + UINT64_MAX / 4) / largest_page * largest_page);
}

TEST_CASE("a budget ends with a page, unless the file ends before", "[assistance]") {
  AheadQuestion question;
  question.confirmed = true;
  question.file_size = GiB + 7;
  question.head_room_bytes = GiB;
  question.consumed_bytes = 100 * MiB + 7;
  CHECK(budget_ahead(question) == 164 * MiB);
  question.consumed_bytes = GiB;
  CHECK(budget_ahead(question) == GiB + 7);
}

TEST_CASE("no budget is larger than the file and the head room allow", "[assistance]") {
  const auto sizes = {uint64_t{0}, 64 * MiB, GiB, 100 * GiB, uint64_t{UINT64_MAX}};
  AheadQuestion question;
  question.confirmed = GENERATE(false, true);
  question.random = GENERATE(false, true);
  question.file_size = GENERATE_COPY(values(sizes));
  question.consumed_bytes = GENERATE_COPY(values(sizes));
  question.consumed_bytes_a_second = GENERATE_COPY(values(sizes));
  question.head_room_bytes = GENERATE_COPY(values(sizes));
  const uint64_t budget = budget_ahead(question);
  CHECK(budget <= question.file_size);
  CHECK(budget - std::min(question.consumed_bytes, budget) <= question.head_room_bytes);
  if (!question.confirmed) CHECK(budget <= suspect_budget_bytes);
}

TEST_CASE("which file systems are FUSE", "[assistance]") {
  for (const char* name : {"fuse", "fuse.gcsfuse", "fuseblk", "virtiofs"}) {
    CHECK(is_fuse(name, true));
    CHECK(is_fuse(name, false));
  }
  for (const char* name : {"ext4", "nfs4", "btrfs", "9p"}) CHECK_FALSE(is_fuse(name, false));
  CHECK(is_fuse("", false));
  CHECK_FALSE(is_fuse("", true));
}

TEST_CASE("kinds of assistance have names", "[assistance]") {
  CHECK(std::string(to_string(Kind::none)) == "none");
  CHECK(std::string(to_string(Kind::window)) == "window");
  CHECK(std::string(to_string(Kind::prefetch)) == "prefetch");
}
