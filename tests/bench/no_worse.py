# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loads that need no help, or can have little: what tuneshift takes from them."""
import dataclasses
import statistics

from figures import Figure, figure
from memory_group import full_group, memory_group
from store import Store

MODEL_BYTES = 512 << 20
MODEL = "model.safetensors"
# One of what is cached takes some 30 ms, and as long again where the machine does something else.
CACHED_LOADS = 15


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    mode: str
    options: tuple = ()
    cached: bool = False
    group: str = ""  # the control group that it is in


ROWS = (
    Row("warm, mmap", "mmap-sequential", cached=True),
    Row("warm, read", "read", cached=True),
    Row("O_DIRECT", "direct", ("--threads", "16")),
    Row("by itself, 8 × 16 MiB", "pread", ("--threads", "8", "--step", "16MiB", "--discard")),
    Row("memory for half, open", "mmap-sequential", group="half"),
    Row("memory for half, closed", "mmap-sequential", ("--close",), group="half"),
    Row("memory for half, random", "mmap-tensor", ("--close",), group="half"),
    Row("memory full of tmpfs", "mmap-sequential", ("--close",), group="full"),
)


def _measure(store, daemon, row, group, number, rounds, say):
    def prepare():
        store.make_cold(MODEL)
        if row.cached:
            store.load("read", ("--discard",), MODEL)

    def load():
        return statistics.median(store.load(row.mode, row.options, MODEL, group=group,
                                            cached=row.cached)
                                 for _ in range(CACHED_LOADS if row.cached else 1))

    prepare()
    without = load()
    prepare()
    daemon.start()
    beside = load()
    daemon.stop()
    say(f"{row.name}, {number}/{rounds}: {without:.0f} → {beside:.0f} ms")
    return without, beside


def no_worse(stack, build, memory, daemon, rounds, say):
    store = Store(stack, build, memory, "no-worse", {MODEL: MODEL_BYTES})
    groups = {"half": stack.enter_context(memory_group("bench", MODEL_BYTES // 2)),
              "full": stack.enter_context(full_group(memory, "full", 280 << 20, 20 << 20))}
    rows = []
    for row in ROWS:
        group = groups.get(row.group)
        if row.group and group is None:
            say(f"{row.name}: no control groups of memory here")
            continue
        pairs = [_measure(store, daemon, row, group, number, rounds, say)
                 for number in range(1, rounds + 1)]
        without, beside = ([pair[side] for pair in pairs] for side in (0, 1))
        how = (f"{' '.join(('reader', row.mode, *row.options))}, 512 MiB " +
               (f"cached, the median of {CACHED_LOADS}" if row.cached else "cold"))
        rows += [
            figure(f"{row.name}, without", without, "ms", "", f"{how}, no daemon"),
            figure(f"{row.name}, tuneshift", beside, "ms", "", "the same, in turn, tuneshiftd in auto"),
            Figure(f"{row.name}, ratio", statistics.median(without) / statistics.median(beside), "×",
                   min(without) / max(beside), max(without) / min(beside), "≥ 0.97",
                   "of the medians; worst and best pairing beside it"),
        ]
    return rows
