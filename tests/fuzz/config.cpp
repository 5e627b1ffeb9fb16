// SPDX-License-Identifier: LGPL-2.1-or-later
// A configuration of anybody's making: every field stays within its range, whatever the file says.
#include "libtune/config.h"

#include <string>

#include "libtune/profile_file.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/messages.h"
#include "tests/fuzz/target.h"

using namespace tuneshift;
using namespace tuneshift::fuzz;

namespace {

constexpr const char* kPath = "etc/tuneshift.yaml";
constexpr uint64_t kHourMs = 3600000;

bool is_in(uint64_t number, uint64_t lowest, uint64_t highest) {
  return number >= lowest && number <= highest;
}

void check_config(const Config& config) {
  Mode mode = Mode::observe;
  check(parse_mode(to_string(config.mode), mode) && mode == config.mode, "the mode is one of four");
  check(is_profile_name(config.loading_profile), "loading is a profile's name",
        config.loading_profile);
  check(is_profile_name(config.serving_profile), "serving is a profile's name",
        config.serving_profile);
  check(is_in(config.size_floor_bytes, 1ULL << 20, 1ULL << 40), "size_floor is in its range");
  check(is_in(config.settle_ms, 100, kHourMs / 6), "settle is in its range");
  check(is_in(config.dwell_ms, 0, 24 * kHourMs), "dwell is in its range");
  check(is_in(config.writes_per_hour, 1, 3600), "writes_per_hour is in its range");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Diagnostics mistakes;
  check_config(parse_config(text, kPath, mistakes));
  check_diagnostics(mistakes, kPath, text);
  return 0;
}
