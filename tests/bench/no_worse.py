# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loads that need no help: what tuneshift takes from them."""
import statistics

from figures import Figure, figure
from store import Store

MODEL_BYTES = 512 << 20
MODEL = "model.safetensors"
SELF_HELP = ("--threads", "8", "--step", "16MiB")
ROWS = (  # name, mode, options, cached before
    ("warm, mmap", "mmap-sequential", (), True),
    ("warm, read", "read", (), True),
    ("O_DIRECT", "direct", ("--threads", "16"), False),
    ("by itself, 8 × 16 MiB", "pread", SELF_HELP, False),
)


def no_worse(stack, build, memory, daemon, rounds, say):
    store = Store(stack, build, memory, "no-worse", {MODEL: MODEL_BYTES})
    rows = []
    for name, mode, options, cached in ROWS:
        without, beside = [], []

        def prepare():
            if cached:
                store.load("read", (), MODEL)
            else:
                store.make_cold(MODEL)

        for number in range(1, rounds + 1):
            prepare()
            without.append(store.load(mode, options, MODEL))
            prepare()
            daemon.start()
            beside.append(store.load(mode, options, MODEL))
            daemon.stop()
            say(f"{name}, {number}/{rounds}: {without[-1]:.0f} → {beside[-1]:.0f} ms")
        how = f"{' '.join(('reader', mode, *options))}, 512 MiB {'cached' if cached else 'cold'}"
        rows += [
            figure(f"{name}, without", without, "ms", "", f"{how}, no daemon"),
            figure(f"{name}, tuneshift", beside, "ms", "", "the same, in turn, tuneshiftd in auto"),
            Figure(f"{name}, ratio", statistics.median(without) / statistics.median(beside), "×",
                   min(without) / max(beside), max(without) / min(beside), "≥ 0.97",
                   "of the medians; worst and best pairing beside it"),
        ]
    return rows
