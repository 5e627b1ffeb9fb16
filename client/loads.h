// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

#include "client/connection.h"
#include "client/json.h"

namespace tuneshift {

/// `load` with what Describe tells; as it is when the caller may not ask.
Json with_details(Daemon& daemon, const Json& load);

bool is_loading(const Json& load);

/// The model's name, or "load N" when it is not known.
std::string load_name(const Json& load);

/// "9.3 GiB of 15.0 GiB".
std::string load_progress(const Json& load);

/// Percent, at most 100.
uint64_t load_percent(const Json& load);

/// "3.2 s left", "took 7.1 s", or empty when it is not known.
std::string load_time(const Json& load);

/// The present rate, or that of the whole load when it has ended.
uint64_t load_rate(const Json& load);

}  // namespace tuneshift
