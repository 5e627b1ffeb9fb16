// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/format.h"

#include <cstdlib>
#include <ctime>

#include "client/table.h"
#include "tests/catch.h"

using namespace tuneshift;

TEST_CASE("Sizes and rates", "[format]") {
  CHECK(human_size(0) == "0 B");
  CHECK(human_size(1023) == "1023 B");
  CHECK(human_size(1024) == "1.00 KiB");
  CHECK(human_size(16ULL << 30) == "16.0 GiB");
  CHECK(human_size((1ULL << 30) - 1) == "1.00 GiB");
  CHECK(human_size(UINT64_MAX) == "16384 PiB");
  CHECK(human_rate(0) == "0 B/s");
  CHECK(human_rate(820000000) == "820 MB/s");
  CHECK(human_rate(2140000000) == "2.14 GB/s");
  CHECK(human_rate(999999) == "1.00 MB/s");
}

TEST_CASE("Durations", "[format]") {
  CHECK(human_duration(0) == "0 s");
  CHECK(human_duration(850) == "850 µs");
  CHECK(human_duration(16400) == "16 ms");
  CHECK(human_duration(7100000) == "7.1 s");
  CHECK(human_duration(2000000) == "2 s");
  CHECK(human_duration(59000000) == "59 s");
  CHECK(human_duration(125000000) == "2 min 5 s");
  CHECK(human_duration(3600000000) == "1 h");
  CHECK(human_duration(11520000000) == "3 h 12 min");
  CHECK(human_duration(4ULL * 86400 * 1000000 + 7200ULL * 1000000) == "4 d 2 h");
}

TEST_CASE("Times have a date when it is not near", "[format]") {
  setenv("TZ", "UTC", 1);
  tzset();
  const uint64_t noon = 1738324800ULL * 1000000;  // 2025-01-31 12:00:00
  CHECK(human_time(noon, noon + 1000000) == "12:00:00");
  CHECK(human_time(noon, noon + 86400ULL * 1000000) == "2025-01-31 12:00:00");
  CHECK(exact_time(noon + 7042, noon) == "12:00:00.007");
  CHECK(human_time(0, noon) == "-");
}

TEST_CASE("Text is cut by characters", "[format]") {
  CHECK(fit("abc", 3) == "abc");
  CHECK(fit("abcd", 3) == "ab…");
  CHECK(fit("µµµµ", 3) == "µµ…");
  CHECK(fit("/models/a.gguf", 7, true) == "…a.gguf");
  CHECK(counted(1, "knob") == "1 knob");
  CHECK(counted(0, "knob") == "0 knobs");
}

TEST_CASE("Bars", "[format]") {
  const Style plain;
  CHECK(bar(plain, 1, 2, 4) == "##..");
  CHECK(bar(plain, 9, 2, 4) == "####");
  CHECK(bar(plain, 1, 0, 4) == "....");
  CHECK(paint(plain, Colour::red, "x") == "x");
  CHECK(paint(Style{.colour = true}, Colour::red, "x") == "\033[31mx\033[0m");
}

namespace {

Table example() {
  Table table({{"NAME", Align::left, 6, true},
               {"COUNT", Align::right},
               {"EMPTY"},
               {"WHY", Align::left, 5, false, 1}});
  table.add({"µ-long-name", "7", "", "because"});
  table.add({"b", "12345678", "", ""});
  return table;
}

}  // namespace

TEST_CASE("Tables align, and leave out empty columns", "[table]") {
  CHECK(example().render({}) ==
        "NAME            COUNT  WHY\n"
        "µ-long-name         7  because\n"
        "b            12345678\n");
}

TEST_CASE("Tables shrink, then leave out columns", "[table]") {
  CHECK(example().render(Style{.columns = 24}) ==
        "NAME       COUNT  WHY\n"
        "…-name         7  becau…\n"
        "b       12345678\n");
  CHECK(example().render(Style{.columns = 20}) ==
        "NAME           COUNT\n"
        "…long-name         7\n"
        "b           12345678\n");
}

TEST_CASE("Table cells cannot drive the terminal", "[table]") {
  Table table({{"NAME"}});
  table.add({"\x1b[2J"});
  CHECK(table.render(Style{.colour = true}) == "\033[1mNAME\033[0m\n\\x1b[2J\n");
}
