// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/yaml_document.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

std::string mistakes_in(const std::string& text) {
  Diagnostics found;
  FileMistakes mistakes("f", found);
  parse_yaml(text, mistakes);
  std::string lines;
  for (const Diagnostic& mistake : found) lines += to_string(mistake) + "\n";
  return lines;
}

std::string repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("a document is a tree of text with places") {
  Diagnostics found;
  FileMistakes mistakes("f", found);
  const auto root = parse_yaml("a: 1\nb:\n  - x\n  - \"2\"\nc: {d: ~}\n", mistakes);
  REQUIRE(root);
  CHECK(found.empty());
  REQUIRE(root->keys.size() == 3);
  CHECK(root->items[0].text == "1");
  CHECK(root->items[1].items[1].text == "2");
  CHECK(root->items[1].items[1].at.line == 4);
  CHECK(root->items[1].items[1].at.column == 5);
  CHECK(root->items[2].keys[0].text == "d");
  CHECK(root->items[2].items[0].kind == YamlNode::Kind::empty);
}

TEST_CASE("syntax errors have a place") {
  CHECK(mistakes_in("a: b: c\n") == "f:1:5: not valid YAML: illegal map value\n");
  CHECK(mistakes_in("a: [1, 2\n") == "f:1:8: not valid YAML: end of sequence flow not found\n");
  CHECK(mistakes_in("a: 'x\n") == "f:1:6: not valid YAML: illegal EOF in scalar\n");
  CHECK(mistakes_in("a: \"x\nb: 1\n \n") == "f:2:5: not valid YAML: illegal EOF in scalar\n");
  // yaml-cpp goes on counting behind the end.
  CHECK(mistakes_in("a: 1\nb: \"x\\\n").starts_with("f:2:7: not valid YAML: "));
}

TEST_CASE("duplicate and odd keys are mistakes") {
  CHECK(mistakes_in("a: 1\nb: {c: 1, c: 2}\n'a': 3\n") ==
        "f:2:11: duplicate key 'c', first on line 2\n"
        "f:3:1: duplicate key 'a', first on line 1\n");
  CHECK(mistakes_in("[a, b]: 1\n") == "f:1:1: a key must be a word\n");
  CHECK(mistakes_in("~: 1\n") == "f:1:1: a key must be a word\n");
}

TEST_CASE("what could grow without bound is refused") {
  CHECK(mistakes_in("a: &x 1\n") == "f:1:4: anchors and aliases are not accepted\n");
  CHECK(mistakes_in("a: &x [1]\nb: *x\n") == "f:1:4: anchors and aliases are not accepted\n");
  CHECK(mistakes_in("a: !!binary eA==\n") == "f:1:4: tags are not accepted\n");
  CHECK(mistakes_in("a: 1\n---\nb: 1\n") == "f:2:1: only one document may be in a file\n");
  CHECK(mistakes_in("[" + repeat("a,", 4096) + "]") == "f:1:8192: more than 4096 values\n");
  CHECK(mistakes_in(repeat("[", 8) + repeat("]", 8)).empty());
  CHECK(mistakes_in(repeat("[", 9) + repeat("]", 9)) == "f:1:9: nested deeper than 8 levels\n");
}

TEST_CASE("deep nesting of any kind does not reach the end of the stack") {
  for (const char* opening : {"[", "{", "- ", "? ", "{a: ", "[{", "? - ", "a: {", ": "}) {
    INFO(opening);
    CHECK_FALSE(mistakes_in(repeat(opening, 60000)).empty());
  }
}

TEST_CASE("only readable UTF-8 is YAML") {
  CHECK(mistakes_in("a: 1\nb: \xff\n") == "f:2:4: not valid UTF-8\n");
  CHECK(mistakes_in("a: \xc0\xaf\n") == "f:1:4: not valid UTF-8\n");
  CHECK(mistakes_in("a: 1\n\x04mode: 2\n") == "f:2:1: control character '\\x04'\n");
  CHECK(mistakes_in(std::string("\xff\xfe"
                                "a\0",
                                4)) == "f:1:1: not valid UTF-8\n");
  CHECK(mistakes_in("a: 1\rb: 2\n") == "f:1:5: control character '\\x0d'\n");
  CHECK(mistakes_in("a: 1\r\nb: ä # größe\r\n").empty());
  CHECK(mistakes_in("\xef\xbb\xbf"
                    "a: 1\n")
            .empty());
}
