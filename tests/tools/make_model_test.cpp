// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cstring>
#include <map>
#include <regex>
#include <set>
#include <string_view>

#include "child.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t size = 6 << 20;

std::string make(const ScratchDirectory& scratch, std::vector<std::string> options) {
  const std::string path = scratch.path() / "model";
  options.insert(options.begin(), {path, "--no-sync", "--size", std::to_string(size)});
  REQUIRE(run_tool("make_model", options) == 0);
  return read_file(path);
}

uint64_t number_at(const std::string& file, size_t offset) {
  uint64_t number = 0;
  std::memcpy(&number, file.data() + offset, sizeof(number));
  return number;
}

}  // namespace

TEST_CASE("a safetensors model tiles its payload in another order than its header names it") {
  ScratchDirectory scratch("/dev/shm");
  const std::string file = make(scratch, {"--dtype", "f16"});
  REQUIRE(file.size() == size);
  const uint64_t json_bytes = number_at(file, 0);
  REQUIRE(json_bytes < size);
  const std::string json = file.substr(8, json_bytes);

  std::map<uint64_t, uint64_t> by_offset;
  std::vector<uint64_t> starts;
  std::vector<std::string> names;
  const std::regex entry(
      R"re("([^"]+)":\{"dtype":"F16","shape":\[([0-9,]+)\],"data_offsets":\[(\d+),(\d+)\]\})re");
  for (std::sregex_iterator at(json.begin(), json.end(), entry), end; at != end; ++at) {
    const uint64_t first = std::stoull((*at)[3]);
    const uint64_t last = std::stoull((*at)[4]);
    names.push_back((*at)[1]);
    starts.push_back(first);
    by_offset[first] = last;
  }
  CHECK(names.size() > 108);
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK_FALSE(std::is_sorted(starts.begin(), starts.end()));
  uint64_t expected = 0;
  for (const auto& [first, last] : by_offset) {
    REQUIRE(first == expected);
    expected = last;
  }
  CHECK(8 + json_bytes + expected == size);
}

TEST_CASE("no page of a model's payload is empty or equal to another") {
  ScratchDirectory scratch("/dev/shm");
  const std::string file = make(scratch, {});
  std::set<std::string_view> pages;
  const std::string_view bytes = file;
  for (size_t at = 1 << 20; at < size; at += 4096) pages.insert(bytes.substr(at, 4096));
  CHECK(pages.size() == (size - (1 << 20)) / 4096);
  CHECK(pages.count(std::string(4096, '\0')) == 0);
}

TEST_CASE("a GGUF model has the magic, the version and its tensors in range") {
  ScratchDirectory scratch("/dev/shm");
  const std::string file = make(scratch, {"--gguf"});
  CHECK(file.size() == size);
  CHECK(file.substr(0, 8) == std::string("GGUF\3\0\0\0", 8));
  CHECK(number_at(file, 8) > 108);
}

TEST_CASE("Python's zipfile and unpickler accept a torch model") {
  ScratchDirectory scratch("/dev/shm");
  CHECK(make(scratch, {"--torch"}).size() == size);
  const std::string script = R"py(
import pickletools, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
first = archive.infolist()[0]
assert first.filename == "archive/data.pkl" and first.header_offset == 0, first
assert archive.testzip() is None
assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
data = archive.read("archive/data.pkl")
pickletools.dis(data, out=open("/dev/null", "w"))
assert b"model.layers.11.mlp.down_proj.weight" in data
)py";
  Child python({"/usr/bin/env", "python3", "-c", script, scratch.path() / "model"});
  CHECK(python.wait() == 0);
}

TEST_CASE("shards share the size and are named as Hugging Face names them") {
  ScratchDirectory scratch("/dev/shm");
  const std::string path = scratch.path() / "model.safetensors";
  REQUIRE(run_tool("make_model", {path, "--no-sync", "--size", "7M", "--shards", "3"}) == 0);
  uint64_t sum = 0;
  for (const char* number : {"1", "2", "3"}) {
    const auto shard =
        scratch.path() / (std::string("model-0000") + number + "-of-00003.safetensors");
    REQUIRE(std::filesystem::exists(shard));
    sum += std::filesystem::file_size(shard);
  }
  CHECK(sum == 7 << 20);
}
