#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that hangs for a known time: what it had got took long on the device, the rest in the
queue."""
import json
import mmap
import os
import subprocess
import threading
import time

import bus_case
from bus_case import BusCase, write
from lib.loop_device import HangingDisk
from lib.machine import Scratch
from lib.processes import wait_for

READERS = 200
REQUEST_BYTES = 4096
APART_BYTES = 64 << 10  # no two of them are merged
HARDWARE_QUEUE = 128    # of a loop device
HANG_S = 0.2
HANG_BUCKET = 17        # [131, 262) ms


def bpftool(*words):
    done = subprocess.run(["bpftool", "--json", *words], capture_output=True, text=True,
                          timeout=30, check=True)
    return json.loads(done.stdout)


def waits_for_disk(thread):
    """Whether it sleeps without being interruptible: its request was handed over."""
    with open(f"/proc/self/task/{thread.native_id}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "D"


def latency_maps():
    return {one["id"] for one in bpftool("map", "show") if one.get("name") == "latencies"}


class Split(BusCase):
    start = False
    configuration = "mode: observe\n"

    def setUp(self):
        super().setUp()
        self.memory = self.enter(Scratch("/dev/shm", "latency"))
        self.disk = self.enter(HangingDisk(bus_case.BUILD, self.memory))
        write(self.disk.queue + "scheduler", "mq-deadline")
        known = latency_maps()
        self.daemon.start()
        self.maps = latency_maps() - known
        self.assertTrue(self.maps, self.daemon.log_tail())
        self.root = self.connect()

    def counts(self):
        """The histograms of the disk's reads. A loop device is not on the bus: from the map."""
        device = os.stat(f"/dev/{self.disk.name}").st_rdev
        key = {"device": os.major(device) << 20 | os.minor(device), "write": 0}
        for number in self.maps:
            for entry in bpftool("map", "dump", "id", str(number)):
                if entry["formatted"]["key"] == key:
                    return entry["formatted"]["value"]
        return {name: [0] for name in ("queue", "device", "size")}

    def read_at(self, offset):
        device = os.open(f"/dev/{self.disk.name}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        try:
            with mmap.mmap(-1, REQUEST_BYTES) as aligned:
                os.preadv(device, [aligned], offset)
        finally:
            os.close(device)

    def test_queue_and_device(self):
        before = {name: sum(counts) for name, counts in self.counts().items()}
        self.disk.hang()
        readers = [threading.Thread(target=self.read_at, args=((32 << 20) + i * APART_BYTES,))
                   for i in range(READERS)]
        for reader in readers:
            reader.start()
        self.assertTrue(wait_for(lambda: all(waits_for_disk(one) for one in readers), 20, 0.01))
        time.sleep(HANG_S)  # what is measured
        self.disk.release()
        for reader in readers:
            reader.join()
        after = self.counts()
        device, queue, sizes = after["device"], after["queue"], after["size"]
        self.assertEqual(sum(device) - before["device"], READERS + 1)
        self.assertEqual(sum(sizes) - before["size"], READERS + 1)
        self.assertGreaterEqual(sum(device[HANG_BUCKET:]), HARDWARE_QUEUE)
        # All went through the scheduler; what the hardware took at once was not long in it.
        self.assertEqual(sum(queue[HANG_BUCKET:]), READERS + 1 - HARDWARE_QUEUE)
        self.assertEqual(sum(queue) - before["queue"], READERS + 1)
        self.assertGreaterEqual(sizes[12], READERS)
        self.assertEqual(len(sizes), 27)


if __name__ == "__main__":
    bus_case.main()
