// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/compare/statistics.h"
#include "client/format.h"
#include "client/json.h"

namespace tuneshift {

/// One way to load the file.
struct Variant {
  std::string name;        ///< "stock", "tuneshift", …
  std::string skipped;     ///< why it was not measured; empty when it was
  std::vector<double> ms;  ///< of the cold loads, one a round
};

/// What was measured, for one file. The first variant is the one that the others are compared with.
struct Comparison {
  std::string path;
  uint64_t size_bytes = 0;
  std::string reader;
  std::vector<Variant> variants;
  std::vector<uint64_t> ceiling;   ///< bytes a second, one a round; empty when skipped
  std::string ceiling_skipped;     ///< why it was not measured
  std::vector<std::string> notes;  ///< what the reader of the figures has to know
};

/// How long the file takes at the ceiling's median; 0 where there is no ceiling.
double ceiling_ms(const Comparison& comparison);

/// How much faster `variant` is than stock: of rounds that both have measured.
Ratio times_stock(const Comparison& comparison, const Variant& variant);

/// "1234", "56.7": milliseconds.
std::string milliseconds(double ms);

/// The table, the ceiling, what was skipped and the notes; ends with a newline.
std::string render(const Comparison& comparison, const Style& style);

Json to_json(const Comparison& comparison);

/// A page of its own: the same, and a plot of each round as SVG. No scripts, nothing external.
std::string render_html(const Comparison& comparison);

}  // namespace tuneshift
