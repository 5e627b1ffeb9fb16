#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows the main job: a real model load, seen and helped, and every knob put back.

Exit status 0 only when all of it truly happened. Leaves nothing behind, also on Ctrl-C.
"""
import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from checks import Checks
from local_load import MODEL_BYTES, LocalLoad
from lib import terminal
from lib.machine import Scratch, Snapshot, disk_scratch
from lib.processes import Failed, cleanup
from lib.service import PrivateBus, Tuneshiftd
from lib.slow_rounds import MODES, SlowRounds
from lib.terminal import paint, say

RATIO_WANTED = 6

CONFIGURATION = """mode: auto
switching:
  dwell: 1s
"""


def slow_store(stack, build, memory, daemon, rounds, checks):
    store = SlowRounds(stack, build, memory, daemon)
    say("512 MiB from a FUSE store with 2 ms a request and a link of 1 GB/s; "
        f"{rounds} rounds, in turn")
    for number in range(1, rounds + 1):
        for mode, name in MODES.items():
            without = store.stock(mode)
            helped = store.helped(mode)
            say(f"  {number}/{rounds}  {name:<18}  without {without:5.0f} ms   "
                f"with tuneshift {paint('green', f'{helped:5.0f} ms')}   {without / helped:4.1f}×")
        store.measure_ceiling()
    for mode, name in MODES.items():
        series = store.series[mode]
        checks.add(f"slow store, {name}: at least {RATIO_WANTED}× faster",
                   series.ratio >= RATIO_WANTED, f"{series.ratio:.1f}×")
        checks.add(f"slow store, {name}: re-windowed in every round",
                   series.rewindowed == rounds, f"{series.rewindowed} of {rounds}")
    checks.add("slow store: every kernel value back after every round", not store.differences,
               "; ".join(store.differences[:4]))
    return store


def span(times):
    return f"({min(times):.0f} … {max(times):.0f})"


def show_table(store):
    ceiling = statistics.median(store.ceiling)
    rows = []
    for mode, name in MODES.items():
        series = store.series[mode]
        helped = statistics.median(series.helped)
        rows.append((name, f"{statistics.median(series.stock):.0f} ms", span(series.stock),
                     f"{helped:.0f} ms", span(series.helped), f"{series.ratio:.1f}×",
                     f"{ceiling / helped:.2f}"))
    terminal.table(("512 MiB, slow store", "without", "", "tuneshift", "", "faster",
                    "of the ceiling"), rows)
    say(paint("dim", "  medians, least and most; ceiling: O_DIRECT, 16 requests of 1 MiB in flight, "
                     f"{ceiling:.0f} ms"))


def demonstrate(stack, build, rounds, checks):
    disk = stack.enter_context(disk_scratch("demo", MODEL_BYTES))
    memory = stack.enter_context(Scratch("/dev/shm", "demo"))
    bus = stack.enter_context(PrivateBus(disk.path))
    daemon = stack.enter_context(Tuneshiftd(build, bus, disk.path, CONFIGURATION))
    before = Snapshot(daemon.profiles)

    terminal.title("1. A model load from the local disk")
    say("tuneshiftd on a private bus, mode auto; switching.dwell 1 s instead of 60 s, so that the "
        "return can be watched")
    LocalLoad(build, disk, daemon, checks).run()

    terminal.title("2. The same from a store behind latency, with and without tuneshift")
    store = slow_store(stack, build, memory, daemon, rounds, checks)
    left = before.differences(Snapshot(daemon.profiles))
    checks.add("the machine is as it was", not left, "; ".join(left[:4]))

    terminal.title("What happened")
    checks.show()
    say()
    show_table(store)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release", help="build folder")
    parser.add_argument("--rounds", type=int, default=5, help="on the slow store")
    options = parser.parse_args()
    checks = Checks()
    try:
        with cleanup() as stack:
            demonstrate(stack, os.path.abspath(options.build), options.rounds, checks)
    except Failed as failure:
        if checks.rows:
            terminal.title("What happened until then")
            checks.show()
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; nothing is left behind", file=sys.stderr)
        return 130
    return 0 if checks.passed else 1


if __name__ == "__main__":
    sys.exit(main())
