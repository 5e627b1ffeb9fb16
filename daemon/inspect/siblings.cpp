// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect/siblings.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>

#include "daemon/unique_fd.h"

namespace tuneshift {

namespace {

constexpr unsigned max_shards = 4096;
constexpr unsigned max_entries = 4096;
constexpr unsigned max_indexes = 4;
constexpr off_t max_index_bytes = 16 << 20;
constexpr std::string_view index_suffix = ".index.json";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// Adds a shard's size to the model when it is there.
void add_shard(int directory_fd, const std::string& name, Model& model) {
  struct stat status {};
  if (fstatat(directory_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (!S_ISREG(status.st_mode)) return;
  model.bytes += static_cast<uint64_t>(status.st_size);
  ++model.shards;
}

std::vector<std::string> list_indexes(int directory_fd) {
  std::vector<std::string> indexes;
  for (std::string& name : list_names(directory_fd)) {
    if (indexes.size() == max_indexes) break;
    if (ends_with(name, index_suffix)) indexes.push_back(std::move(name));
  }
  return indexes;
}

std::string read_index(int directory_fd, const std::string& name) {
  const UniqueFd file(openat(directory_fd, name.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size > max_index_bytes) {
    return {};
  }
  std::string text(static_cast<size_t>(status.st_size), '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = read(file.get(), text.data() + filled, text.size() - filled);
    if (got <= 0) break;
    filled += static_cast<size_t>(got);
  }
  text.resize(filled);
  return text;
}

// Just enough JSON for {"weight_map": {"tensor": "file", …}}.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool skip_past(std::string_view what) {
    const size_t found = text_.find(what, at_);
    if (found == std::string_view::npos) return false;
    at_ = found + what.size();
    return true;
  }

  bool take(char wanted) {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    }
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  // A string; escapes stay as they are.
  bool string(std::string_view& value) {
    if (!take('"')) return false;
    const size_t begin = at_;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        value = text_.substr(begin, at_++ - begin);
        return true;
      }
    }
    return false;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::vector<std::string> list_names(int directory_fd) {
  std::vector<std::string> names;
  const int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd), closedir);
  if (!directory) {
    close(fd);
    return names;
  }
  while (names.size() < max_entries) {
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) break;
    names.emplace_back(entry->d_name);
  }
  return names;
}

std::string ShardName::shard(unsigned number) const {
  std::string text = std::to_string(number);
  if (text.size() < digits) text.insert(0, digits - text.size(), '0');
  return before + "-" + text + "-of-" + total + after;
}

std::optional<ShardName> parse_shard_name(std::string_view name) {
  constexpr std::string_view of = "-of-";
  constexpr size_t max_digits = 6;
  const size_t at = name.rfind(of);
  if (at == std::string_view::npos) return std::nullopt;
  size_t begin = at;
  while (begin > 0 && is_digit(name[begin - 1])) --begin;
  size_t end = at + of.size();
  while (end < name.size() && is_digit(name[end])) ++end;
  ShardName shard;
  shard.total = name.substr(at + of.size(), end - at - of.size());
  shard.digits = static_cast<unsigned>(at - begin);
  if (begin < 2 || name[begin - 1] != '-' || shard.digits == 0 || shard.digits > max_digits ||
      shard.total.empty() || shard.total.size() > max_digits) {
    return std::nullopt;
  }
  shard.before = name.substr(0, begin - 1);
  shard.after = name.substr(end);
  shard.count = static_cast<unsigned>(std::strtoul(shard.total.c_str(), nullptr, 10));
  return shard;
}

std::vector<std::string> parse_weight_map(std::string_view json) {
  Scanner scanner(json);
  std::set<std::string_view> files;
  if (!scanner.skip_past("\"weight_map\"") || !scanner.take(':') || !scanner.take('{')) return {};
  do {
    std::string_view tensor;
    std::string_view file;
    if (!scanner.string(tensor) || !scanner.take(':') || !scanner.string(file)) return {};
    const bool plain = !file.empty() && file[0] != '.' &&
                       file.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
    if (plain) files.insert(file);
    if (files.size() > max_shards) return {};
  } while (scanner.take(','));
  if (!scanner.take('}')) return {};
  return {files.begin(), files.end()};
}

Model find_model(int directory_fd, const std::string& path, uint64_t file_size) {
  Model alone{path, file_size, 1};
  const size_t slash = path.rfind('/');
  const std::string directory = path.substr(0, slash + 1);
  const std::string name = path.substr(slash + 1);

  if (const auto shard = parse_shard_name(name)) {
    Model model{directory + shard->before + shard->after, 0, 0};
    for (unsigned i = 0; i <= std::min(shard->count, max_shards); ++i) {
      add_shard(directory_fd, shard->shard(i), model);
    }
    return model.shards > 0 ? model : alone;
  }
  for (const std::string& index : list_indexes(directory_fd)) {
    const auto files = parse_weight_map(read_index(directory_fd, index));
    if (std::find(files.begin(), files.end(), name) == files.end()) continue;
    Model model{directory + index.substr(0, index.size() - index_suffix.size()), 0, 0};
    for (const std::string& file : files) add_shard(directory_fd, file, model);
    return model.shards > 0 ? model : alone;
  }
  return alone;
}

}  // namespace tuneshift
