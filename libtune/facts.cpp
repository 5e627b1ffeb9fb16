// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/facts.h"

namespace tuneshift {

const char* to_string(Format format) {
  switch (format) {
    case Format::safetensors:
      return "safetensors";
    case Format::gguf:
      return "gguf";
    case Format::torch_zip:
      return "torch";
    case Format::unknown:
      break;
  }
  return "unknown";
}

}  // namespace tuneshift
