// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/value_parser.h"

#include <cstring>

#include "tests/catch.h"

using namespace tuneshift;

namespace {

KnobInfo kind_of(ValueType type, std::string_view unit = "") {
  KnobInfo kind = {};
  kind.family = Family::sysctl;
  kind.name = "vm.knob";
  kind.type = type;
  kind.unit = unit;
  return kind;
}

KnobInfo bounded(std::string_view unit = "") {
  KnobInfo kind = kind_of(ValueType::integer, unit);
  kind.minimum = -1;
  kind.maximum = 200;
  return kind;
}

struct Parsed {
  std::optional<ValueSpec> spec;
  std::string remarks;  ///< "why|source"
  std::string mistakes;
};

// The value of `k` in a text like "k: 10".
Parsed parse(const KnobInfo& kind, const std::string& value) {
  Diagnostics found;
  FileMistakes mistakes("f", found);
  const auto root = parse_yaml("k: " + value, mistakes);
  Parsed parsed;
  if (root && root->keys.size() == 1) {
    auto whole = parse_value(kind, root->keys[0], root->items[0], mistakes);
    if (whole) parsed.spec = whole->value;
    if (whole) parsed.remarks = whole->why + "|" + whole->source;
  }
  for (const Diagnostic& mistake : found) parsed.mistakes += to_string(mistake) + "\n";
  return parsed;
}

ValueSpec value(const KnobInfo& kind, const std::string& text) {
  const Parsed parsed = parse(kind, text);
  INFO(parsed.mistakes);
  REQUIRE(parsed.spec);
  return *parsed.spec;
}

// Also: no mistake without a message, and no value beside one.
std::string mistake(const KnobInfo& kind, const std::string& text) {
  const Parsed parsed = parse(kind, text);
  CHECK_FALSE(parsed.spec);
  return parsed.mistakes;
}

Amount number(int64_t n) {
  return {n, std::nullopt, std::nullopt};
}
Amount percent(double p) {
  return {0, p, std::nullopt};
}
Amount per_cpu(double n) {
  return {0, std::nullopt, n};
}
Share share(Amount amount) {
  return {amount, std::nullopt, std::nullopt, Direction::any};
}

}  // namespace

TEST_CASE("a number is a whole decimal number in range") {
  const KnobInfo knob = bounded();
  CHECK(value(knob, "10") == ValueSpec(Exactly{"10"}));
  CHECK(value(knob, "'0'") == ValueSpec(Exactly{"0"}));
  CHECK(value(knob, "-1") == ValueSpec(Exactly{"-1"}));
  CHECK(value(knob, "200") == ValueSpec(Exactly{"200"}));
  CHECK(mistake(knob, "201") == "f:1:4: 201 is out of range for 'vm.knob': -1 to 200\n");
  CHECK(mistake(knob, "-2") == "f:1:4: -2 is out of range for 'vm.knob': -1 to 200\n");
  for (const char* text : {"abc", "1.5", "0x10", "010", "+1", "1e3", "99999999999999999999", "--1",
                           "1 2", "yes", "1_000"}) {
    CHECK(mistake(knob, text) ==
          std::string("f:1:4: 'vm.knob' takes a whole number, not '") + text + "'\n");
  }
  CHECK(mistake(knob, "''") == "f:1:4: 'vm.knob' takes a whole number, not ''\n");
  CHECK(mistake(knob, "") == "f:1:1: 'vm.knob' has no value\n");
  CHECK(mistake(knob, "~") == "f:1:1: 'vm.knob' has no value\n");
}

TEST_CASE("a range names its unit and the bound there is") {
  KnobInfo knob = kind_of(ValueType::integer, "KiB");
  knob.minimum = 4;
  CHECK(mistake(knob, "3") == "f:1:4: 3 is out of range for 'vm.knob': at least 4 KiB\n");
  knob.minimum.reset();
  knob.maximum = 4;
  CHECK(mistake(knob, "5") == "f:1:4: 5 is out of range for 'vm.knob': at most 4 KiB\n");
}

