# SPDX-License-Identifier: LGPL-2.1-or-later
"""torch's own loader on the slow store, where Debian's torch is installed."""
import os
import statistics
import subprocess

from lib.machine import touch_free_memory
from lib.processes import Failed, end, read_line, spawn

from figures import figure
from store import Store

MODEL_BYTES = 512 << 20
MODEL = "model.pt"
PYTHON = "/usr/bin/python3"
SAVE = """
import sys, torch
torch.save({f"layer{i}.weight": torch.rand(4 << 20) for i in range(int(sys.argv[2]) >> 24)}, sys.argv[1])
"""
# Imported before: what is measured is the load.
LOAD = """
import sys, time, torch
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
torch.load(sys.argv[1])
print((time.monotonic() - began) * 1000)
"""


def _run(program, *arguments):
    done = subprocess.run([PYTHON, "-c", program, *arguments], check=False, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"torch: {done.stderr}")
    return done.stdout


def _load(store):
    """Milliseconds."""
    process = spawn([PYTHON, "-c", LOAD, store.path(MODEL)], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, bufsize=0)
    try:
        read_line(process.stdout, 60, "torch")
        touch_free_memory(3 * MODEL_BYTES)
        process.stdin.write(b"\n")
        return float(read_line(process.stdout, 60, "torch"))
    finally:
        end(process)


def torch_loader(stack, build, memory, daemon, rounds, say):
    try:
        _run("import torch")
    except Failed:
        say("torch: not installed")
        return []
    store = Store(stack, build, memory, "torch", {})
    _run(SAVE, os.path.join(store.source, MODEL), str(MODEL_BYTES))
    stock, helped, warm, ceiling = [], [], [], []
    for number in range(1, rounds + 1):
        store.make_cold(MODEL)
        stock.append(_load(store))
        warm.append(_load(store))
        store.make_cold(MODEL)
        daemon.start()
        helped.append(_load(store))
        daemon.stop()
        ceiling.append(store.ceiling(MODEL))
        say(f"torch {number}/{rounds}: {stock[-1]:.0f} → {helped[-1]:.0f} ms, warm {warm[-1]:.0f}, "
            f"ceiling {ceiling[-1]:.0f}")
    best = max(statistics.median(warm), statistics.median(ceiling))
    return [
        figure("torch.load, without", stock, "ms", "", "512 MiB cold, no daemon"),
        figure("torch.load, warm", warm, "ms", "", "the same once more"),
        figure("torch.load, tuneshift", helped, "ms", "", "cold, in turn, tuneshiftd in auto"),
        figure("torch.load, of what is possible", [best / one for one in helped], "", "≥ 0.85",
               "the slower of the ceiling and warm, in the medians, for each load"),
    ]
