#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the figures that tuneshift is judged by and prints them as a table; asserts nothing."""
import argparse
import dataclasses
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import ahead
import ceiling
import figures
import latencies
import no_worse
import remedies
import switching
import torch_loader
import victim
from lib import terminal
from lib.lock import knobs_locked
from lib.machine import Scratch, disk_scratch
from lib.processes import Failed, cleanup
from lib.service import PrivateBus, Tuneshiftd

CONFIGURATION = "mode: auto\n"


def note(text):
    print(terminal.paint("dim", text) if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


GROUPS = ("idle", "switch", "stall", "local", "slow", "ahead", "latency", "worse", "victim", "remedies", "torch",
          "ceiling")


def measure(stack, build, options):
    disk = stack.enter_context(disk_scratch("bench", figures.LOCAL_BYTES))
    memory = stack.enter_context(Scratch("/dev/shm", "bench"))
    bus = stack.enter_context(PrivateBus(disk.path))
    daemon = stack.enter_context(Tuneshiftd(build, bus, disk.path, CONFIGURATION))
    # Idle first: the slow store is a file system that a machine without FUSE has not mounted.
    groups = {
        "idle": lambda: figures.idle(build, daemon, options.idle_seconds, note),
        "switch": lambda: switching.switching(stack, build, memory, daemon, note),
        "stall": lambda: figures.stalled_knob(stack, build, memory, daemon, note),
        "local": lambda: figures.local_disk(build, disk, daemon, options.rounds, note),
        "ceiling": lambda: ceiling.beside_fio(stack, build, options.rounds, note),
        "ahead": lambda: ahead.read_ahead(stack, build, memory, daemon, options.rounds, note),
        "latency": lambda: latencies.by_latency(build, memory, daemon, options.rounds, note),
        "worse": lambda: no_worse.no_worse(stack, build, memory, daemon, options.rounds, note),
        "remedies": lambda: remedies.remedies(stack, build, memory, daemon, options.rounds, note),
        "torch": lambda: torch_loader.torch_loader(stack, build, memory, daemon, options.rounds, note),
        "victim": lambda: victim.victim(stack, build, memory, daemon, options.rounds, note),
        "slow": lambda: figures.slow_store(stack, build, memory, daemon, options.rounds, note),
    }
    return [row for name in GROUPS if name in options.only for row in groups[name]()]


def number(value):
    if 0 < abs(value) < 2:
        return f"{value:.2f}"
    return f"{value:.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.1f}"


def show(rows):
    lines = []
    for row in rows:
        between = "" if row.low == row.high else f"{number(row.low)} … {number(row.high)}"
        lines.append((row.name, f"{number(row.value)} {row.unit}".rstrip(), between, row.wanted,
                      row.definition))
    terminal.table(("figure", "median", "least … most", "wanted", "how"), lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", help="build folder")
    parser.add_argument("--rounds", type=int, default=5, help="of every kind of load")
    parser.add_argument("--idle-seconds", type=int, default=30, help="to count wake-ups for")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS,
                        help="these groups of figures alone")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    try:
        with cleanup() as stack, knobs_locked():
            rows = measure(stack, os.path.abspath(options.build), options)
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2, ensure_ascii=False))
    else:
        show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
