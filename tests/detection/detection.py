#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs programs that load a model and programs that only look like it, and prints what the daemon
decided about each. Exit status 0 only when every row is right: recall and precision of confirmed
loads are both 100 %, and no confuser has a knob changed but its store's read-ahead.
"""
import argparse
import dataclasses
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from confusers import CONFUSERS
from cost import measure_cost
from fallbacks import ALL, FEW, SIGNALS, expected, off
from lib import terminal
from lib.lock import knobs_locked
from lib.machine import Snapshot
from lib.processes import Failed, cleanup
from lib.terminal import paint, say
from loaders import LOADERS
from rows import NOT
from run_row import RowRunner
from speed import LEAST_RATIO, ROUNDS
from verdict import score
from world import World

REASON_LENGTH = 72


def milliseconds(value):
    return f"{value:.1f}" if value else ""


def spread(speed):
    return f"{speed.ratio:.2f} ({speed.low:.2f} … {speed.high:.2f})" if speed else ""


def show(results):
    lines = []
    for result in results:
        verdict = result.shown
        reason = verdict.reason + (f"; {verdict.end}" if verdict.end else "")
        lines.append((result.row.name, result.row.label, verdict.decided, "NO" if result.wrong
                      else "yes", milliseconds(verdict.suspected_ms), milliseconds(verdict.load_ms),
                      str(len(verdict.knobs)) if verdict.knobs else "",
                      spread(result.speed), reason[:REASON_LENGTH]))
    terminal.table(("program", "label", "decided", "right", "suspected ms", "load ms", "knobs",
                    "speed", "why"), lines)


def percent(part):
    return "none" if part is None else f"{part * 100:.1f} %"


def summarise(results):
    """Prints the figures; whether all is right."""
    recall, precision = score([(result.row, result.shown) for result in results])
    delays = [verdict.suspected_ms for result in results for verdict in result.verdicts
              if result.row.label != NOT and verdict.suspected_ms]
    say()
    say(f"  {len(results)} rows; confirmed loads: recall {percent(recall)}, "
        f"precision {percent(precision)}")
    if delays:
        say(f"  first miss or mapping to suspected, loaders: median "
            f"{statistics.median(delays):.1f} ms, worst {max(delays):.1f} ms")
    wrong = [result for result in results if result.wrong]
    for result in wrong:
        say(paint("red", f"  {result.row.name}: {result.wrong}: {result.shown.reason}"))
    return not wrong


def show_speed(speeds):
    """How many rows keep how much; for those below the least also whether the spread allows it."""
    ratios = [speed.ratio for speed in speeds]
    below = [speed for speed in speeds if speed.ratio < LEAST_RATIO]
    shown = sum(speed.is_slow for speed in below)
    say(f"  confusers keep {statistics.median(ratios):.3f} of their own speed in the median "
        f"({min(ratios):.2f} … {max(ratios):.2f}); {len(below)} of {len(speeds)} less than "
        f"{LEAST_RATIO}, {shown} of them outside the spread")


def show_cost(costs):
    say()
    terminal.table(("1 GiB, cold", "BPF ms", "least … most", "BPF runs", "daemon ms", "of a core",
                    "load ms"),
                   [(cost.name, f"{cost.bpf_ms:.2f}",
                     f"{cost.bpf_least_ms:.2f} … {cost.bpf_most_ms:.2f}", str(cost.runs),
                     f"{cost.daemon_ms:.1f}", f"{cost.daemon_part * 100:.2f} %",
                     f"{cost.load_ms:.0f}") for cost in costs])
    for cost in costs:
        say(f"  {cost.name}: " + ", ".join(f"{name} {ms:.2f} ms" for name, ms
                                           in sorted(cost.programs.items())))


def plain(verdict):
    return {**dataclasses.asdict(verdict), "owners": sorted(verdict.owners)}


def chosen_rows(options):
    rows = (*LOADERS, *CONFUSERS)
    names = options.names
    if options.fallbacks:
        return [row for row in rows if row.name in FEW]
    if not names:
        return rows
    found = [row for row in rows if any(name.lower() in row.name.lower() for name in names)]
    if not found:
        raise Failed(f"no row has a name like {', '.join(names)}; see --list")
    return found


def run_row(world, row, speed):
    """(the row's result, what failed): one of them is None."""
    began = time.monotonic()
    result, failure = None, None
    try:
        result = RowRunner(world, row).measure(speed)
        outcome = result.wrong or result.shown.decided
    except Failed as failed:
        failure = f"{row.name}: {failed}"
        outcome = "failed"
    print(f": {outcome}, {time.monotonic() - began:.1f} s", end="", file=sys.stderr, flush=True)
    return result, failure


def run_rows(world, rows, speed):
    """(results, failures)"""
    results, failures = [], []
    for number, row in enumerate(rows, 1):
        print(f"{number}/{len(rows)}  {row.name}", end="", file=sys.stderr, flush=True)
        result, failure = run_row(world, row, speed)
        if failure or result.wrong:
            # The machine and its disk are shared with others: once more, and both are shown.
            result, failure = run_row(world, row, speed)
        print(file=sys.stderr, flush=True)
        results += [result] if result else []
        failures += [failure] if failure else []
    return results, failures


def run_without(world, rows, name):
    """The rows with a signal switched off; shows them and tells whether all is right."""
    signals = off(name)
    world.restart_without(signals)
    results, failures = run_rows(world, [expected(row, signals) for row in rows], False)
    say()
    say(f"without {' and '.join(signals)}")
    show(results)
    good = summarise(results)
    for text in failures:
        say(paint("red", f"  {text}"))
    return good and not failures


def run(stack, options):
    rows = [] if options.cost else chosen_rows(options)
    world = World(stack, os.path.abspath(options.build), in_memory=options.speed)
    before = Snapshot(world.daemon.profiles)
    if rows:
        world.make_models()
    world.daemon.start()
    results, failures, costs = [], [], []
    for name in options.without:
        if not run_without(world, rows, name):
            failures.append(f"without {name}: not all is right")
    if not options.without:
        results, failures = run_rows(world, rows, options.speed)
        costs = measure_cost(world) if not options.names else []
    world.daemon.stop()
    left = before.differences(Snapshot(world.daemon.profiles))
    return results, costs, failures + [f"not put back: {line}" for line in left]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", help="build folder")
    parser.add_argument("--list", action="store_true", help="name the rows and run none")
    parser.add_argument("--speed", action="store_true",
                        help=f"run each confuser {ROUNDS} times with the daemon and without, on a "
                             "disk in memory")
    parser.add_argument("--assert-speed", action="store_true",
                        help=f"fail when one is shown to keep less than {LEAST_RATIO}")
    parser.add_argument("--cost", action="store_true", help="measure what watching costs, no row")
    parser.add_argument("--without", metavar="SIGNAL", action="append", default=[],
                        choices=(*SIGNALS, ALL),
                        help=f"with this signal switched off: {', '.join((*SIGNALS, ALL))}")
    parser.add_argument("--fallbacks", action="store_true",
                        help="a few rows without each signal, and without all of them")
    parser.add_argument("--json", metavar="FILE", help="write the results to a file as well")
    parser.add_argument("names", nargs="*", help="rows that have this in their name; all")
    options = parser.parse_args()
    options.speed = options.speed or options.assert_speed
    if options.fallbacks:
        options.without = (*SIGNALS, ALL)
    try:
        if options.list:
            terminal.table(("program", "label"), [(row.name, row.label)
                                                  for row in chosen_rows(options)])
            return 0
        with cleanup() as stack, knobs_locked():
            results, costs, failures = run(stack, options)
    except Failed as failure:
        print(f"detection: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndetection: interrupted; nothing is left behind", file=sys.stderr)
        return 130
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump([{"name": one.row.name, "label": one.row.label, "wrong": one.wrong,
                        "speed": one.speed and dataclasses.asdict(one.speed),
                        "verdicts": [plain(verdict) for verdict in one.verdicts]}
                       for one in results], file, indent=1, ensure_ascii=False)
    good = True
    if results:
        show(results)
        good = summarise(results)
    if costs:
        show_cost(costs)
    for text in failures:
        say(paint("red", f"  {text}"))
    speeds = [result.speed for result in results if result.speed]
    if speeds:
        show_speed(speeds)
    late = options.assert_speed and any(speed.is_slow for speed in speeds)
    return 0 if good and not failures and not late else 1


if __name__ == "__main__":
    sys.exit(main())
