#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a running load says of its progress, beside what its reader has read."""
import os
import subprocess
import sys
import unittest

import bus_case
from bus_case import BusCase
from lib.machine import Scratch, make_cold
from lib.processes import end, read_line, spawn
from lib.programs import SlowStore, make_model

MODEL_BYTES = 512 << 20
TOLERANCE = MODEL_BYTES // 10
STOPS = (0.25, 0.5, 0.75, 1)

# Reads as far as each line of its input says, and answers when it is there.
STEPPER = """
import mmap, sys
file = open(sys.argv[2], "rb")
data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if sys.argv[1] == "map" else None
kept, at = [], 0
for line in sys.stdin:
    while at < int(line):
        if data:
            data[at]
            at += 4096
        else:
            kept.append(file.read(65536))
            at += len(kept[-1])
    print("there", flush=True)
"""


class Progress(BusCase):
    # A pause is no end of the load.
    configuration = "mode: auto\ndetection: {settle: 60s}\nswitching: {dwell: 1s}\n"

    def stepper(self, way, path):
        process = spawn([sys.executable, "-c", STEPPER, way, path], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, bufsize=0)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(end, process)
        return process

    def follow(self, way, path):
        make_cold(path)
        process = self.stepper(way, path)
        size = os.path.getsize(path)
        for stop in STOPS:
            process.stdin.write(f"{int(size * stop)}\n".encode())
            read_line(process.stdout, 60, "the reader")
            load = self.wait_history("started", pid=process.pid)[0]["load"]
            properties = f"/org/tuneshift1/load/{load}"

            def is_near(at=size * stop, path=properties):
                loaded = self.get("BytesLoaded", path, "org.tuneshift1.Load")
                return abs(loaded - at) <= TOLERANCE

            self.wait_equal(is_near, True)
        end(process)  # what it has mapped does not get cold

    def test_from_a_disk(self):
        path = os.path.join(self.scratch.path, "model.safetensors")
        make_model(bus_case.BUILD, path, MODEL_BYTES)
        for way in ("map", "read"):
            with self.subTest(way=way):
                self.follow(way, path)

    def test_from_a_store_without_a_block_device(self):
        memory_folder = self.enter(Scratch("/dev/shm", "bus"))
        source, mount = memory_folder.folder("source"), memory_folder.folder("mount")
        make_model(bus_case.BUILD, os.path.join(source, "model.safetensors"), MODEL_BYTES)
        self.enter(SlowStore(bus_case.BUILD, source, mount, "--latency-us", "500", "--rate", "0"))
        for way in ("map", "read"):
            with self.subTest(way=way):
                self.follow(way, os.path.join(mount, "model.safetensors"))


if __name__ == "__main__":
    bus_case.main()
