// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/rules_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "source_directory.h"
#include "tests/catch.h"
#include "tests/unit/operator_directory.h"

using namespace tuneshift;

namespace {

std::string mistakes_in(const std::string& text) {
  Diagnostics mistakes;
  parse_rules_file(text, "r.yaml", mistakes);
  std::string all;
  for (const Diagnostic& one : mistakes) all += to_string(one) + "\n";
  return all;
}

std::string names_of(const FormatRules& rules) {
  std::string names;
  for (const FormatRule& rule : rules) names += (names.empty() ? "" : " ") + rule.name;
  return names;
}

std::string repeated(const std::string& text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text + std::to_string(i) + ", files: [a]}\n";
  return all;
}

}  // namespace

TEST_CASE("a file of rules says all that a rule can have") {
  Diagnostics mistakes;
  const Rules rules = parse_rules_file(
      "formats:\n"
      "  - name: mine\n"
      "    role: data\n"
      "    check: npz\n"
      "    magic: [MINE, {at: 4, hex: 00 fF10}]\n"
      "    files: '*.mine'\n"
      "    beside: [mine.json, '*.idx']\n"
      "    min_size: 64MiB\n"
      "  - {name: plain, magic: {text: PLAIN}}\n"
      "processes:\n"
      "  - {name: server, role: loader, commands: [serve], arguments: ['--model*'],\n"
      "     drop_after_load: true}\n"
      "  - {name: copier, role: never, commands: [copy1, copy2]}\n",
      "r.yaml", mistakes);
  CHECK(mistakes.empty());
  REQUIRE(rules.formats.size() == 2);
  FormatRule mine;
  mine.name = "mine";
  mine.role = FormatRole::data;
  mine.check = FormatCheck::npz;
  mine.magic = {{0, "MINE"}, {4, std::string("\0\xff\x10", 3)}};
  mine.files = {"*.mine"};
  mine.beside = {"mine.json", "*.idx"};
  mine.least_bytes = 64ULL << 20;
  CHECK(rules.formats[0] == mine);
  CHECK(rules.formats[1].role == FormatRole::model);
  REQUIRE(rules.processes.size() == 2);
  CHECK(rules.processes[0].role == ProcessRole::loader);
  CHECK(rules.processes[0].arguments == std::vector<std::string>{"--model*"});
  CHECK(rules.processes[0].drop_after_load);
  CHECK(rules.processes[1].role == ProcessRole::never);
  CHECK_FALSE(rules.processes[1].drop_after_load);
  CHECK(rules.processes[1].commands.size() == 2);
}

TEST_CASE("every mistake of a file of rules is told with its place") {
  CHECK(mistakes_in("") == "");
  CHECK(mistakes_in("formats:\n") == "");
  CHECK(mistakes_in("- a\n") ==
        "r.yaml:1:1: a file of rules is a map with formats and processes\n");
  CHECK(mistakes_in("format: []\n") ==
        "r.yaml:1:1: unknown key 'format', did you mean 'formats'?\n");
  CHECK(mistakes_in("formats: {a: b}\n") ==
        "r.yaml:1:1: 'formats' takes a list of at most 256 rules\n");
  CHECK(mistakes_in("formats:\n"
                    "  - text\n"
                    "  - {files: [a]}\n"
                    "  - {name: A, files: [a]}\n"
                    "  - {name: a}\n"
                    "  - {name: b, role: modle, files: [a]}\n"
                    "  - {name: c, check: zip9, files: [a]}\n"
                    "  - {name: d, magics: [a], files: [a]}\n"
                    "  - {name: e, files: [a]}\n"
                    "  - {name: e, files: [b]}\n") ==
        "r.yaml:2:5: a rule is a map with a name\n"
        "r.yaml:3:5: a rule needs a name\n"
        "r.yaml:4:12: a rule's name is 1 to 64 of a-z, 0-9, '-' and '_', a letter or digit first\n"
        "r.yaml:5:5: a format needs magic, files or a check\n"
        "r.yaml:6:21: unknown role 'modle', did you mean 'model'?\n"
        "r.yaml:7:22: unknown check 'zip9': known are none, safetensors, gguf, torch_zip, npz, "
        "pickle\n"
        "r.yaml:8:15: unknown key 'magics', did you mean 'magic'?\n"
        "r.yaml:10:5: rule 'e' is there twice\n");
  CHECK(mistakes_in("formats:\n"
                    "  - {name: a, magic: {at: 4095, text: ab}}\n"
                    "  - {name: b, magic: {at: 4096, text: a}}\n"
                    "  - {name: c, magic: {hex: 0}}\n"
                    "  - {name: d, magic: {text: a, hex: 00}}\n"
                    "  - {name: e, magic: {at: 1}}\n"
                    "  - {name: f, magic: ['']}\n"
                    "  - {name: g, magic: [[a]]}\n"
                    "  - {name: h, files: []}\n"
                    "  - {name: i, files: ['']}\n"
                    "  - {name: j, files: [a], min_size: 5MB}\n") ==
        "r.yaml:2:22: magic is 1 to 64 bytes within the first 4096\n"
        "r.yaml:3:23: 'at' takes a place from 0 to 4095\n"
        "r.yaml:4:23: 'hex' takes pairs of hexadecimal digits\n"
        "r.yaml:5:22: magic takes either a text or hex\n"
        "r.yaml:6:22: magic takes either a text or hex\n"
        "r.yaml:7:23: magic is 1 to 64 bytes within the first 4096\n"
        "r.yaml:8:23: magic is a text, or a map with text or hex, and at\n"
        "r.yaml:9:15: 'files' takes a list of 1 to 32\n"
        "r.yaml:10:23: 'files' takes names of 1 to 128 bytes, with * and ?\n"
        "r.yaml:11:27: 'min_size' takes bytes, or a number with KiB, MiB, GiB or TiB, up to "
        "1024TiB\n");
  CHECK(mistakes_in("processes:\n"
                    "  - {name: a, commands: [x]}\n"
                    "  - {name: b, role: never}\n"
                    "  - {name: c, role: lodaer, commands: [x]}\n"
                    "  - {name: d, role: never, command: [x]}\n"
                    "  - {name: e, role: never, commands: [x], drop_after_load: true}\n"
                    "  - {name: f, role: loader, commands: [x], drop_after_load: yes}\n") ==
        "r.yaml:2:5: a process rule needs a role: loader or never\n"
        "r.yaml:3:5: a process rule needs commands or arguments\n"
        "r.yaml:4:21: unknown role 'lodaer', did you mean 'loader'?\n"
        "r.yaml:5:28: unknown key 'command', did you mean 'commands'?\n"
        "r.yaml:6:5: drop_after_load is for role loader: the others load nothing\n"
        "r.yaml:7:61: unknown drop_after_load 'yes': known are true, false\n");
}

