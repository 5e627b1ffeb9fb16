# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much of its own speed a program keeps beside the daemon."""
import dataclasses
import random
import statistics

ROUNDS = 9
LEAST_RATIO = 0.98
_RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Speed:
    """Ratio of the median times without and with the daemon: 1 where it costs nothing."""
    ratio: float
    low: float  # between both lies the ratio with 95 %: bootstrap over the rounds
    high: float

    @property
    def is_slow(self):
        """Whether it is shown to lose more than it may: not where the spread says nothing."""
        return self.high < LEAST_RATIO


def compare(alone, watched):
    """From seconds in rounds that took turns."""
    chance = random.Random(1)

    def ratio(pick):
        return statistics.median(pick(alone)) / statistics.median(pick(watched))

    ratios = sorted(ratio(lambda times: chance.choices(times, k=len(times)))
                    for _ in range(_RESAMPLES))
    return Speed(ratio(lambda times: times), ratios[_RESAMPLES // 40],
                 ratios[-1 - _RESAMPLES // 40])
