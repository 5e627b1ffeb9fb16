// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/format_rule.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "libtune/glob.h"
#include "libtune/rules_file.h"
#include "source_directory.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t gib = 1ULL << 30;
constexpr const char* hdf5 = "\x89HDF\r\n\x1a\n";

FormatRules shipped() {
  const auto source = source_directory();
  std::ifstream file(source / "profiles/rules/formats.yaml");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Diagnostics mistakes;
  FormatRules rules = parse_rules_file(text, "formats.yaml", mistakes).formats;
  REQUIRE(mistakes.empty());
  return rules;
}

std::string at(size_t offset, const std::string& bytes) {
  return (std::string(offset, 'x') + bytes).append(64, '\0');
}

std::string number(uint64_t value, size_t width) {
  std::string bytes;
  for (size_t i = 0; i < width; ++i, value >>= 8) bytes += static_cast<char>(value & 0xff);
  return bytes;
}

std::string zip(const std::string& name, uint16_t method = 0) {
  return std::string("PK\3\4", 4) + number(0, 4) + number(method, 2) + number(0, 16) +
         number(name.size(), 2) + number(0, 2) + name + "content";
}

std::string safetensors() {
  const std::string json = R"({"w":{"dtype":"F16","shape":[1024],"data_offsets":[0,2048]}})";
  return number(json.size(), 8) + json;
}

std::string gguf() {
  return "GGUF" + number(3, 4) + number(291, 8) + number(25, 8);
}

Recognised look(const std::string& beginning, const std::string& name = "blob",
                const std::vector<std::string>& beside = {}, uint64_t size = gib) {
  return recognise(shipped(), {beginning, size, name, [&] { return beside; }});
}

std::string format_of(const std::string& beginning, uint64_t size = gib) {
  return look(beginning, "blob", {}, size).format;
}

std::string changed(std::string text, size_t place, char to) {
  text[place] = to;
  return text;
}

}  // namespace

TEST_CASE("patterns cover whole texts, and hostile ones cost no more than both lengths") {
  CHECK(matches_glob("", ""));
  CHECK(matches_glob("*", ""));
  CHECK(matches_glob("*.data-?\?\?\?\?-of-?\?\?\?\?", "variables.data-00000-of-00001"));
  CHECK_FALSE(matches_glob("*.data-?\?\?\?\?-of-?\?\?\?\?", "variables.data-0000-of-00001"));
  CHECK(matches_glob("a*b*c", "aXbXbc"));
  CHECK_FALSE(matches_glob("a*b*c", "aXbXbcX"));
  CHECK_FALSE(matches_glob("cp", "cpio"));
  CHECK_FALSE(matches_glob("?", ""));
  CHECK(matches_glob("[a]*", "[a]b"));
  std::string stars;
  for (int i = 0; i < 60; ++i) stars += "*a";
  CHECK_FALSE(matches_glob(stars + "b", std::string(4000, 'a')));
}

TEST_CASE("a safetensors header must fit its file") {
  const std::string good = safetensors();
  CHECK(format_of(good) == "safetensors");
  CHECK(format_of(good, good.size()) == "safetensors");
  CHECK(look(good).detail == "safetensors, header of 60 bytes");
  CHECK(format_of(good.substr(0, 40), 40).empty());
  CHECK(format_of(changed(good, 7, '\x80')).empty());
  CHECK(format_of(changed(good, 8, '[')).empty());
  CHECK(format_of(changed(good, 9, '\0')).empty());
  CHECK(format_of(changed(good, 4, 1), 1ULL << 40).empty());  // 4 GiB of header
  CHECK(format_of(std::string("\1\0\0\0\0\0\0\0{}", 10)).empty());
  CHECK(format_of(std::string("\2\0\0\0\0\0\0\0{}", 10)) == "safetensors");
  CHECK(format_of("").empty());
}

TEST_CASE("GGUF has a known version and counts that its size allows") {
  const std::string good = gguf();
  CHECK(format_of(good) == "gguf");
  CHECK(format_of(changed(good, 4, 0)).empty());
  CHECK(format_of(changed(good, 4, 4)).empty());
  CHECK(format_of(changed(good, 15, 1)).empty());
  CHECK(format_of(changed(good, 0, 'g')).empty());
  CHECK(format_of(good.substr(0, 20), gib).empty());
}

TEST_CASE("a zip archive is a model by its first entry alone") {
  CHECK(format_of(zip("archive/data.pkl")) == "torch");
  CHECK(format_of(zip("archive/data.pkl", 8)) == "zip");  // deflated
  CHECK(format_of(zip("archivexdata.pkl")) == "zip");
  CHECK(format_of(zip("arr_0.npy")) == "npz");
  CHECK(format_of(zip("arr_0.npy", 8)) == "npz");
  CHECK(format_of(zip("photo.jpg")) == "zip");
  CHECK(look(zip("photo.jpg")).role == FormatRole::data);
  // A name that goes on beyond what was read.
  CHECK(format_of(changed(zip("archive/data.pkl"), 26, '\xff')) == "zip");
  CHECK(look(zip("metadata.json"), "m.keras").format == "keras");
}

