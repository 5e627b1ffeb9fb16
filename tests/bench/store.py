# SPDX-License-Identifier: LGPL-2.1-or-later
"""The slow store as the bench reads it: which models it has, and what was read of it."""
import json
import os

from lib.machine import make_cold, touch_free_memory
from lib.processes import read_line
from lib.programs import Reader, SlowStore, make_model

CEILING = ("--threads", "64", "--discard")


class Store:
    """`models`: for each file name its bytes; all options but it are those of slowstore."""

    def __init__(self, stack, build, memory, name, models, *options):
        self.build = build
        self.source = memory.folder(f"{name}-source")
        self.mount = memory.folder(f"{name}-mount")
        for file, size in models.items():
            make_model(build, os.path.join(self.source, file), size, "--no-sync")
        self.store = stack.enter_context(SlowStore(build, self.source, self.mount, *options))

    def add(self, file, size):
        """A file that is no model."""
        part = os.urandom(1 << 20)
        with open(os.path.join(self.source, file), "wb") as written:
            for _ in range(size // len(part)):
                written.write(part)

    def path(self, file):
        return os.path.join(self.mount, file)

    def remove(self):
        """Its models: they are in memory."""
        for file in os.listdir(self.source):
            os.unlink(os.path.join(self.source, file))

    def make_cold(self, *files):
        """Before a daemon is started: the look whether they are maps them, as their reader does."""
        for file in files:
            make_cold(self.path(file))

    def cold(self, mode, options, *files):
        """Loads them one after the other: milliseconds."""
        self.make_cold(*files)
        return self.load(mode, options, *files)

    def load(self, mode, options, *files, group=None, cached=False):
        """The same, as cached as they are; with ranks until the last one has them all."""
        if not cached:
            self.touch_free_memory(mode, *files)
        return max(result["load_ms"] for result in self._results(mode, options, files, group))

    def timed(self, mode, options, *files):
        """The same of one process: milliseconds, and when it began (CLOCK_MONOTONIC)."""
        self.touch_free_memory(mode, *files)
        result, = self._results(mode, options, files)
        return result["load_ms"], result["start_mono_ns"] / 1e6

    def touch_free_memory(self, mode, *files):
        """Right before a load: for the page cache and the copy of a reader without a mapping; half as
        much again, as others take of it too."""
        copies = 1 if mode.startswith("mmap") else 2
        size = sum(os.stat(self.path(file)).st_size for file in files)
        touch_free_memory(copies * (size + size // 2))

    def _results(self, mode, options, files, group=None):
        ranks = int(options[options.index("--ranks") + 1]) if "--ranks" in options else 1
        with Reader(self.build, mode, self.path(files[0]), *map(self.path, files[1:]),
                    *options, group=group) as reader:
            return [json.loads(read_line(reader.process.stdout, 300, "a rank"))
                    for _ in range(ranks)]

    def ceiling(self, *files):
        """O_DIRECT with 64 requests of 1 MiB in flight: what the store can give."""
        return self.cold("direct", CEILING, *files)

    def bytes_served(self):
        """So far; what it answered with, and some bytes of each request."""
        with open(f"/proc/{self.store.process.pid}/io", encoding="utf-8") as file:
            return int(dict(map(str.split, file))["wchar:"])
