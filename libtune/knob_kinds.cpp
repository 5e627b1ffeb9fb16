// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/knob_kinds.h"

namespace tuneshift {

KnobInfo number_kind(Family family, std::string_view name, std::string_view unit, int64_t minimum,
                     std::optional<int64_t> maximum, std::string_view source) {
  KnobInfo info;
  info.family = family;
  info.name = name;
  info.unit = unit;
  info.minimum = minimum;
  info.maximum = maximum;
  info.source = source;
  return info;
}

KnobInfo choice_kind(Family family, std::string_view name, std::string_view source) {
  KnobInfo info;
  info.family = family;
  info.name = name;
  info.type = ValueType::choice;
  info.source = source;
  return info;
}

KnobInfo on_request(KnobInfo info) {
  info.use = Use::on_request;
  return info;
}

}  // namespace tuneshift