TEST_CASE("an administrator's rules come first, by file and by name") {
  OperatorDirectory vendor;
  OperatorDirectory administrator;
  vendor.write("a.yaml", "formats: [{name: one, files: [v]}, {name: two, files: [v]}]\n");
  vendor.write("b.yaml", "formats: [{name: three, files: [v]}]\n");
  administrator.write("b.yaml", "formats: [{name: four, files: [a]}]\n");
  administrator.write("c.yaml", "formats: [{name: two, files: [a]}, {name: four, files: [c]}]\n");
  Diagnostics mistakes;
  const Rules rules = read_rules({vendor.path(), administrator.path(), "/nonexistent"}, mistakes);
  CHECK(mistakes.empty());
  CHECK(names_of(rules.formats) == "four two one");
  CHECK(rules.formats[0].files == std::vector<std::string>{"a"});
  CHECK(rules.formats[1].files == std::vector<std::string>{"a"});
}

TEST_CASE("rules are bounded, and come from nobody else") {
  OperatorDirectory directory;
  const auto mistakes = [&] {
    Diagnostics found;
    read_rules({directory.path()}, found);
    return directory.print(found);
  };
  directory.write("a.yaml", "formats:\n" + repeated("  - {name: a", 200));
  CHECK(mistakes() == "");
  directory.write("b.yaml", "formats:\n" + repeated("  - {name: b", 200));
  CHECK(mistakes() == "b.yaml: more than 256 rules of one kind in all\n");
  std::string long_names;
  for (char letter = 'a'; letter < 'm'; ++letter) {
    long_names += std::string("  - {name: ") + letter + ", files: [";
    for (int i = 0; i < 20; ++i) long_names += std::string(120, 'x') + ", ";
    long_names += "x]}\n";
  }
  directory.write("b.yaml", "formats:\n" + long_names);
  CHECK(mistakes() == "b.yaml: the formats of all files are larger than 24 KiB together\n");
  directory.write("b.yaml", std::string(65 << 10, '#'));
  CHECK(mistakes() == "b.yaml: larger than 64 KiB\n");
  directory.write("b.yaml", "");
  directory.mode("b.yaml", 0666);
  CHECK(mistakes().find("b.yaml: ") == 0);
}

TEST_CASE("the shipped rules are right") {
  const auto source = source_directory();
  Rules all;
  for (const char* name : {"formats.yaml", "processes.yaml"}) {
    std::ifstream file(source / "profiles/rules" / name);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    Diagnostics mistakes;
    Rules rules = parse_rules_file(text, name, mistakes);
    for (const Diagnostic& mistake : mistakes) UNSCOPED_INFO(to_string(mistake));
    CHECK(mistakes.empty());
    if (all.formats.empty()) all.formats = rules.formats;
    if (all.processes.empty()) all.processes = rules.processes;
  }
  size_t bytes = 0;
  for (const FormatRule& rule : all.formats) bytes += size_of(rule);
  CHECK(bytes < most_format_rule_bytes / 2);  // room for an operator's own

  const auto rule_of = [&](const char* command, const char* line) -> std::string {
    const ProcessRule* rule = find_process_rule(all.processes, command, line);
    return rule == nullptr ? "" : rule->name + " " + to_string(rule->role);
  };
  CHECK(rule_of("vllm", "/usr/bin/python3 /usr/bin/vllm serve m") == "vllm loader");
  CHECK(rule_of("VLLM::EngineCor", "VLLM::EngineCore") == "vllm loader");
  CHECK(rule_of("python3", "python3 -m vllm.entrypoints.openai.api_server") ==
        "vllm-module loader");
  CHECK(rule_of("python3", "python3 train.py") == "");
  CHECK(rule_of("tensorflow_mode", "/usr/bin/tensorflow_model_server --port=1") ==
        "tensorflow-serving loader");
  CHECK(rule_of("llama-server", "./llama-server -m x.gguf") == "llama-cpp loader");
  CHECK(rule_of("cp", "cp a b") == "copy never");
  CHECK(rule_of("sha256sum", "sha256sum a") == "checksum never");
  CHECK(rule_of("borg", "/usr/bin/python3 /usr/bin/borg create") == "backup never");
  CHECK(rule_of("reader", "/tests/tools/reader mmap-sequential model") == "");
}
