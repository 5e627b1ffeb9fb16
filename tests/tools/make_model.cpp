// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes a model file with a true header and a payload that is not zero, for tests.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "model_headers.h"

namespace {

using tuneshift::make_frame;
using tuneshift::ModelFormat;
using tuneshift::ModelFrame;

constexpr size_t chunk_bytes = 4 << 20;
constexpr size_t page_bytes = 4096;
constexpr uint64_t smallest_file = 1 << 20;

struct Settings {
  std::string file;
  uint64_t size = 2ULL << 30;
  ModelFormat format = ModelFormat::safetensors;
  bool bf16 = true;
  bool sync = true;
  unsigned shards = 1;
};

bool write_all(int fd, const void* data, size_t size, off_t offset) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = pwrite(fd, next, size, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    next += written;
    offset += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

// Noise that no file system compresses or deduplicates: every page carries its own number.
std::vector<char> make_noise() {
  std::vector<char> noise(chunk_bytes);
  uint64_t state = 0x9e3779b97f4a7c15;
  for (size_t at = 0; at < noise.size(); at += sizeof(state)) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(noise.data() + at, &state, sizeof(state));
  }
  return noise;
}

bool write_payload(int fd, off_t offset, uint64_t bytes, unsigned shard, bool checksum,
                   uint32_t& crc) {
  std::vector<char> noise = make_noise();
  uLong sum = crc32(0, nullptr, 0);
  for (uint64_t done = 0; done < bytes;) {
    const auto now = static_cast<size_t>(std::min<uint64_t>(chunk_bytes, bytes - done));
    for (size_t page = 0; page < chunk_bytes; page += page_bytes) {
      const uint64_t number = (uint64_t{shard} << 48) | ((done + page) / page_bytes + 1);
      std::memcpy(noise.data() + page, &number, sizeof(number));
    }
    if (checksum) {
      sum = crc32(sum, reinterpret_cast<const Bytef*>(noise.data()), static_cast<uInt>(now));
    }
    if (!write_all(fd, noise.data(), now, offset + static_cast<off_t>(done))) return false;
    done += now;
  }
  crc = static_cast<uint32_t>(sum);
  return true;
}

bool write_model(int fd, const ModelFrame& frame, unsigned shard, bool sync) {
  uint32_t crc = 0;
  const auto head = static_cast<off_t>(frame.head.size());
  const off_t tail = head + static_cast<off_t>(frame.payload_bytes);
  bool good =
      write_all(fd, frame.head.data(), frame.head.size(), 0) &&
      write_payload(fd, head, frame.payload_bytes, shard, !frame.checksum_at.empty(), crc) &&
      write_all(fd, frame.tail.data(), frame.tail.size(), tail);
  for (size_t offset : frame.checksum_at) {
    good = good && write_all(fd, &crc, sizeof(crc), static_cast<off_t>(offset));
  }
  return good && (!sync || fsync(fd) == 0);
}

bool make_file(const std::string& path, const Settings& settings, uint64_t size, unsigned shard) {
  const ModelFrame frame = make_frame(settings.format, size, settings.bf16);
  if (frame.head.empty()) {
    std::fprintf(stderr, "make_model: no model fits %llu bytes exactly\n",
                 static_cast<unsigned long long>(size));
    return false;
  }
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool good = fd >= 0 && write_model(fd, frame, shard, settings.sync);
  if (!good) std::fprintf(stderr, "make_model: %s: %s\n", path.c_str(), std::strerror(errno));
  if (fd >= 0) close(fd);
  return good;
}

// model.safetensors → model-00002-of-00004.safetensors
std::string shard_path(const std::string& path, unsigned shard, unsigned shards) {
  const size_t slash = path.rfind('/');
  size_t dot = path.rfind('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) dot = path.size();
  char number[32];
  std::snprintf(number, sizeof(number), "-%05u-of-%05u", shard, shards);
  return path.substr(0, dot) + number + path.substr(dot);
}

int run(const Settings& settings) {
  if (settings.shards == 1) return make_file(settings.file, settings, settings.size, 1) ? 0 : 1;
  const uint64_t each = settings.size / settings.shards / 2 * 2;
  for (unsigned shard = 1; shard <= settings.shards; ++shard) {
    const uint64_t size =
        shard < settings.shards ? each : settings.size - each * (settings.shards - 1);
    const std::string path = shard_path(settings.file, shard, settings.shards);
    if (!make_file(path, settings, size, shard)) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  std::string dtype = "bf16";
  bool gguf = false;
  bool torch = false;
  CLI::App app{"Writes a model file with a true header and noise as its tensors."};
  app.add_option("file", settings.file, "to write; with --shards the name they are made from")
      ->required();
  app.add_option("--size", settings.size, "of the file, of all shards together (2G)")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--shards", settings.shards, "number of files")->check(CLI::Range(1, 999));
  app.add_option("--dtype", dtype, "bf16 or f16")->check(CLI::IsMember({"bf16", "f16"}));
  app.add_flag("--gguf", gguf, "a GGUF file instead of safetensors");
  app.add_flag("--torch", torch, "a torch.save() zip instead")->excludes("--gguf");
  app.add_flag("!--no-sync", settings.sync, "do not wait for the disk");
  CLI11_PARSE(app, argc, argv);
  settings.bf16 = dtype == "bf16";
  if (gguf) settings.format = ModelFormat::gguf;
  if (torch) settings.format = ModelFormat::torch;
  if (settings.size % 2 != 0 || settings.size / settings.shards < smallest_file) {
    std::fputs("make_model: the size must be even and at least 1 MiB a file\n", stderr);
    return 2;
  }
  return run(settings);
}
