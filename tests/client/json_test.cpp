// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/json.h"

#include <limits>

#include "client/utf8.h"
#include "tests/catch.h"

using tuneshift::Json;
using tuneshift::printable;

TEST_CASE("JSON strings are escaped", "[json]") {
  CHECK(Json("a\"b\\c").line() == R"("a\"b\\c")");
  CHECK(Json("tab\tline\nbell\x07").line() == R"("tab\tline\nbell\u0007")");
  CHECK(Json("\x1b[31m").line() == R"("\u001b[31m")");
  CHECK(Json("\x7f").line() == R"("\u007f")");
  CHECK(Json(std::string("nul\0byte", 8)).line() == R"("nul\u0000byte")");
  CHECK(Json("µ … 𝄞").line() == "\"µ … 𝄞\"");
  // Invalid: a lone continuation byte, an overlong '/', a surrogate, a cut-off character.
  CHECK(Json("a\x80z").line() == "\"a\uFFFDz\"");
  CHECK(Json("\xc0\xaf").line() == "\"\uFFFD\uFFFD\"");
  CHECK(Json("\xed\xa0\x80").line() == "\"\uFFFD\uFFFD\uFFFD\"");
  CHECK(Json("\xe2\x80").line() == "\"\uFFFD\uFFFD\"");
}

TEST_CASE("JSON numbers stay numbers", "[json]") {
  CHECK(Json(std::numeric_limits<uint64_t>::max()).line() == "18446744073709551615");
  CHECK(Json(std::numeric_limits<int64_t>::min()).line() == "-9223372036854775808");
  CHECK(Json(uint32_t{0}).line() == "0");
  CHECK(Json(0.25).line() == "0.25");
  CHECK(Json(std::numeric_limits<double>::infinity()).line() == "null");
  CHECK(Json(true).line() == "true");
  CHECK(Json().line() == "null");
}

TEST_CASE("JSON documents and lines", "[json]") {
  Json row = Json::object();
  row.set("knob", "vm.swappiness").set("write", false).set("values", Json::array());
  row.set("knob", "vm.stat_interval");
  Json list = Json::array();
  list.append(row.set("extra", Json::object()));
  CHECK(list.line() == R"([{"knob":"vm.stat_interval","write":false,"values":[],"extra":{}}])");
  CHECK(Json::object().set("a", Json::array().append(uint32_t{1})).document() ==
        "{\n  \"a\": [\n    1\n  ]\n}");
  CHECK(Json::array().document() == "[]");
}

TEST_CASE("Reading what is not there gives nothing", "[json]") {
  Json row = Json::object();
  row.set("count", uint32_t{7}).set("text", "x").set("below", int32_t{-3}).set("on", true);
  CHECK(row["missing"].text().empty());
  CHECK(row["missing"]["deeper"].number() == 0);
  CHECK_FALSE(row.has("missing"));
  CHECK(row["count"].text() == "7");
  CHECK(row["text"].number() == 0);
  CHECK(row["below"].number() == 0);
  CHECK(row["below"].text() == "-3");
  CHECK(row["on"].truth());
  CHECK_FALSE(row["text"].truth());
  Json names = Json::array();
  names.append("vda");
  names.append("vdb");
  CHECK(names.text() == "vda, vdb");
  CHECK(Json("text").items().empty());
  CHECK(Json("text").members().empty());
}

TEST_CASE("Text for a terminal has no control characters", "[utf8]") {
  CHECK(printable("plain µ…") == "plain µ…");
  CHECK(printable("\x1b[2J\r") == "\\x1b[2J\\x0d");
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");  // C1: a terminal may take it for ESC [
  CHECK(printable("a\xff") == "a\\xff");
}
