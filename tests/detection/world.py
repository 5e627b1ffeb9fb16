# SPDX-License-Identifier: LGPL-2.1-or-later
"""What all rows share: the files, the bus, the daemon, and the record that it keeps."""
import os
import subprocess
import time

from bus.dbus_wire import Connection
from lib.machine import Scratch, disk_scratch, make_cold
from lib.memory_disk import memory_disk
from lib.processes import Failed, wait_for
from lib.programs import Reader, make_model
from lib.service import PrivateBus, Tuneshiftd

import fallbacks

FLOOR_BYTES = 64 << 20
MODEL_BYTES = 192 << 20
SHARDS = 3
NEED_BYTES = 6 << 30
# Debian's: its modules are not there for another one that is first in PATH.
PYTHON = "/usr/bin/python3"

CONFIGURATION = """mode: auto
detection: {size_floor: 64MiB, settle: 1s}
switching: {dwell: 1s, writes_per_hour: 3600}
"""


class World:
    def __init__(self, stack, build, in_memory=False):
        """With `in_memory` the files are on a disk whose speed does not change."""
        scratch = memory_disk if in_memory else disk_scratch
        self.build = build
        self.disk = stack.enter_context(scratch("detection", NEED_BYTES))
        os.chmod(self.disk.path, 0o755)  # for the rows that run as another user
        self.bus = stack.enter_context(PrivateBus(self.disk.path))
        self.daemon = stack.enter_context(Tuneshiftd(build, self.bus, self.disk.path,
                                                     CONFIGURATION))
        self.connection = Connection(self.bus.address)
        stack.callback(self.connection.close)
        self.programs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
        self.models = self.disk.folder("models")
        self.files = {}
        self._marker = self.disk.join("marker")
        with open(self._marker, "wb") as file:
            for _ in range(FLOOR_BYTES >> 20):
                file.write(os.urandom(1 << 20))

    def restart_without(self, signals):
        """The daemon anew, with these signals switched off."""
        self.daemon.stop()
        with open(self.daemon.configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION + fallbacks.configuration(signals))
        self.daemon.start()

    def names(self):
        return {"build": self.build, "tools": os.path.join(self.build, "tests/tools"),
                "reader": os.path.join(self.build, "tests/tools/reader"), "python": PYTHON,
                "programs": self.programs, "models": self.models, **self.files}

    def make_models(self):
        """The files that most rows read, made once."""
        shards = os.path.join(self.models, "sharded.safetensors")
        make_model(self.build, shards, SHARDS * (FLOOR_BYTES + (32 << 20)), "--shards", str(SHARDS))
        for number in range(1, SHARDS + 1):
            self.files[f"shard{number}"] = os.path.join(
                self.models, f"sharded-{number:05}-of-{SHARDS:05}.safetensors")
        for name, file, options in (("model", "model.safetensors", []),
                                    ("other", "other.safetensors", ["--dtype", "f16"]),
                                    ("gguf", "sha256-8eeb52dfb3bb", ["--gguf"]),
                                    ("torch", "model.pt", ["--torch"])):
            self.files[name] = os.path.join(self.models, file)
            make_model(self.build, self.files[name], MODEL_BYTES, *options)

    def scratch(self, purpose):
        return Scratch(self.disk.path, purpose)

    def history(self, since_us):
        return self.connection.call("org.tuneshift1", "/org/tuneshift1", "org.tuneshift1.Manager",
                                    "History", "t", (since_us,))

    def owners(self):
        """For whom knobs are other than they were."""
        knobs = self.connection.call("org.tuneshift1", "/org/tuneshift1", "org.tuneshift1.Manager",
                                     "ListKnobs")
        return {row["owner"] for row in knobs if row["current"] != row["original"]}

    def catch_up(self, since_us):
        """Returns when the daemon has taken every event up to now: they keep their order."""
        inode = os.stat(self._marker).st_ino
        # Cold and still there when it is loaded: any signal tells of it, and sampling as well.
        make_cold(self._marker)
        with Reader(self.build, "mmap-sequential", self._marker, "--serve") as marker:
            marker.loaded()
            seen = wait_for(lambda: [row for row in self.history(since_us)
                                     if row["kind"] == "suspected" and row["pid"] == marker.pid
                                     and row["file"].endswith(f":{inode}")], 10, 0.01)
        if not seen:
            raise Failed(f"the daemon does not see a cold mapping:\n{self.daemon.log_tail()}")

    def run_program(self, *command, **options):
        """Something that a row needs beforehand."""
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, **options)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")


def now_us():
    return time.time_ns() // 1000
