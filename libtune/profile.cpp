// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/profile.h"

#include <algorithm>
#include <utility>

#include "libtune/profile_file.h"
#include "libtune/suggest.h"
#include "libtune/trusted_file.h"

namespace tuneshift {

namespace {

constexpr size_t kMostFiles = 256;
constexpr size_t kLargestFileBytes = size_t{256} << 10;
constexpr std::string_view kSuffix = ".yaml";

void add_error(const Error& error, Diagnostics& mistakes) {
  mistakes.push_back({error.path, 0, 0, error.message});
}

// Where each profile comes from, and what was read there.
class Directories {
 public:
  explicit Directories(Diagnostics& mistakes) : mistakes_(mistakes) {}

  void add(const std::string& path) {
    Result<TrustedDirectory> directory = TrustedDirectory::open(path);
    if (!directory) {
      if (directory.error().code != ErrorCode::not_found) add_error(directory.error(), mistakes_);
      return;
    }
    const auto names = directory.value().list(std::string(kSuffix), kMostFiles);
    if (!names) {
      add_error(names.error(), mistakes_);
      return;
    }
    for (const std::string& file : names.value()) {
      const std::string name = file.substr(0, file.size() - kSuffix.size());
      if (is_profile_name(name)) {
        last_with_[name] = opened_.size();
      } else {
        mistakes_.push_back({directory.value().path_of(file), 0, 0, kProfileNameRule});
      }
    }
    opened_.push_back(std::move(directory).value());
  }

  std::map<std::string, ProfileFile> read() {
    std::map<std::string, ProfileFile> files;
    for (const auto& [name, index] : last_with_) {
      if (files.size() == kMostFiles) {
        mistakes_.push_back({opened_[index].path_of(name + ".yaml"), 0, 0,
                             "more than " + std::to_string(kMostFiles) + " profiles"});
        break;
      }
      files[name] = read_one(opened_[index], name);
    }
    return files;
  }

 private:
  ProfileFile read_one(const TrustedDirectory& directory, const std::string& name) {
    const std::string file = name + std::string(kSuffix);
    const auto text = directory.read(file, kLargestFileBytes);
    if (text) return parse_profile_file(text.value(), name, directory.path_of(file), mistakes_);
    add_error(text.error(), mistakes_);
    return {};
  }

  Diagnostics& mistakes_;
  std::vector<TrustedDirectory> opened_;
  std::map<std::string, size_t> last_with_;  // profile → index of the directory that has its file
};

// Merges includes: depth first, each profile once.
class IncludeResolver {
 public:
  IncludeResolver(const std::map<std::string, ProfileFile>& files, Diagnostics& mistakes)
      : files_(files), mistakes_(mistakes) {}

  Profiles resolve() {
    for (const auto& [name, file] : files_) resolve(name, file);
    return std::move(done_);
  }

 private:
  void resolve(const std::string& name, const ProfileFile& file) {
    if (done_.contains(name)) return;
    path_.push_back(name);
    Profile profile;
    profile.name = name;
    profile.summary = file.summary;
    FileMistakes mistakes(file.path, mistakes_);
    for (const YamlNode& include : file.includes) {
      if (const Profile* included = find(include, mistakes)) {
        for (const ProfileEntry& entry : included->entries) put(profile, entry);
      }
    }
    for (const ProfileEntry& entry : file.entries) put(profile, entry);
    path_.pop_back();
    done_[name] = std::move(profile);
  }

  const Profile* find(const YamlNode& include, FileMistakes& mistakes) {
    const auto file = files_.find(include.text);
    if (file == files_.end()) {
      std::vector<std::string_view> names;
      for (const auto& [name, unused] : files_) names.push_back(name);
      mistakes.add(include.at, "unknown profile " + quoted(include.text) +
                                   did_you_mean(nearest(include.text, names)));
      return nullptr;
    }
    const auto begin = std::find(path_.begin(), path_.end(), include.text);
    if (begin != path_.end()) {
      std::string cycle;
      for (auto name = begin; name != path_.end(); ++name) cycle += *name + " includes ";
      mistakes.add(include.at, "include cycle: " + cycle + include.text);
      return nullptr;
    }
    resolve(include.text, file->second);
    return &done_.at(include.text);
  }

  static void put(Profile& profile, const ProfileEntry& entry) {
    for (ProfileEntry& existing : profile.entries) {
      if (existing.kind == entry.kind) {
        existing = entry;
        return;
      }
    }
    profile.entries.push_back(entry);
  }

  const std::map<std::string, ProfileFile>& files_;
  Diagnostics& mistakes_;
  Profiles done_;
  std::vector<std::string> path_;  // of the profiles being merged, outermost first
};

}  // namespace

Profiles read_profiles(const std::vector<std::string>& directories, Diagnostics& mistakes) {
  const size_t first = mistakes.size();
  Directories sources(mistakes);
  for (const std::string& directory : directories) sources.add(directory);
  const std::map<std::string, ProfileFile> files = sources.read();
  Profiles profiles = IncludeResolver(files, mistakes).resolve();
  sort_by_position(mistakes, first);
  return profiles;
}

}  // namespace tuneshift
