// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "libtune/catalogue.h"

namespace tuneshift {

/// What the catalogue knows of a kind, in words, for messages and documentation.

/// "0 to 200", "at least 4 KiB"; empty where anything goes.
std::string range_text(const KnobInfo& kind);

/// "number", "word" or "text".
std::string type_text(const KnobInfo& kind);

/// What there is one of: "machine", "disk", "unit and disk", …
std::string target_text(const KnobInfo& kind);

/// "freezes the queue; moves queue/nr_requests; …": empty where a write does nothing else.
std::string effects_text(const KnobInfo& kind);

/// How it comes back: "written back", "-1 leads to the kernel's default", "let go".
std::string restore_text(const KnobInfo& kind);

}  // namespace tuneshift
