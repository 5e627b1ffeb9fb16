// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "libtune/mistakes.h"
#include "libtune/number.h"
#include "libtune/profile_file.h"
#include "libtune/suggest.h"
#include "libtune/trusted_file.h"
#include "libtune/yaml_document.h"

namespace tuneshift {

namespace {

constexpr size_t kLargestFileBytes = size_t{64} << 10;
constexpr std::array kModes = {Mode::observe, Mode::automatic, Mode::manual, Mode::paused};

struct Unit {
  std::string_view suffix;
  uint64_t factor;
};

// Longer suffixes first: "ms" ends in "s".
constexpr uint64_t kSecond = 1000;
constexpr uint64_t kMinute = 60 * kSecond;
constexpr uint64_t kHour = 60 * kMinute;
constexpr std::array kDurations = {Unit{"ms", 1}, Unit{"s", kSecond}, Unit{"m", kMinute},
                                   Unit{"h", kHour}};

// A natural number with one of the suffixes; the largest number there is where it overflows.
template <size_t N>
std::optional<uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (!text.ends_with(unit.suffix)) continue;
    const auto number = parse_integer(text.substr(0, text.size() - unit.suffix.size()));
    if (!number || *number < 0) return std::nullopt;
    const auto natural = static_cast<uint64_t>(*number);
    return natural > UINT64_MAX / unit.factor ? UINT64_MAX : natural * unit.factor;
  }
  return std::nullopt;
}

