// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/value.h"

#include <cstdio>

namespace tuneshift {

namespace {

std::string to_string(const Amount& amount) {
  char text[32];
  if (amount.percent_of_memory) {
    std::snprintf(text, sizeof(text), "%g%%", *amount.percent_of_memory);
  } else if (amount.per_cpu) {
    std::snprintf(text, sizeof(text), "%g/cpu", *amount.per_cpu);
  } else {
    return std::to_string(amount.number);
  }
  return text;
}

std::string bounds_text(const std::optional<Amount>& at_least,
                        const std::optional<Amount>& at_most) {
  std::string text;
  if (at_least) text = "at least " + to_string(*at_least);
  if (at_most) text += (text.empty() ? "at most " : ", at most ") + to_string(*at_most);
  return text;
}

struct Printer {
  std::string operator()(const Exactly& exactly) const { return exactly.text; }

  std::string operator()(const Share& share) const {
    std::string text = to_string(share.amount);
    const std::string bounds = bounds_text(share.at_least, share.at_most);
    if (!bounds.empty()) text += ", " + bounds;
    if (share.only == Direction::raise) text += ", only up";
    if (share.only == Direction::lower) text += ", only down";
    return text;
  }

  std::string operator()(const Bounds& bounds) const {
    return bounds_text(bounds.at_least, bounds.at_most);
  }

  std::string operator()(const FirstOf& first_of) const {
    std::string text;
    for (size_t i = 0; i < first_of.choices.size(); ++i) {
      if (i > 0) text += i + 1 == first_of.choices.size() ? " or " : ", ";
      text += first_of.choices[i];
    }
    return text;
  }
};

}  // namespace

std::string to_string(const ValueSpec& spec) {
  return std::visit(Printer{}, spec);
}

}  // namespace tuneshift
