// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/value.h"

#include <cstdio>

namespace tuneshift {

namespace {

std::string to_string(const Amount& amount) {
  if (!amount.percent_of_memory) return std::to_string(amount.number);
  char text[32];
  std::snprintf(text, sizeof(text), "%g%%", *amount.percent_of_memory);
  return text;
}

struct Printer {
  std::string operator()(const Exactly& exactly) const { return exactly.text; }

  std::string operator()(const Share& share) const { return to_string(share.amount); }

  std::string operator()(const Bounds& bounds) const {
    std::string text;
    if (bounds.at_least) text = "at least " + to_string(*bounds.at_least);
    if (bounds.at_most)
      text += (text.empty() ? "at most " : ", at most ") + to_string(*bounds.at_most);
    return text;
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
