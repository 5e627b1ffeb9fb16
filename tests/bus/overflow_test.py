#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""More events than the ring buffer holds, while the daemon is stopped: none of a load is lost."""
import contextlib
import mmap
import os
import signal
import subprocess

import bus_case
from bus_case import BusCase
from lib.machine import disk_scratch, make_cold
from lib.programs import Reader, SlowStore, make_model

MIB = 1 << 20
FLOOR_BYTES = 256 * MIB
MODEL_BYTES = 300 * MIB
# A process tells of so many mappings a second; 24 of them are more than the 2730 records that fit.
FILES = 128
PROCESSES = 24
# More than the daemon needs to catch up: each of the processes is looked at.
PATIENCE_S = 60


def map_all(paths):
    """In a process of its own, which is gone when this returns: its status."""
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(OSError):
            for path in paths:
                with open(path, "rb") as file:
                    mmap.mmap(file.fileno(), FLOOR_BYTES, prot=mmap.PROT_READ)
            status = 0
        os._exit(status)
    return os.waitpid(child, 0)[1]


class Overflow(BusCase):
    def setUp(self):
        super().setUp()
        self.disk = self.enter(disk_scratch("overflow", 2 * MODEL_BYTES))
        self.model = self.disk.join("model.safetensors")
        make_model(bus_case.BUILD, self.model, MODEL_BYTES)
        make_cold(self.model)
        self.paths = [self.disk.join(f"{number}.img") for number in range(FILES)]
        for path in self.paths:
            with open(path, "wb") as file:
                file.truncate(FLOOR_BYTES)

    @contextlib.contextmanager
    def stopped_and_flooded(self):
        """Within, the ring is full and the daemon takes nothing out of it."""
        daemon = self.daemon.process
        daemon.send_signal(signal.SIGSTOP)
        try:
            self.assertEqual(os.WSTOPSIG(os.waitpid(daemon.pid, os.WUNTRACED)[1]), signal.SIGSTOP)
            for _ in range(PROCESSES):
                self.assertEqual(map_all(self.paths), 0)
            yield
        finally:
            daemon.send_signal(signal.SIGCONT)

    def assert_told(self):
        self.wait_equal(lambda: self.get("DroppedEvents") > 0, True, PATIENCE_S)
        dropped = self.get("DroppedEvents")
        self.assertEqual(sum(row["events"] for row in self.history("dropped")), dropped)
        shown = subprocess.run([os.path.join(bus_case.BUILD, "client/tuneshiftctl"), "status"],
                               env=self.daemon.environment, capture_output=True, text=True,
                               check=True).stdout
        self.assertIn(f"Dropped: {dropped} events", shown)

    def test_a_load_of_which_every_event_was_dropped(self):
        with self.stopped_and_flooded():
            reader = self.enter(Reader(bus_case.BUILD, "mmap-sequential", self.model, "--serve"))
            reader.loaded()
        finished = self.wait_history("finished", PATIENCE_S, pid=reader.pid)[0]
        # A page of its header may have been in the cache still.
        self.assertGreater(finished["bytes"], finished["total"] - MIB)
        self.wait_history("serving", pid=reader.pid)
        self.assert_told()
        self.wait_equal(lambda: self.get("State"), "serving")
        reader.leave()
        self.wait_equal(lambda: self.get("State"), "idle", PATIENCE_S)
        self.wait_equal(self.differences, [])

    def test_a_load_that_ran_on_meanwhile(self):
        store = self.enter(SlowStore(bus_case.BUILD, self.disk.path, self.disk.folder("store"),
                                     "--rate", str(100 * MIB)))
        path = os.path.join(store.mount_point, os.path.basename(self.model))
        reader = self.enter(Reader(bus_case.BUILD, "mmap-sequential", path, "--serve"))
        number = self.wait_history("started", pid=reader.pid)[0]["load"]
        with self.stopped_and_flooded():
            reader.loaded()
        finished = self.wait_history("finished", PATIENCE_S, pid=reader.pid)[0]
        self.assertEqual(finished["bytes"], finished["total"])
        self.assertEqual(finished["load"], number)
        self.assert_told()
        reader.leave()
        self.wait_equal(lambda: self.get("State"), "idle", PATIENCE_S)


if __name__ == "__main__":
    bus_case.main()