std::optional<uint64_t> parse_count(std::string_view text) {
  const auto number = parse_integer(text);
  if (!number || *number < 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

class ConfigParser {
 public:
  ConfigParser(const std::string& file, Diagnostics& mistakes) : mistakes_(file, mistakes) {}

  Config parse(const std::string& text) {
    const auto root = parse_yaml(text, mistakes_);
    if (!root || root->kind == YamlNode::Kind::empty) return config_;
    if (root->kind != YamlNode::Kind::map) {
      mistakes_.add(root->at, "a configuration is a map of keys");
      return config_;
    }
    parse_map(*root, {"mode", "profiles", "detection", "probes", "switching", "prefetch", "cgroup"},
              &ConfigParser::parse_root);
    return config_;
  }

 private:
  using Keys = std::vector<std::string_view>;
  using Handler = void (ConfigParser::*)(const YamlNode& key, const YamlNode& value);

  void parse_map(const YamlNode& map, const Keys& known, Handler handler) {
    for (size_t i = 0; i < map.keys.size(); ++i) {
      const YamlNode& key = map.keys[i];
      if (std::find(known.begin(), known.end(), key.text) == known.end()) {
        mistakes_.add(key.at,
                      "unknown key " + quoted(key.text) + did_you_mean(nearest(key.text, known)));
      } else {
        (this->*handler)(key, map.items[i]);
      }
    }
  }

  void parse_section(const YamlNode& key, const YamlNode& value, const Keys& known,
                     Handler handler) {
    if (value.kind == YamlNode::Kind::empty) return;  // every line of it is commented out
    if (value.kind != YamlNode::Kind::map) {
      mistakes_.add(key.at, "section " + quoted(key.text) + " takes a map of keys");
      return;
    }
    parse_map(value, known, handler);
  }

  void parse_root(const YamlNode& key, const YamlNode& value) {
    if (key.text == "mode") {
      read_mode(key, value);
    } else if (key.text == "profiles") {
      parse_section(key, value, {"loading", "serving"}, &ConfigParser::parse_profiles);
    } else if (key.text == "detection") {
      parse_section(key, value, {"size_floor", "settle"}, &ConfigParser::parse_detection);
    } else if (key.text == "probes") {
      parse_section(key, value, {"off"}, &ConfigParser::parse_probes);
    } else if (key.text == "switching") {
      parse_section(key, value, {"dwell", "writes_per_hour"}, &ConfigParser::parse_switching);
    } else if (key.text == "prefetch") {
      parse_section(key, value, {"enabled", "account", "stand_down"},
                    &ConfigParser::parse_prefetch);
    } else {
      parse_section(key, value, {"allow_kubernetes"}, &ConfigParser::parse_cgroup);
    }
  }

  void parse_profiles(const YamlNode& key, const YamlNode& value) {
    if (!has_one_value(key, value)) return;
    if (!is_profile_name(value.text)) {
      mistakes_.add(value.at, quoted(value.text) + ": " + kProfileNameRule);
      return;
    }
    (key.text == "loading" ? config_.loading_profile : config_.serving_profile) = value.text;
  }

  void parse_detection(const YamlNode& key, const YamlNode& value) {
    if (!has_one_value(key, value)) return;
    if (key.text == "size_floor") {
      const char* form = "is not a size: bytes, or a number with KiB, MiB, GiB or TiB";
      set(config_.size_floor_bytes, key, value, parse_size(value.text), form,
          {1ULL << 20, 1ULL << 40, "1MiB to 1TiB"});
    } else {
      set(config_.settle_ms, key, value, parse_with_unit(value.text, kDurations), kDurationForm,
          {100, 10 * kMinute, "100ms to 10m"});
    }
  }

  void parse_probes(const YamlNode& key, const YamlNode& value) {
    if (value.kind != YamlNode::Kind::list) {
      mistakes_.add(key.at, "'off' takes a list of signals");
      return;
    }
    const Keys known(signal_names.begin(), signal_names.end());
    for (const YamlNode& signal : value.items) {
      if (std::find(known.begin(), known.end(), signal.text) != known.end()) {
        config_.signals_off.insert(signal.text);
      } else {
        mistakes_.add(signal.at, "unknown signal " + quoted(signal.text) +
                                     did_you_mean(nearest(signal.text, known)));
      }
    }
  }

  void parse_switching(const YamlNode& key, const YamlNode& value) {
    if (!has_one_value(key, value)) return;
    if (key.text == "dwell") {
      set(config_.dwell_ms, key, value, parse_with_unit(value.text, kDurations), kDurationForm,
          {0, 24 * kHour, "0s to 24h"});
    } else {
      set(config_.writes_per_hour, key, value, parse_count(value.text), "is not a whole number",
          {1, 3600, "1 to 3600"});
    }
  }

  void parse_prefetch(const YamlNode& key, const YamlNode& value) {
    if (!has_one_value(key, value)) return;
    if (key.text == "enabled") {
      read_switch(config_.prefetch, key, value);
    } else if (key.text == "stand_down") {
      read_switch(config_.prefetch_stand_down, key, value);
    } else if (value.text == "reader" || value.text == "daemon") {
      config_.prefetch_account_daemon = value.text == "daemon";
    } else {
      mistakes_.add(value.at, "'account' takes reader or daemon, not " + quoted(value.text));
    }
  }

  void parse_cgroup(const YamlNode& key, const YamlNode& value) {
    if (has_one_value(key, value)) read_switch(config_.allow_kubernetes, key, value);
  }

  void read_switch(bool& field, const YamlNode& key, const YamlNode& value) {
    if (value.text != "true" && value.text != "false") {
      mistakes_.add(value.at, quoted(key.text) + " takes true or false, not " + quoted(value.text));
    }
    field = value.text == "true";
  }

  void read_mode(const YamlNode& key, const YamlNode& value) {
    if (!has_one_value(key, value) || parse_mode(value.text, config_.mode)) return;
    const std::string suggestion = nearest(value.text, {"observe", "auto", "manual", "paused"});
    mistakes_.add(value.at, "unknown mode " + quoted(value.text) +
                                (suggestion.empty() ? ": known are observe, auto, manual and paused"
                                                    : did_you_mean(suggestion)));
  }

  struct Range {
    uint64_t lowest;
    uint64_t highest;
    const char* text;
  };

  template <typename Number>
  void set(Number& field, const YamlNode& key, const YamlNode& value,
           std::optional<uint64_t> number, const char* form, const Range& range) {
    if (!number) {
      mistakes_.add(value.at, quoted(value.text) + " " + form);
    } else if (*number < range.lowest || *number > range.highest) {
      mistakes_.add(value.at,
                    quoted(value.text) + " is out of range for '" + key.text + "': " + range.text);
    } else {
      field = static_cast<Number>(*number);
    }
  }

  bool has_one_value(const YamlNode& key, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::scalar) return true;
    mistakes_.add(key.at,
                  quoted(key.text) +
                      (value.kind == YamlNode::Kind::empty ? " has no value" : " takes one value"));
    return false;
  }

  static constexpr const char* kDurationForm = "is not a duration: a number with ms, s, m or h";

  FileMistakes mistakes_;
  Config config_;
};

}  // namespace

const char* to_string(Mode mode) {
  switch (mode) {
    case Mode::observe:
      return "observe";
    case Mode::automatic:
      return "auto";
    case Mode::manual:
      return "manual";
    case Mode::paused:
      break;
  }
  return "paused";
}

bool parse_mode(const std::string& text, Mode& mode) {
  for (Mode known : kModes) {
    if (text != to_string(known)) continue;
    mode = known;
    return true;
  }
  return false;
}

Config parse_config(const std::string& text, const std::string& file, Diagnostics& mistakes) {
  const size_t first = mistakes.size();
  Config config = ConfigParser(file, mistakes).parse(text);
  sort_by_position(mistakes, first);
  return config;
}

Config read_config(const std::string& path, Diagnostics& mistakes) {
  const auto text = read_trusted_file(path, kLargestFileBytes);
  if (text) return parse_config(text.value(), path, mistakes);
  if (text.error().code != ErrorCode::not_found) {
    mistakes.push_back({text.error().path, 0, 0, text.error().message});
  }
  return {};
}

}  // namespace tuneshift
