// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/event.h"

namespace tuneshift {

const char* to_string(Evidence evidence) {
  switch (evidence) {
    case Evidence::mapping:
      return "mapping";
    case Evidence::read_miss:
      return "read miss";
    case Evidence::direct_read:
      return "direct read";
    case Evidence::cache_fill:
      return "cache fill";
    case Evidence::sampled:
      break;
  }
  return "sampled";
}

}  // namespace tuneshift
