// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/profile.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libtune/layers.h"
#include "libtune/profile_file.h"
#include "libtune/suggest.h"
#include "libtune/trusted_file.h"

namespace tuneshift {

namespace {

constexpr size_t kMostFiles = 256;
constexpr size_t kLargestFileBytes = size_t{256} << 10;
constexpr std::string_view kSuffix = ".yaml";

/// Reads profiles and their drop-ins.
class Sources {
 public:
  Sources(const std::vector<std::string>& directories, Diagnostics& mistakes)
      : directories_(directories), mistakes_(mistakes) {}

  std::map<std::string, ProfileFile> read() {
    Layers layers(std::string(kSuffix), kMostFiles, mistakes_);
    for (const std::string& directory : directories_) layers.add(directory);
    std::map<std::string, ProfileFile> profiles;
    for (const auto& [file, index] : layers.files()) {
      const TrustedDirectory& directory = layers.directory(index);
      const std::string name = file.substr(0, file.size() - kSuffix.size());
      if (!is_profile_name(name)) {
        mistakes_.push_back({directory.path_of(file), 0, 0, kProfileNameRule});
        continue;
      }
      auto parsed = read_file(directory, file, file, FileKind::profile);
      if (!parsed) break;
      ProfileFile& profile = profiles[name] = std::move(*parsed);
      add_drop_ins(file, profile);
    }
    return profiles;
  }

 private:
  void add_drop_ins(const std::string& file, ProfileFile& profile) {
    const std::string folder = file + ".d";
    Layers layers(std::string(kSuffix), kMostFiles, mistakes_);
    for (const std::string& directory : directories_) layers.add(directory + "/" + folder);
    for (const auto& [name, index] : layers.files()) {
      auto drop_in =
          read_file(layers.directory(index), name, folder + "/" + name, FileKind::drop_in);
      if (!drop_in) return;
      for (auto& entry : drop_in->entries) profile.entries.push_back(std::move(entry));
      for (auto& module : drop_in->modules) profile.modules.push_back(std::move(module));
    }
  }

  /// Nothing once there are too many files.
  std::optional<ProfileFile> read_file(const TrustedDirectory& directory, const std::string& file,
                                       const std::string& origin, FileKind kind) {
    if (files_read_ == kMostFiles) {
      mistakes_.push_back({directory.path_of(file), 0, 0,
                           "more than " + std::to_string(kMostFiles) + " profiles and drop-ins"});
      return std::nullopt;
    }
    ++files_read_;
    const auto text = directory.read(file, kLargestFileBytes);
    if (text) {
      return parse_profile_file(text.value(), origin, directory.path_of(file), mistakes_, kind);
    }
    add_mistake(text.error(), mistakes_);
    return ProfileFile{};
  }

  const std::vector<std::string>& directories_;
  Diagnostics& mistakes_;
  size_t files_read_ = 0;
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
        add_modules(profile, included->modules);
      }
    }
    for (const ProfileEntry& entry : file.entries) put(profile, entry);
    add_modules(profile, file.modules);
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

  /// A line without conditions makes the earlier ones for its knob meaningless.
  static void put(Profile& profile, const ProfileEntry& entry) {
    if (entry.matches.empty()) {
      std::erase_if(profile.entries, [&](const ProfileEntry& earlier) {
        return earlier.kind == entry.kind && earlier.unit == entry.unit;
      });
      if (entry.drop) return;
    }
    profile.entries.push_back(entry);
  }

  static void add_modules(Profile& profile, const std::vector<std::string>& modules) {
    auto& all = profile.modules;
    all.insert(all.end(), modules.begin(), modules.end());
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
  }

  const std::map<std::string, ProfileFile>& files_;
  Diagnostics& mistakes_;
  Profiles done_;
  std::vector<std::string> path_;  // of the profiles being merged, outermost first
};

}  // namespace

Profiles read_profiles(const std::vector<std::string>& directories, Diagnostics& mistakes) {
  const size_t first = mistakes.size();
  const std::map<std::string, ProfileFile> files = Sources(directories, mistakes).read();
  Profiles profiles = IncludeResolver(files, mistakes).resolve();
  sort_by_position(mistakes, first);
  return profiles;
}

}  // namespace tuneshift
