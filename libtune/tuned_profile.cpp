// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/tuned_profile.h"

#include <fnmatch.h>
#include <regex.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "libtune/escape.h"
#include "libtune/suggest.h"
#include "libtune/trusted_file.h"
#include "libtune/tuned_file.h"

namespace tuneshift {

namespace {

constexpr size_t kLargestFile = 256 << 10;
constexpr size_t kMostFiles = 64;
constexpr size_t kLongestValue = 4096;
constexpr const char* kFile = "tuned.conf";

std::vector<std::string> split(std::string_view text, std::string_view separators) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos && text.size() < kLongestValue;
       at = text.find(from, at + to.size())) {
    if (at > 0 && text[at - 1] == '\\') {
      text.erase(at - 1, 1);  // "\${x}" stands for itself
      at += from.size() - 1;
      continue;
    }
    text.replace(at, from.size(), to);
  }
}

/// tuned's ^[a-zA-Z0-9_.-]+$; nothing that leads out of the directory.
bool is_safe_name(std::string_view name) {
  if (name.empty() || name.size() > 128 || name.front() == '.') return false;
  return name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
             "0123456789_.-") == std::string_view::npos;
}

bool is_true(const std::string& text) {
  return text == "True" || text == "true" || text == "1";
}

/// One section as it is merged.
struct Unit {
  std::string name;
  std::string type;
  bool enabled = true;
  std::string devices = "*";
  std::string devices_udev_regex;
  std::string cpuinfo_regex;
  std::string uname_regex;
  TunedSection options;
  std::map<std::string, std::string> files;  ///< key → its file
};

class Reader {
 public:
  Reader(const KernelFs& kernel, const std::vector<std::string>& directories)
      : kernel_(kernel), directories_(directories) {}

  Result<TunedProfile> read(const std::string& names) {
    profile_.name = names;
    const auto list = split(names, " \t\n");
    if (list.empty()) return Error{ErrorCode::not_found, "no name of a profile", {}, 0};
    for (const std::string& name : list) {
      const Status done = load(name);
      if (!done) return done.error();
    }
    take_variables();
    for (Unit& unit : units_) list_settings(unit);
    return std::move(profile_);
  }

 private:
  Status load(std::string name) {
    const bool optional = name.starts_with('-');
    if (optional) name.erase(0, 1);
    if (!is_safe_name(name)) {
      return Error{ErrorCode::not_found, "no profile '" + escape(name, 64) + "'", {}, 0};
    }
    bool is_in = false;
    for (auto directory = directories_.rbegin(); directory != directories_.rend(); ++directory) {
      const std::string path = *directory + "/" + name;
      // As where a profile of /etc extends one of the same name.
      if (files_.contains(path)) {
        is_in = true;
        continue;
      }
      const auto opened = TrustedDirectory::open(path);
      if (!opened && opened.error().code == ErrorCode::not_found) continue;
      if (!opened) return opened.error().with_context(path);
      const auto text = opened.value().read(kFile, kLargestFile);
      if (!text && text.error().code == ErrorCode::not_found) continue;
      if (!text) return text.error().with_context(opened.value().path_of(kFile));
      files_.insert(path);
      if (files_.size() > kMostFiles) {
        return Error{ErrorCode::limit_exceeded, "more than 64 profiles are included", path, 0};
      }
      return merge_file(name, path, text.value());
    }
    return optional || is_in ? Status() : unknown(name);
  }

  Error unknown(const std::string& name) const {
    const auto known = list_tuned_profiles(directories_);
    const std::vector<std::string_view> names(known.begin(), known.end());
    return {ErrorCode::not_found,
            "no profile '" + escape(name, 64) + "'" + did_you_mean(nearest(name, names)),
            {},
            0};
  }

  Status merge_file(const std::string& name, const std::string& path, std::string text) {
    replace_all(text, "${i:PROFILE_DIR}", path);
    auto sections = parse_tuned_file(text);
    if (!sections) return sections.error().with_context(path + "/" + kFile);
    for (TunedSection& section : sections.value()) {
      if (section.name != "main") continue;
      const std::string include = section.take("include");
      if (include.find("${") != std::string::npos) {
        profile_.problems.push_back("[main] include = " + include +
                                    ": what tuned computes is not followed");
        continue;
      }
      for (const std::string& one : split(include, ",; \t\n")) {
        Status done = load(one);
        if (!done) return done;
      }
    }
    for (TunedSection& section : sections.value()) {
      if (section.name == "main") {
        const std::string summary = section.take("summary");
        if (!summary.empty()) profile_.summary = summary;
      } else {
        merge_section(name, section);
      }
    }
    return {};
  }

  /// tuned/profiles/unit.py and merger.py.
  void merge_section(const std::string& file, TunedSection& section) {
    const auto known = std::find_if(units_.begin(), units_.end(),
                                    [&](const Unit& unit) { return unit.name == section.name; });
    const bool replaces = is_true(section.take("replace"));
    const bool fresh = known == units_.end();
    Unit& unit = fresh ? units_.emplace_back() : *known;
    if (replaces) unit = Unit{};
    unit.name = section.name;
    const std::string type = section.take("type");
    unit.type = type.empty() ? section.name : type;
    const std::string enabled = section.take("enabled");
    unit.enabled = enabled.empty() || is_true(enabled);
    const std::string devices = section.take("devices");
    unit.devices = devices.empty() ? "*" : devices;
    for (auto& [key, field] : {std::pair("devices_udev_regex", &unit.devices_udev_regex),
                               std::pair("cpuinfo_regex", &unit.cpuinfo_regex),
                               std::pair("uname_regex", &unit.uname_regex)}) {
      const std::string value = section.take(key);
      if (!value.empty()) *field = value;
    }
    for (const std::string& dropped : split(section.take("drop"), ",; \t\n")) {
      unit.options.take(dropped);
    }
    section.take("priority");
    for (auto& [key, value] : section.options) {
      unit.options.set(key, std::move(value));
      unit.files[key] = file;
    }
  }

