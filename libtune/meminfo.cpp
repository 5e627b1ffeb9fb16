// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/meminfo.h"

#include <algorithm>
#include <string>

#include "libtune/number.h"

namespace tuneshift {

Result<int64_t> read_meminfo(const KernelFs& kernel, std::string_view line) {
  constexpr std::string_view kPath = "proc/meminfo";
  const auto text = kernel.read(kPath);
  if (!text) return text.error();
  const std::string label = std::string(line) + ":";
  std::string_view rest = text.value();
  while (!rest.empty()) {
    std::string_view one = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    if (one.substr(0, label.size()) != label) continue;
    one.remove_prefix(label.size());
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    const auto kib = parse_integer(one.substr(0, one.find_first_not_of("0123456789")));
    if (kib && *kib < INT64_MAX / 1024) return *kib;
  }
  return Error{ErrorCode::unsupported, "proc/meminfo has no line " + label, std::string(kPath), 0};
}

}  // namespace tuneshift
