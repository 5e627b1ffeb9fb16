// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/compare/statistics.h"

#include <algorithm>
#include <cstddef>
#include <random>

namespace tuneshift {

namespace {

constexpr size_t kResamples = 2000;
constexpr double kTail = 0.025;  // on either side: 95 % lie between

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Ratio ratio_of_medians(const std::vector<double>& of, const std::vector<double>& by) {
  if (of.size() != by.size() || median(by) == 0) return {};
  std::mt19937_64 random(1);
  std::vector<double> ratios;
  std::vector<double> drawn_of(of.size());
  std::vector<double> drawn_by(by.size());
  while (ratios.size() < kResamples) {
    for (size_t i = 0; i < of.size(); ++i) {
      const size_t round = random() % of.size();
      drawn_of[i] = of[round];
      drawn_by[i] = by[round];
    }
    ratios.push_back(median(drawn_of) / median(drawn_by));
  }
  std::sort(ratios.begin(), ratios.end());
  const auto below = static_cast<size_t>(kTail * kResamples);
  return {median(of) / median(by), ratios[below], ratios[kResamples - 1 - below]};
}

}  // namespace tuneshift
