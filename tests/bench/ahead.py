# SPDX-License-Identifier: LGPL-2.1-or-later
"""Readers whom a window does not help, on the slow store: cold loads without and with tuneshift."""
import contextlib
import dataclasses
import os
import statistics
import subprocess

from lib.processes import wait_for
from lib.service import History

from figures import Figure, figure
from store import Store

MODEL_BYTES = 512 << 20
# A page costs a request in random order: 2 ms of 4 KiB.
SAMPLE_BYTES = 8 << 20
SHARDS = 8
SHARD_BYTES = 288 << 20  # not below the floor
RANKS = 8
SIZES = {"model": MODEL_BYTES, "sample": SAMPLE_BYTES,
         **{f"model-{number:05}-of-{SHARDS:05}": SHARD_BYTES for number in range(1, SHARDS + 1)}}
MODELS = {f"{name}.safetensors": size for name, size in SIZES.items()}
MODEL = ("model.safetensors",)
SAMPLE = ("sample.safetensors",)
SHARDED = tuple(name for name in MODELS if "-of-" in name)
CLOSED = ("--close",)
RANDOM = ("--madvise", "random")
RULE = "processes:\n  - {name: bench-reader, role: loader, commands: [reader]}\n"


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    mode: str
    options: tuple = ()
    files: tuple = MODEL
    sample: tuple = ()  # what is read without tuneshift in place of the files, and scaled
    rule: bool = False  # with a process rule for the reader
    wanted: str = ""
    share: str = ""  # of the ceiling

    def bytes(self, sampled=False):
        return sum(MODELS[file] for file in (sampled and self.sample or self.files))


ROWS = (
    Row("mmap, closed, sequential", "mmap-sequential", CLOSED, wanted="≥ 7.5", share="≥ 0.90"),
    Row("mmap, closed, tensor order", "mmap-tensor", CLOSED, wanted="≥ 7.5", share="≥ 0.90"),
    Row("mmap, MADV_RANDOM", "mmap-random", RANDOM, sample=SAMPLE, wanted="≥ 50", share="≥ 0.80"),
    Row("mmap, closed, MADV_RANDOM", "mmap-random", RANDOM + CLOSED, sample=SAMPLE, wanted="≥ 50",
        share="≥ 0.80"),
    Row("read, 64 KiB, a rule", "read", ("--step", "64KiB"), rule=True, wanted="≥ 7.5",
        share="≥ 0.90"),
    Row("shards, 8 in turn", "mmap-sequential", CLOSED, files=SHARDED, share="≥ 0.92"),
    Row("ranks, 8 of one file", "mmap-sequential", CLOSED + ("--ranks", str(RANKS))),
)


class Series:
    def __init__(self):
        self.stock = []
        self.helped = []
        self.served = []  # of the file, with help


@contextlib.contextmanager
def running(daemon, rule):
    """The daemon, with the rule or without."""
    path = os.path.join(daemon.rules, "bench.yaml")
    if rule:
        with open(path, "w", encoding="utf-8") as file:
            file.write(RULE)
        os.chmod(path, 0o644)
    daemon.start()
    try:
        yield
        daemon.stop()
    finally:
        if rule:
            os.unlink(path)


def _measure(store, daemon, row, series):
    size = row.bytes()
    files = row.sample or row.files
    series.stock.append(store.cold(row.mode, row.options, *files) * size / row.bytes(sampled=True))
    store.make_cold(*row.files)
    with running(daemon, row.rule):
        before = store.bytes_served()
        series.helped.append(store.load(row.mode, row.options, *row.files))
        series.served.append((store.bytes_served() - before) / size)


def _figures(row, series, ceiling):
    sampled = f" (of {row.bytes(sampled=True) >> 20} MiB, scaled)" if row.sample else ""
    size = row.bytes() >> 20
    best = statistics.median(ceiling) * row.bytes() / MODEL_BYTES
    shares = [best / helped for helped in series.helped]
    ratio = statistics.median(series.stock) / statistics.median(series.helped)
    return [
        figure(f"{row.name}, without", series.stock, "ms", "",
               f"{' '.join(('reader', row.mode, *row.options))}, {size} MiB cold, no daemon{sampled}"),
        figure(f"{row.name}, tuneshift", series.helped, "ms", "",
               "the same, in turn, tuneshiftd in auto"),
        Figure(f"{row.name}, ratio", ratio, "×", min(series.stock) / max(series.helped),
               max(series.stock) / min(series.helped), row.wanted,
               "of the medians; worst and best pairing beside it"),
        figure(f"{row.name}, of the ceiling", shares, "", row.share, "bytes a second"),
        figure(f"{row.name}, bytes served", series.served, "×", "≤ 1.02",
               "wchar of the store / bytes of the files, with tuneshift"),
    ]


def _cat_cpu_ms(store):
    """Of a GiB, user and system time."""
    store.make_cold(*MODEL)
    store.touch_free_memory("mmap", *MODEL)
    before = os.times()
    subprocess.run(["cat", store.path(*MODEL)], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return (after.children_user + after.children_system - before.children_user
            - before.children_system) * 1000 * (1 << 30) / MODEL_BYTES


def _worker_cpu_ms(store, daemon):
    """The same of a worker, of what it brought; None where there was none."""
    store.make_cold(*MODEL)
    with running(daemon, rule=False):
        history = History(daemon)
        store.load("mmap-sequential", CLOSED, *MODEL)

        def ended():
            history.poll()
            return history.find("prefetched")

        rows = wait_for(ended, 10)
    if not rows or not rows[0]["bytes"]:
        return None
    return rows[0]["cpu_us"] / 1000 * (1 << 30) / rows[0]["bytes"]


def _cpu(store, daemon, rounds, say):
    worker, cat = [], []
    for number in range(1, rounds + 1):
        cat.append(_cat_cpu_ms(store))
        one = _worker_cpu_ms(store, daemon)
        say(f"CPU {number}/{rounds}: cat {cat[-1]:.0f}, a worker {one or 0:.0f} ms a GiB")
        if one is not None:
            worker.append(one)
    if not worker:
        return []
    ratio = statistics.median(worker) / statistics.median(cat)
    return [
        figure("CPU of cat", cat, "ms", "", "user and system, a GiB cold"),
        figure("CPU of a worker", worker, "ms", "", "the same, cpu_us of its row in the history"),
        Figure("CPU of a worker / of cat", ratio, "×", min(worker) / max(cat),
               max(worker) / min(cat), "≤ 1.2", "of the medians; best and worst pairing beside it"),
    ]


def read_ahead(stack, build, memory, daemon, rounds, say):
    store = Store(stack, build, memory, "ahead", MODELS)
    ceiling = []
    series = {row: Series() for row in ROWS}
    for number in range(1, rounds + 1):
        for row in ROWS:
            _measure(store, daemon, row, series[row])
            say(f"read ahead {number}/{rounds}, {row.name}: {series[row].stock[-1]:.0f} → "
                f"{series[row].helped[-1]:.0f} ms, {series[row].served[-1]:.3f} of the bytes")
        ceiling.append(store.ceiling(*MODEL))
    rows = [figure("read ahead, ceiling", ceiling, "ms", "",
                   "reader direct --threads 64 --discard, 512 MiB: O_DIRECT, 64 × 1 MiB in flight")]
    for row in ROWS:
        rows += _figures(row, series[row], ceiling)
    return rows + _cpu(store, daemon, rounds, say)
