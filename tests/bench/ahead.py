# SPDX-License-Identifier: LGPL-2.1-or-later
"""Readers whom a window does not help, on the slow store: cold loads without and with tuneshift."""
import os
import statistics

from lib.machine import make_cold
from lib.programs import SlowStore, load, make_model

from figures import Figure, figure

MODEL_BYTES = 512 << 20
# A page costs a request in random order: 2 ms of 4 KiB.
SAMPLE_BYTES = 8 << 20
CLOSED = ("--close",)
RANDOM = ("--madvise", "random")
ROWS = (
    ("mmap, closed, sequential", "mmap-sequential", CLOSED, MODEL_BYTES),
    ("mmap, closed, tensor order", "mmap-tensor", CLOSED, MODEL_BYTES),
    ("mmap, MADV_RANDOM", "mmap-random", RANDOM, SAMPLE_BYTES),
    ("mmap, closed, MADV_RANDOM", "mmap-random", RANDOM + CLOSED, SAMPLE_BYTES),
)


class Store:
    def __init__(self, stack, build, memory):
        self.build = build
        source = memory.folder("ahead-source")
        self.mount = memory.folder("ahead-mount")
        for size in {MODEL_BYTES, SAMPLE_BYTES}:
            make_model(build, os.path.join(source, self.name_of(size)), size, "--no-sync")
        stack.enter_context(SlowStore(build, source, self.mount))

    @staticmethod
    def name_of(size):
        return f"{size >> 20}.safetensors"

    def cold(self, mode, options, size):
        path = os.path.join(self.mount, self.name_of(size))
        make_cold(path)
        return load(self.build, mode, path, *options)


def read_ahead(stack, build, memory, daemon, rounds, say):
    store = Store(stack, build, memory)
    stock = {name: [] for name, *_ in ROWS}
    helped = {name: [] for name, *_ in ROWS}
    ceiling = []
    for number in range(1, rounds + 1):
        for name, mode, options, sample in ROWS:
            stock[name].append(store.cold(mode, options, sample) * (MODEL_BYTES // sample))
            daemon.start()
            helped[name].append(store.cold(mode, options, MODEL_BYTES))
            daemon.stop()
            say(f"read ahead {number}/{rounds}, {name}: {stock[name][-1]:.0f} → "
                f"{helped[name][-1]:.0f} ms")
        ceiling.append(store.cold("direct", ("--threads", "16", "--discard"), MODEL_BYTES))
    best = statistics.median(ceiling)
    rows = [figure("read ahead, ceiling", ceiling, "ms", "",
                   "reader direct --threads 16 --discard: O_DIRECT, 16 × 1 MiB in flight")]
    for name, mode, options, sample in ROWS:
        scaled = "" if sample == MODEL_BYTES else f" (of {sample >> 20} MiB, scaled)"
        ratio = statistics.median(stock[name]) / statistics.median(helped[name])
        share = best / statistics.median(helped[name])
        rows += [
            figure(f"{name}, without", stock[name], "ms", "",
                   f"reader {mode} {' '.join(options)}, 512 MiB cold, no daemon{scaled}"),
            figure(f"{name}, tuneshift", helped[name], "ms", "",
                   f"the same, in turn, tuneshiftd in auto: {share:.2f} of the ceiling"),
            Figure(f"{name}, ratio", ratio, "×", min(stock[name]) / max(helped[name]),
                   max(stock[name]) / min(helped[name]), "≥ 7.5" if not scaled else "≥ 50",
                   "of the medians; worst and best pairing beside it"),
        ]
    return rows
