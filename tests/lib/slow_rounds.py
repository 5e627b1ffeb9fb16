# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loads from the slow store with and without tuneshift, in turn."""
import os
import statistics

from .machine import Snapshot, make_cold, touch_free_memory
from .programs import SlowStore, load, make_model
from .processes import wait_for
from .service import History

MODES = {"mmap-sequential": "mmap, sequential", "mmap-tensor": "mmap, tensor order"}
MODEL_BYTES = 512 << 20


class Series:
    """Times of one kind of load, in milliseconds."""

    def __init__(self):
        self.stock = []
        self.helped = []
        self.rewindowed = 0
        self.rewindow_ms = []

    @property
    def ratio(self):
        return statistics.median(self.stock) / statistics.median(self.helped)


class SlowRounds:
    """Mounts the store for as long as it is open. Without tuneshift means that no daemon runs."""

    def __init__(self, stack, build, memory, daemon):
        self.build = build
        self.daemon = daemon
        self.series = {mode: Series() for mode in MODES}
        self.ceiling = []
        self.differences = []
        self.path = os.path.join(memory.folder("mount"), "model.safetensors")
        make_model(build, os.path.join(memory.folder("source"), "model.safetensors"), MODEL_BYTES,
                   "--no-sync")
        stack.enter_context(SlowStore(build, memory.join("source"), memory.join("mount")))

    def _load(self, mode, *options):
        touch_free_memory(3 * MODEL_BYTES)
        return load(self.build, mode, self.path, *options)

    def stock(self, mode):
        make_cold(self.path)
        self.series[mode].stock.append(self._load(mode))
        return self.series[mode].stock[-1]

    def helped(self, mode):
        """The daemon is started for this one load and put back all it changed after it."""
        series = self.series[mode]
        before = Snapshot(self.daemon.profiles)
        make_cold(self.path)
        self.daemon.start()
        history = History(self.daemon)
        series.helped.append(self._load(mode))

        def rewindowed():
            history.poll()
            return history.find("rewindowed")

        rows = wait_for(rewindowed, 3)
        if rows:
            series.rewindowed += 1
            series.rewindow_ms.append((rows[0]["mono"] - self._seen_at(history, rows[0])) / 1000)
        self.daemon.stop()
        self.differences += before.differences(Snapshot(self.daemon.profiles))
        return series.helped[-1]

    @staticmethod
    def _seen_at(history, rewindowed):
        rows = history.find("suspected", pid=rewindowed.get("pid"))
        return rows[0]["mono"] if rows else rewindowed["mono"]

    def measure_ceiling(self):
        """O_DIRECT with 16 requests of 1 MiB in flight: what the store can give."""
        make_cold(self.path)
        self.ceiling.append(self._load("direct", "--threads", "16", "--discard"))
        return self.ceiling[-1]
