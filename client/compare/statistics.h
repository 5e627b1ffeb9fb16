// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <vector>

namespace tuneshift {

/// The middle of `values`, or the mean of the two middle ones; 0 when there are none.
double median(std::vector<double> values);

/// A ratio of medians and where it lies with 95 % confidence.
struct Ratio {
  double value = 0;
  double low = 0;
  double high = 0;
};

/// median(of) / median(by). Both have one value a round, in the order of the rounds. The interval
/// is that of the percentile bootstrap: 2000 times as many rounds are drawn, with replacement, and
/// both values of a round stay together, because what disturbs a store disturbs the whole round.
/// The draws are the same in each run. All of it 0 when the values are none, not as many, or by's
/// median is 0.
Ratio ratio_of_medians(const std::vector<double>& of, const std::vector<double>& by);

}  // namespace tuneshift