TEST_CASE("pickles are models by torch's magic, or by a name that says so") {
  const std::string legacy = "\x80\2\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.";
  CHECK(format_of(legacy) == "torch-legacy");
  const std::string framed = "\x80\4\x95" + number(100, 8) + "}";
  CHECK(format_of(framed).empty());
  CHECK(look(framed, "model.ckpt").format == "pickle");
  CHECK(look("\x80\2}q\1(X\4wwwwww", "model.pth").format == "pickle");
  CHECK(look("\x80\4" + std::string(20, '}'), "model.ckpt").format.empty());
  CHECK(look("\x80\4\x95" + number(2 * gib, 8) + "}", "model.ckpt").format.empty());
  CHECK(look("\x80\x06\x95" + number(100, 8) + "}", "model.ckpt").format.empty());
}

TEST_CASE("models that are known by fixed bytes") {
  for (const char* magic : {"lmgg", "fmgg", "tjgg", "algg"})
    CHECK(format_of(at(0, magic)) == "ggml");
  CHECK(format_of(at(0, "ftrt")) == "tensorrt");
  CHECK(format_of(at(4, "TFL3")) == "tflite");
  CHECK(format_of(at(0, hdf5)) == "hdf5");
  CHECK(format_of(at(512, hdf5)) == "hdf5");
  CHECK(format_of(at(513, hdf5)).empty());
  CHECK(look(at(0, hdf5), "climate.nc").role == FormatRole::data);
}

TEST_CASE("raw weights are known by their name and what lies beside them") {
  const std::string raw(64, 'w');
  CHECK(look(raw, "weights.bin", {"model.onnx", "weights.bin"}).format == "onnx-data");
  CHECK(look(raw, "weights.bin", {"readme.md"}).format.empty());
  CHECK(look(raw, "model.onnx.data").format == "onnx");
  const std::string shard = "variables.data-00000-of-00001";
  CHECK(look(raw, shard, {"variables.index", shard}).format == "tensorflow");
  CHECK(look(raw, shard, {shard}).format.empty());
  CHECK(look(raw, "model.bin", {"shared_vocabulary.json"}).format == "ctranslate2");
  // A file is not its own neighbour.
  const FormatRules self = {{"x", FormatRole::model, FormatCheck::none, {}, {"*.a"}, {"*.a"}}};
  CHECK(recognise(self, {raw, gib, "b.a", [] { return std::vector<std::string>{"b.a"}; }})
            .format.empty());
}

TEST_CASE("a directory is listed once at most, and only for a rule that fits otherwise") {
  int listed = 0;
  const auto beside = [&] {
    ++listed;
    return std::vector<std::string>();
  };
  recognise(shipped(), {safetensors(), gib, "model.bin", beside});
  CHECK(listed == 0);
  recognise(shipped(), {std::string(64, 'w'), gib, "model.bin", beside});
  CHECK(listed == 1);
}

TEST_CASE("large files that are no models are told by name") {
  const std::pair<std::string, std::string> known[] = {
      {at(0, "PAR1"), "parquet"},
      {at(0, "ARROW1"), "arrow"},
      {at(0, "SQLite format 3"), "sqlite"},
      {at(0,
          "\x7f"
          "ELF"),
       "elf"},
      {at(257, "ustar"), "tar"},
      {at(0, "\x1f\x8b\x08"), "gzip"},
      {at(0, "\x28\xb5\x2f\xfd"), "zstd"},
      {at(0,
          "\xfd"
          "7zXZ"),
       "xz"},
      {at(0, "QFI\xfb"), "qcow2"},
      {at(0, "\x93NUMPY"), "npy"},
      {at(0, "PACK"), "git-pack"},
  };
  for (const auto& [beginning, name] : known) {
    INFO(name);
    CHECK(look(beginning).format == name);
    CHECK(look(beginning).role == FormatRole::data);
  }
  CHECK(look(std::string(64, 'w'), "train.tfrecord-00001-of-00010").format == "tfrecord");
  CHECK(look(std::string(64, 'w')).detail == "no known format");
}

TEST_CASE("the first rule that knows a file counts, and a file may be too small for one") {
  const FormatRules rules = {
      {"big", FormatRole::model, FormatCheck::none, {{0, "w"}}, {}, {}, 2 * gib},
      {"mine", FormatRole::data, FormatCheck::none, {{0, "x"}, {1, "ww"}}, {}, {}},
      {"late", FormatRole::model, FormatCheck::none, {{0, "w"}}, {}, {}}};
  const std::string raw(64, 'w');
  CHECK(recognise(rules, {raw, gib, "a", {}}).format == "mine");
  CHECK(recognise(rules, {raw, 2 * gib, "a", {}}).format == "big");
  CHECK(recognise({}, {raw, gib, "a", {}}).format.empty());
}