TEST_CASE("a percentage of memory is for sizes") {
  const KnobInfo size = kind_of(ValueType::integer, "KiB");
  CHECK(value(size, "0.5%") == ValueSpec(share(percent(0.5))));
  CHECK(value(kind_of(ValueType::integer, "bytes"), "100%") == ValueSpec(share(percent(100))));
  for (const char* text : {"0%", "100.1%", "-1%", "x%", "'%'", ".5%", "1.%", "1e1%", "nan%"}) {
    const std::string bare = text[0] == '\'' ? "%" : text;
    CHECK(mistake(size, text) == "f:1:4: '" + bare +
                                     "' is not a percentage of memory: more than 0%, "
                                     "at most 100%\n");
  }
  CHECK(mistake(bounded("percent"), "5%") ==
        "f:1:4: 'vm.knob' is not a size: it takes no percentage of memory\n");
}

TEST_CASE("bounds are one or two amounts in order") {
  const KnobInfo size = kind_of(ValueType::integer, "KiB");
  CHECK(value(size, "{at_least: 5}") == ValueSpec(Bounds{number(5), std::nullopt}));
  CHECK(value(size, "{at_most: 5}") == ValueSpec(Bounds{std::nullopt, number(5)}));
  CHECK(value(size, "{at_least: 5, at_most: 5}") == ValueSpec(Bounds{number(5), number(5)}));
  CHECK(value(size, "{at_most: 9, at_least: 0.5%}") == ValueSpec(Bounds{percent(0.5), number(9)}));
  CHECK(mistake(size, "{at_least: 6, at_most: 5}") ==
        "f:1:4: 'vm.knob' has an at_least above its at_most\n");
  CHECK(mistake(size, "{at_least: 6%, at_most: 5%}") ==
        "f:1:4: 'vm.knob' has an at_least above its at_most\n");
  CHECK(mistake(size, "{}") == "f:1:4: 'vm.knob' needs a value, at_least or at_most\n");
  CHECK(mistake(size, "{at_lest: 6, at_most: x, foo: 1}") ==
        "f:1:5: unknown key 'at_lest', did you mean 'at_least'?\n"
        "f:1:26: 'vm.knob' takes a whole number, not 'x'\n"
        "f:1:29: unknown key 'foo'\n");
  CHECK(mistake(size, "{at_least: [1]}") == "f:1:5: 'at_least' takes one number\n");
  CHECK(mistake(size, "{at_least: }") == "f:1:5: 'at_least' takes one number\n");
  CHECK(mistake(bounded(), "{at_least: 201}") ==
        "f:1:15: 201 is out of range for 'vm.knob': -1 to 200\n");
  CHECK(mistake(kind_of(ValueType::choice), "{at_least: 1}") ==
        "f:1:4: 'vm.knob' is not a number: it takes no bounds\n");
}

TEST_CASE("an amount may follow the number of CPUs") {
  const KnobInfo knob = bounded();
  CHECK(value(knob, "2/cpu") == ValueSpec(share(per_cpu(2))));
  CHECK(value(knob, "{at_least: 0.5/cpu, at_most: 96}") ==
        ValueSpec(Bounds{per_cpu(0.5), number(96)}));
  for (const char* text : {"/cpu", "0/cpu", "-1/cpu", "65537/cpu", "x/cpu"}) {
    CHECK(mistake(knob, text) == std::string("f:1:4: '") + text +
                                     "' is not a number for each CPU: more than 0/cpu, at most "
                                     "65536/cpu\n");
  }
  CHECK(mistake(knob, "{at_least: 2/cpu, at_most: 1/cpu}") ==
        "f:1:4: 'vm.knob' has an at_least above its at_most\n");
}