  void take_variables() {
    const auto found = std::find_if(units_.begin(), units_.end(),
                                    [](const Unit& unit) { return unit.name == "variables"; });
    if (found == units_.end()) return;
    for (const auto& [key, value] : found->options.options) {
      if (key == "include") {
        include_variables(value);
      } else {
        add_variable(key, value);
      }
    }
    units_.erase(found);
  }

  void include_variables(const std::string& path) {
    const auto text = read_trusted_file(path, kLargestFile);
    const auto sections = text ? parse_tuned_file(text.value(), true)
                               : Result<std::vector<TunedSection>>(text.error());
    if (!sections) {
      profile_.problems.push_back("[variables] include = " + path + ": " +
                                  sections.error().message);
      return;
    }
    for (const TunedSection& section : sections.value()) {
      for (const auto& [key, value] : section.options) add_variable(key, value);
    }
  }

  void add_variable(const std::string& name, const std::string& value) {
    variables_.emplace_back("${" + name + "}", expand(value));
  }

  [[nodiscard]] std::string expand(std::string text) const {
    for (auto variable = variables_.rbegin(); variable != variables_.rend(); ++variable) {
      replace_all(text, variable->first, variable->second);
    }
    return text;
  }

  void list_settings(Unit& unit) {
    const std::string why = why_not(unit);
    for (const auto& [key, value] : unit.options.options) {
      TunedSetting setting{unit.name,       unit.type, expand(unit.devices), key, expand(value),
                           unit.files[key], why};
      const bool computed = setting.value.find("${") != std::string::npos ||
                            setting.devices.find("${") != std::string::npos;
      if (setting.unusable.empty() && computed) setting.unusable = "tuned computes it";
      profile_.settings.push_back(std::move(setting));
    }
  }

  [[nodiscard]] std::string why_not(const Unit& unit) const {
    if (!unit.enabled) return "the section is not enabled";
    if (!unit.uname_regex.empty() && !matches(expand(unit.uname_regex), uname())) {
      return "only where uname matches '" + expand(unit.uname_regex) + "'";
    }
    if (!unit.cpuinfo_regex.empty() && !matches(expand(unit.cpuinfo_regex), cpuinfo())) {
      return "only where /proc/cpuinfo matches '" + expand(unit.cpuinfo_regex) + "'";
    }
    if (!unit.devices_udev_regex.empty()) return "only for devices with certain udev properties";
    return "";
  }

  static bool matches(const std::string& pattern, const std::string& text) {
    regex_t compiled;
    const int flags = REG_EXTENDED | REG_NOSUB | REG_NEWLINE;
    if (::regcomp(&compiled, pattern.c_str(), flags) != 0) return false;
    const bool found = ::regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    ::regfree(&compiled);
    return found;
  }

  [[nodiscard]] std::string uname() const {
    std::string text;
    for (const char* part : {"ostype", "hostname", "osrelease", "version", "arch"}) {
      const auto value = kernel_.read(std::string("proc/sys/kernel/") + part);
      text += (text.empty() ? "" : " ") + (value ? value.value() : "");
    }
    return text;
  }

  [[nodiscard]] std::string cpuinfo() const {
    const auto text = kernel_.read("proc/cpuinfo");
    return text ? text.value() : "";
  }

  const KernelFs& kernel_;
  const std::vector<std::string>& directories_;
  TunedProfile profile_;
  std::vector<Unit> units_;
  std::vector<std::pair<std::string, std::string>> variables_;
  std::set<std::string> files_;
};

}  // namespace

std::vector<std::string> tuned_directories(const std::string& library, const std::string& config) {
  return {library, config, library + "/profiles", config + "/profiles"};
}

Result<TunedProfile> read_tuned_profile(const KernelFs& kernel,
                                        const std::vector<std::string>& directories,
                                        const std::string& name) {
  return Reader(kernel, directories).read(name);
}

std::vector<std::string> list_tuned_profiles(const std::vector<std::string>& directories) {
  std::set<std::string> names;
  for (const std::string& directory : directories) {
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(directory, failed), end;
         !failed && entry != end && names.size() < kLongestValue; entry.increment(failed)) {
      std::error_code ignored;
      if (std::filesystem::is_regular_file(entry->path() / kFile, ignored)) {
        names.insert(entry->path().filename());
      }
    }
  }
  return {names.begin(), names.end()};
}

bool matches_devices(std::string_view patterns, const std::string& device) {
  bool any_positive = false;
  bool matched = false;
  bool excluded = false;
  for (const std::string& one : split(patterns, ", \t\n")) {
    const bool negative = one.starts_with('!');
    const bool fits = ::fnmatch(one.c_str() + (negative ? 1 : 0), device.c_str(), 0) == 0;
    any_positive = any_positive || !negative;
    matched = matched || (!negative && fits);
    excluded = excluded || (negative && fits);
  }
  return (matched || !any_positive) && !excluded;
}

}  // namespace tuneshift
