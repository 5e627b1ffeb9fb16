#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices come and go while a profile is in force; the number of one is the next one's too."""
import contextlib
import os
import signal
import subprocess
import time

import bus_case
from bus_case import DISK, BusCase, read, write
from lib.machine import Scratch
from lib.processes import end
from lib.programs import SlowStore

OWN_KB = "200"    # set by hand on the first mount
RAISED_KB = "12288"


class Mounts(BusCase):
    configuration = "mode: manual\n"

    def setUp(self):
        super().setUp()
        self.memory = self.enter(Scratch("/dev/shm", "bus"))
        self.memory.folder("source")
        self.store = None
        self.addCleanup(self.unmount)

    def mount(self):
        """Mounts a store without a disk; the number of its backing device."""
        self.store = SlowStore(bus_case.BUILD, self.memory.join("source"),
                               self.memory.folder("mount"))
        device = os.stat(self.memory.join("mount")).st_dev
        return f"{os.major(device)}:{os.minor(device)}"

    def unmount(self):
        if self.store is not None:
            self.store.__exit__()
            self.store = None

    def mount_again(self, number):
        """The same number once more: nothing else mounts meanwhile, but a test machine lives."""
        for _ in range(20):
            self.unmount()
            if self.mount() == number:
                return
        self.skipTest(f"{number} went to somebody else")

    @staticmethod
    def read_ahead(number):
        with contextlib.suppress(OSError):
            return read(f"/sys/class/bdi/{number}/read_ahead_kb")
        return ""

    def first_mount(self):
        number = self.mount()
        write(f"/sys/class/bdi/{number}/read_ahead_kb", OWN_KB)
        return number

    def assert_no_trouble(self):
        self.call("Verify")
        self.assertEqual(self.history("yielded") + self.history("failed"), [])

    def test_a_mount_after_the_hold_gets_the_profile_and_loses_it(self):
        self.hold("throughput", ttl=600)
        number = self.mount()
        self.wait_equal(lambda: self.read_ahead(number), RAISED_KB)
        self.assert_no_trouble()
        self.call("Release", "u", self.call("ListHolds")[0]["cookie"])
        self.wait_equal(lambda: self.read_ahead(number), "128")

    def test_what_sets_a_new_mount_up_is_nobody_elses_change(self):
        self.hold("throughput", ttl=600)
        for _ in range(10):
            started = time.monotonic()
            number = self.mount()
            write(f"/sys/class/bdi/{number}/read_ahead_kb", OWN_KB)  # as a rule of udev's does
            if time.monotonic() - started < 0.5:
                break
            self.unmount()
        self.wait_equal(lambda: self.read_ahead(number), RAISED_KB)
        self.assert_no_trouble()
        self.assertEqual(self.knob(f"bdi/{number}/read_ahead_kb")["original"], OWN_KB)
        self.call("Release", "u", self.call("ListHolds")[0]["cookie"])
        self.wait_equal(lambda: self.read_ahead(number), OWN_KB)

    def test_the_next_mount_of_a_number_is_a_device_of_its_own(self):
        number = self.first_mount()
        knob = f"bdi/{number}/read_ahead_kb"
        cookie = self.hold("throughput")
        self.wait_equal(lambda: self.read_ahead(number), RAISED_KB)
        for _ in range(5):
            self.mount_again(number)
            self.call("Verify")  # at any moment
        self.wait_equal(lambda: self.read_ahead(number), RAISED_KB)
        self.assert_no_trouble()
        self.assertEqual(self.knob(knob)["original"], "128")
        self.assertTrue(self.history("absent", knob=knob))
        self.call("Release", "u", cookie)
        self.wait_equal(lambda: self.read_ahead(number), "128")
        self.wait_equal(lambda: self.call("ListKnobs"), [])

    def test_a_hold_of_one_mount_is_not_one_of_the_next(self):
        number = self.first_mount()
        cookie = self.hold("throughput", devices=[number])
        self.wait_equal(lambda: self.read_ahead(number), RAISED_KB)
        self.mount_again(number)
        # Whatever was to be done about the mounts is done once another one is taken in.
        other = self.hold("throughput", devices=[DISK])
        self.wait_history("written", knob=f"block/{DISK}/queue/read_ahead_kb")
        self.assert_no_trouble()
        self.assertEqual(self.read_ahead(number), "128")
        self.call("Release", "u", cookie)
        self.call("Release", "u", other)
        self.wait_equal(lambda: self.call("ListKnobs"), [])
        self.assertEqual(self.read_ahead(number), "128")

    def test_a_mount_that_ends_leaves_nothing(self):
        number = self.first_mount()
        self.hold("throughput")
        self.wait_equal(lambda: self.read_ahead(number), RAISED_KB)
        self.unmount()
        knob = f"bdi/{number}/read_ahead_kb"
        self.wait_history("absent", knob=knob)
        self.assertIsNone(self.knob(knob))
        self.assert_no_trouble()
        self.assertEqual(len(self.history("absent", knob=knob)), 1)

    def test_events_that_were_lost(self):
        number = self.first_mount()
        self.hold("throughput")
        self.wait_equal(lambda: self.read_ahead(number), RAISED_KB)
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(5000):  # more than its socket has room for
                write(f"/sys/block/{DISK}/uevent", "change")
            self.mount_again(number)
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)
        self.wait_equal(lambda: self.read_ahead(number), RAISED_KB)
        self.assert_no_trouble()
        self.assertEqual(self.knob(f"bdi/{number}/read_ahead_kb")["original"], "128")

    def test_a_daemon_that_was_killed_meanwhile(self):
        number = self.first_mount()
        self.hold("throughput")
        self.wait_equal(lambda: self.read_ahead(number), RAISED_KB)
        self.daemon.process.send_signal(signal.SIGKILL)
        end(self.daemon.process)
        self.mount_again(number)
        # By chance what was ours on the mount before it.
        write(f"/sys/class/bdi/{number}/read_ahead_kb", RAISED_KB)
        done = subprocess.run(self.daemon.command("--restore"), capture_output=True, text=True,
                              timeout=30, check=False, env=self.daemon.environment)
        self.daemon.process = None
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read_ahead(number), RAISED_KB)
        self.assertIn("its device is gone", done.stdout + done.stderr)
        self.assertEqual(read(self.daemon.folder + "/run/journal"), "")


class Repeated(BusCase):
    configuration = "mode: manual\n"

    def rows_of_the_disk(self):
        return [row for row in self.history() if row.get("knob", "").startswith(f"block/{DISK}/")]

    def test_an_event_that_is_repeated_changes_nothing(self):
        self.hold("throughput")
        path = f"/sys/block/{DISK}/queue/read_ahead_kb"
        self.wait_equal(lambda: read(path), RAISED_KB)
        self.call("Verify")
        rows = self.rows_of_the_disk()
        number = read(f"/sys/block/{DISK}/dev")
        for action in ("add", "remove"):
            for device in (f"/sys/block/{DISK}", f"/sys/class/bdi/{number}"):
                write(device + "/uevent", action)
            until = time.monotonic() + 2  # longer than a new device is left alone
            while time.monotonic() < until:
                self.assertEqual(read(path), RAISED_KB)
                self.call("Verify")
        self.assertEqual(self.rows_of_the_disk(), rows)


if __name__ == "__main__":
    bus_case.main()
