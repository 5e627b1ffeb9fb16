# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much of the slow store's ceiling a load gets, by the latency of a request."""
import contextlib

from figures import figure
from store import Store

MODEL_BYTES = 2 << 30
LATENCIES_US = (200, 1000, 5000, 20000)
MODEL = "model.safetensors"


def by_latency(build, memory, daemon, rounds, say):
    rows = []
    for latency_us in LATENCIES_US:
        name = f"requests of {latency_us / 1000:g} ms"
        with contextlib.ExitStack() as stack:
            store = Store(stack, build, memory, f"latency-{latency_us}", {MODEL: MODEL_BYTES},
                          "--latency-us", str(latency_us))
            ceiling, helped = [], []
            for number in range(1, rounds + 1):
                store.make_cold(MODEL)
                daemon.start()
                helped.append(store.load("mmap-sequential", (), MODEL))
                daemon.stop()
                ceiling.append(store.ceiling(MODEL))
                say(f"{name}, {number}/{rounds}: {helped[-1]:.0f} ms, ceiling {ceiling[-1]:.0f}")
            store.remove()
        shares = [best / one for best, one in zip(ceiling, helped)]
        rows += [
            figure(f"{name}, ceiling", ceiling, "ms", "",
                   "reader direct --threads 64 --discard, 2 GiB"),
            figure(f"{name}, tuneshift", helped, "ms", "",
                   "reader mmap-sequential, 2 GiB cold, tuneshiftd in auto"),
            figure(f"{name}, of the ceiling", shares, "", "≥ 0.85", "of the same round"),
        ]
    return rows