TEST_CASE("a value may be bounded, go one way only, and be explained") {
  const KnobInfo knob = bounded();
  CHECK(value(knob, "{value: 2/cpu, at_least: 12, at_most: 96, only: raise}") ==
        ValueSpec(Share{per_cpu(2), number(12), number(96), Direction::raise}));
  CHECK(value(knob, "{value: 5, only: lower}") ==
        ValueSpec(Share{number(5), std::nullopt, std::nullopt, Direction::lower}));
  const Parsed explained = parse(knob, "{value: 5, why: it helps, source: a paper}");
  CHECK(explained.spec == ValueSpec(Exactly{"5"}));
  CHECK(explained.remarks == "it helps|a paper");
  CHECK(value(kind_of(ValueType::choice), "{value: [none, kyber], why: fast}") ==
        ValueSpec(FirstOf{{"none", "kyber"}}));
  CHECK(mistake(knob, "{at_least: 5, only: raise}") ==
        "f:1:18: 'only' goes with a value: at_least only raises by itself\n");
  CHECK(mistake(knob, "{value: 5, only: up}") == "f:1:21: 'only' takes raise or lower\n");
  CHECK(mistake(knob, "{value: {at_least: 1}}") ==
        "f:1:5: 'value' takes a word, a number or a list of words\n");
  CHECK(mistake(knob, "{value: 201}") == "f:1:12: 201 is out of range for 'vm.knob': -1 to 200\n");
  CHECK(mistake(knob, "{why: x}") == "f:1:4: 'vm.knob' needs a value, at_least or at_most\n");
  CHECK(mistake(knob, "{value: 1, why: \"a\\nb\"}") ==
        "f:1:15: 'why' takes one line of at most 200 bytes\n");
  CHECK(mistake(kind_of(ValueType::choice), "{value: none, only: raise}") ==
        "f:1:4: 'vm.knob' is not a number: it takes no bounds\n");
}

TEST_CASE("a choice is a word, or a list of words") {
  const KnobInfo choice = kind_of(ValueType::choice);
  CHECK(value(choice, "defer+madvise") == ValueSpec(Exactly{"defer+madvise"}));
  CHECK(value(choice, "[none, mq-deadline]") == ValueSpec(FirstOf{{"none", "mq-deadline"}}));
  for (const char* text : {"a b", "'[none]'", "10", "a/b", "ä", "''"}) {
    const std::string bare = text[0] == '\'' ? std::string(text + 1, std::strlen(text) - 2) : text;
    CHECK(mistake(choice, text) ==
          "f:1:4: 'vm.knob' takes words that the kernel offers, not '" + bare + "'\n");
  }
  CHECK(mistake(choice, std::string(65, 'a')) ==
        "f:1:4: 'vm.knob' takes words that the kernel offers, not '" + std::string(64, 'a') +
            "…'\n");
  CHECK(mistake(choice, "\"a\\nb\"") ==
        "f:1:4: 'vm.knob' takes words that the kernel offers, not 'a\\x0ab'\n");
  CHECK(mistake(choice, "[none, [x], ~, none, 'a;b']") ==
        "f:1:11: 'vm.knob' takes words that the kernel offers, not this\n"
        "f:1:16: 'vm.knob' takes words that the kernel offers, not this\n"
        "f:1:19: 'none' is in the list twice\n"
        "f:1:25: 'vm.knob' takes words that the kernel offers, not 'a;b'\n");
  CHECK(mistake(choice, "[]") == "f:1:4: 'vm.knob' has an empty list of choices\n");
  CHECK(mistake(choice, "[a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]") ==
        "f:1:4: 'vm.knob' has more than 16 choices\n");
  CHECK(mistake(bounded(), "[1, 2]") ==
        "f:1:4: 'vm.knob' takes one value, not a list of choices\n");
}

TEST_CASE("a text is words with single blanks") {
  const KnobInfo text = kind_of(ValueType::text);
  CHECK(value(text, "\"4096\\t131072  16777216 \"") == ValueSpec(Exactly{"4096 131072 16777216"}));
  CHECK(mistake(text, "\"1\\n2\"") == "f:1:4: 'vm.knob' takes words or numbers, not '1\\x0a2'\n");
  CHECK(mistake(text, "' '") == "f:1:4: 'vm.knob' has no value\n");
  CHECK_FALSE(mistake(text, std::string(129, '1')).empty());
}
