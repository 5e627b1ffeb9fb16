#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""So many readers at once that most are none of the daemon's business: it answers all the same."""
import os
import select
import subprocess
import time

import bus_case
from bus_case import BusCase
from lib.machine import disk_scratch, make_cold
from lib.processes import end, read_line, spawn
from lib.programs import Reader, make_model

MIB = 1 << 20
FILE_BYTES = 64 * MIB
MODEL_BYTES = 300 * MIB
PROCESSES = int(os.environ.get("TUNESHIFT_CROWD", "1500"))  # 10000 takes two minutes
MOST_MEMORY_KIB = 64 << 10  # 20 MiB as a rule, more under ASan
MOST_HELPERS = 8
MOST_ANSWER_S = 10  # 0.2 s where nothing else runs
PATIENCE_S = 60


class Crowd(BusCase):
    configuration = ("mode: auto\ndetection: {settle: 1s, size_floor: 64MiB}\n"
                     "switching: {dwell: 1s}\n")

    def setUp(self):
        super().setUp()
        self.files = self.enter(disk_scratch("crowd", MODEL_BYTES))

    def make_files(self, count):
        """Models of which there is the header alone, the rest is a hole; none in the cache."""
        folder = self.files.folder("crowd")
        first = self.files.join("first.safetensors")
        make_model(bus_case.BUILD, first, FILE_BYTES)
        with open(first, "rb") as file:
            header = file.read(4096)
        os.unlink(first)
        for number in range(count):
            with open(os.path.join(folder, f"{number:05}.safetensors"), "wb") as file:
                file.write(header)
                file.truncate(FILE_BYTES)
        os.sync()
        for name in os.listdir(folder):
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
        return folder

    def start_crowd(self, processes, folder):
        crowd = spawn([bus_case.BUILD + "/tests/tools/crowd", str(processes), folder],
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.addCleanup(crowd.stdout.close)
        self.addCleanup(end, crowd)
        self.addCleanup(crowd.stdin.close)
        return crowd

    def helpers(self):
        pid = self.daemon.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return len(file.read().split())

    def look(self):
        started = time.monotonic()
        self.get("State")
        self.assertLess(time.monotonic() - started, MOST_ANSWER_S)
        self.assertLessEqual(self.helpers(), MOST_HELPERS)
        if not bus_case.BUILD.endswith("asan"):
            self.assertLess(self.daemon.status_kib("VmRSS"), MOST_MEMORY_KIB)

    def test_processes_that_map_a_large_file_each(self):
        before = self.daemon.descriptors()
        crowd = self.start_crowd(PROCESSES, self.make_files(PROCESSES))
        while not select.select([crowd.stdout], [], [], 0.05)[0]:
            self.look()
        read_line(crowd.stdout, 1, "crowd")
        # Most are no business of the daemon's; the one that loads is, as soon as its turn comes.
        model = self.files.join("model.safetensors")
        make_model(bus_case.BUILD, model, MODEL_BYTES)
        make_cold(model)
        reader = self.enter(Reader(bus_case.BUILD, "mmap-sequential", model, "--serve"))
        reader.loaded()
        self.wait_history("started", PATIENCE_S, pid=reader.pid)
        self.look()
        reader.leave()
        crowd.stdin.close()
        while crowd.poll() is None:
            self.look()
        self.wait_equal(lambda: self.daemon.descriptors() < before + 32, True, PATIENCE_S)
        self.wait_equal(lambda: self.get("State"), "idle", PATIENCE_S)
        self.wait_equal(self.differences, [])


if __name__ == "__main__":
    bus_case.main()
