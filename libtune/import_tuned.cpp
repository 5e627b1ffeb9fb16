// SPDX-License-Identifier: LGPL-2.1-or-later
#include <map>

#include "libtune/escape.h"
#include "libtune/profile_file.h"
#include "libtune/tuned_knobs.h"

namespace tuneshift {

namespace {

constexpr size_t kLongestSummary = 200;

bool is_plain(const std::string& text) {
  return !text.empty() && text.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_.+") == std::string::npos;
}

std::string scalar(const std::string& text) {
  if (is_plain(text)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "''" : std::string(1, c);
  return quoted + "'";
}

/// In the notation of a profile of ours.
std::string notation(const std::string& value) {
  if (is_conditional(value)) {
    return std::string("{at_") + (value[0] == '>' ? "least" : "most") + ": " + value.substr(1) +
           "}";
  }
  if (value.find('|') == std::string::npos) return scalar(value);
  std::string list;
  for (size_t begin = 0; begin <= value.size();) {
    const size_t end = std::min(value.find('|', begin), value.size());
    list += (list.empty() ? "" : ", ") + scalar(value.substr(begin, end - begin));
    begin = end + 1;
  }
  return "[" + list + "]";
}

/// The mistake that our own parser finds in it, or empty.
std::string mistake_in(const KnobInfo& kind, const std::string& text) {
  Diagnostics mistakes;
  const std::string yaml =
      std::string(to_string(kind.family)) + ":\n  " + std::string(kind.name) + ": " + text + "\n";
  (void)parse_profile_file(yaml, "imported", "", mistakes);
  return mistakes.empty() ? "" : mistakes.front().message;
}

std::string summary_of(const TunedProfile& profile) {
  std::string text = profile.summary.empty() ? "tuned's profile " + profile.name : profile.summary;
  text = escape(text, kLongestSummary);
  if (text.size() > kLongestSummary) text = "tuned's profile " + escape(profile.name, 64);
  return text;
}

struct Line {
  const TunedSetting* setting = nullptr;
  std::string value;     ///< tuned's
  std::string notation;  ///< ours
};

class Import {
 public:
  explicit Import(const TunedProfile& profile) : profile_(profile) {
    for (const TunedSetting& setting : profile.settings) add(setting);
    drop_zero_twins();
  }

  ImportedProfile print() const {
    ImportedProfile imported;
    imported.left = left_.size() + profile_.problems.size();
    imported.yaml = "# From tuned's profile " + escape(profile_.name) +
                    ".\nsummary: " + scalar(summary_of(profile_)) + "\n";
    for (const auto& [family, lines] : taken_) {
      if (lines.empty()) continue;
      imported.yaml += std::string(to_string(family)) + ":\n";
      for (const auto& [name, line] : lines) {
        imported.yaml += "  " + name + ": " + line.notation + "  # " + line.setting->file + ": [" +
                         escape(line.setting->unit) + "] " + escape(line.setting->key) + "\n";
        ++imported.taken;
      }
    }
    for (const auto& text : left_) imported.yaml += "# not taken over: " + text + "\n";
    for (const auto& text : profile_.problems) {
      imported.yaml += "# not taken over: " + escape(text) + "\n";
    }
    return imported;
  }

 private:
  void add(const TunedSetting& setting) {
    const auto found = find_tuned_target(setting);
    if (!found) return leave(setting, found.error().message);
    const TunedTarget& target = found.value();
    if (!setting.unusable.empty()) return leave(setting, setting.unusable);
    if (target.kind->target != Target::machine && target.devices != "*") {
      return leave(setting, "only for the devices '" + target.devices + "'");
    }
    const std::string text = notation(target.value);
    const std::string mistake = mistake_in(*target.kind, text);
    if (!mistake.empty()) return leave(setting, mistake);
    taken_[target.kind->family][std::string(target.kind->name)] = {&setting, target.value, text};
  }

  /// A 0 that only says that its twin rules.
  void drop_zero_twins() {
    auto& sysctls = taken_[Family::sysctl];
    for (auto line = sysctls.begin(); line != sysctls.end();) {
      const std::string twin(find_kind(Family::sysctl, line->first)->excludes);
      if (line->second.value == "0" && !twin.empty() && sysctls.contains(twin)) {
        leave(*line->second.setting, "0 as long as " + twin + " is set");
        line = sysctls.erase(line);
      } else {
        ++line;
      }
    }
  }

  void leave(const TunedSetting& setting, const std::string& why) {
    left_.push_back("[" + escape(setting.unit) + "] " + escape(setting.key) + " = " +
                    escape(setting.value, 200) + ": " + escape(why));
  }

  const TunedProfile& profile_;
  std::map<Family, std::map<std::string, Line>> taken_;
  std::vector<std::string> left_;
};

}  // namespace

ImportedProfile import_tuned(const TunedProfile& profile) {
  return Import(profile).print();
}

}  // namespace tuneshift
