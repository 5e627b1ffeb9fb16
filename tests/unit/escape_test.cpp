// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/escape.h"

#include "tests/catch.h"

using namespace tuneshift;

TEST_CASE("escape leaves readable text alone") {
  CHECK(escape("models/llama-3 70B.safetensors") == "models/llama-3 70B.safetensors");
  CHECK(escape("Größe 模型 🚀") == "Größe 模型 🚀");
  CHECK(escape("").empty());
}

TEST_CASE("escape shows control characters and backslashes as bytes") {
  CHECK(escape("a\nb\tc\x1b[31m\x7f") == "a\\x0ab\\x09c\\x1b[31m\\x7f");
  CHECK(escape(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(escape("\\x41") == "\\x5cx41");
  CHECK(escape("\xc2\x85") == "\\xc2\\x85");  // C1: next line
}

TEST_CASE("escape shows invalid UTF-8 as bytes") {
  CHECK(escape("\xff\xfe") == "\\xff\\xfe");
  CHECK(escape("\x80") == "\\x80");
  CHECK(escape("\xc0\xaf") == "\\xc0\\xaf");                    // overlong '/'
  CHECK(escape("\xe0\x80\xaf") == "\\xe0\\x80\\xaf");           // the same in three bytes
  CHECK(escape("\xf0\x80\x80\xaf") == "\\xf0\\x80\\x80\\xaf");  // and in four
  CHECK(escape("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // surrogate
  CHECK(escape("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  CHECK(escape("x\xe4\xbd") == "x\\xe4\\xbd");                  // torn
  CHECK(escape("\xe4"
               "a") ==
        "\\xe4"
        "a");
}

TEST_CASE("escape shows what sd-bus refuses or a terminal obeys") {
  CHECK(escape("\xef\xbf\xbf") == "\\xef\\xbf\\xbf");           // U+FFFF
  CHECK(escape("\xef\xb7\x90") == "\\xef\\xb7\\x90");           // U+FDD0
  CHECK(escape("\xf0\x9f\xbf\xbe") == "\\xf0\\x9f\\xbf\\xbe");  // U+1FFFE
  CHECK(escape("a\xe2\x80\xae"
               "b") ==
        "a\\xe2\\x80\\xae"
        "b");                                       // right-to-left override
  CHECK(escape("\xef\xbf\xbd") == "\xef\xbf\xbd");  // U+FFFD is a character
}

TEST_CASE("escape cuts long text between characters") {
  CHECK(escape("abcdef", 6) == "abcdef");
  CHECK(escape("abcdef", 5) == "abcde…");
  CHECK(escape("aäb", 2) == "a…");
  CHECK(escape("ab🚀c", 5) == "ab…");
  CHECK(escape("ab🚀c", 6) == "ab🚀…");
  CHECK(escape("ab\x80\x80\x80", 4) == "ab\\x80\\x80…");
  CHECK(escape("abc", 0) == "…");
  CHECK(escape(std::string(5000, 'a')).size() == 4096 + 3);
}
