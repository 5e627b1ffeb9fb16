# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a load and its help do to another process that reads 4 KiB at random from the same store."""
import statistics
import subprocess
import sys

from lib.processes import end, read_line, spawn

from figures import Figure, figure
from store import Store

MODEL_BYTES = 1 << 30
OTHER_BYTES = 512 << 20
MODEL = "model.safetensors"
OTHER = "other.bin"
ADAPTING_MS = 200
ROWS = (("closed", ("--close",)), ("open", ()))

# Reads until its input ends, then prints when each read began (ms) and how long it took (ms).
VICTIM = """
import os, random, select, sys, time
file = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(file).st_size
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
took = []
print("reads", flush=True)
while not select.select([0], [], [], 0)[0]:
    at = random.randrange(size // 4096) * 4096
    began = time.monotonic_ns()
    os.pread(file, 4096, at)
    took.append((began, time.monotonic_ns() - began))
for began, ns in took:
    print(began / 1e6, ns / 1e6)
"""


def _p99(latencies):
    return sorted(latencies)[len(latencies) * 99 // 100] if latencies else 0


def _beside_victim(store, options):
    """The load's time, and the p99 of the victim during it, in ms."""
    victim = spawn([sys.executable, "-c", VICTIM, store.path(OTHER)], stdin=subprocess.PIPE,
                   stdout=subprocess.PIPE, bufsize=0)
    try:
        read_line(victim.stdout, 10, "the victim")
        took_ms, start_ms = store.timed("mmap-sequential", options, MODEL)
        told, _ = victim.communicate(timeout=60)
    finally:
        end(victim)
    reads = [tuple(map(float, line.split())) for line in told.decode().splitlines()]
    return took_ms, _p99([ms for began, ms in reads
                          if start_ms + ADAPTING_MS <= began < start_ms + took_ms])


def victim(stack, build, memory, daemon, rounds, say):
    store = Store(stack, build, memory, "victim", {MODEL: MODEL_BYTES})
    store.add(OTHER, OTHER_BYTES)
    rows = []
    for name, options in ROWS:
        without, helped = [], []
        for number in range(1, rounds + 1):
            store.make_cold(MODEL, OTHER)
            without.append(_beside_victim(store, options))
            store.make_cold(MODEL, OTHER)
            daemon.start()
            helped.append(_beside_victim(store, options))
            daemon.stop()
            say(f"victim, {name} {number}/{rounds}: load {without[-1][0]:.0f} → "
                f"{helped[-1][0]:.0f} ms, its p99 {without[-1][1]:.2f} → {helped[-1][1]:.2f} ms")
        loads = [[took for took, _ in series] for series in (without, helped)]
        tails = [[tail for _, tail in series] for series in (without, helped)]
        ratios = [after / before for before, after in zip(*tails)]
        rows += [
            figure(f"victim, {name}: p99 without", tails[0], "ms", "",
                   "4 KiB pread at random on the slow store, from 200 ms after a load began to its end"),
            figure(f"victim, {name}: p99 beside tuneshift", tails[1], "ms", "", "the same, in turn"),
            figure(f"victim, {name}: p99 ratio", ratios, "×", "≤ 1.15", "of the same round"),
            Figure(f"victim, {name}: load's ratio",
                   statistics.median(loads[0]) / statistics.median(loads[1]), "×",
                   min(loads[0]) / max(loads[1]), max(loads[0]) / min(loads[1]), "≥ 3",
                   f"{' '.join(('reader mmap-sequential', *options))}, 1 GiB cold, without / with"),
        ]
    return rows
