#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices come and go while a profile is in force; the number of one is the next one's too."""
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

import bus_case
from bus_case import DISK, PROFILES, BusCase, read, write
from lib.machine import Scratch
from lib.processes import end, spawn
from lib.programs import SlowStore

# Maps a file and waits for the end of its input.
MAPPER = """
import mmap, sys
file = open(sys.argv[1], "rb")
data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
sys.stdin.read()
"""
OWN_KB = "200"    # set by hand on the first mount
RAISED_KB = "12288"


class MountCase(BusCase):
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


class Mounts(MountCase):
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


class UnattachedMount:
    """A FUSE file system that nobody serves. It has a number from the beginning, and is in the tree
    from attach() on: what mount(2) does in one go (fsopen(2), fsconfig(2), fsmount(2), move_mount(2))."""

    FSOPEN, FSCONFIG, FSMOUNT, MOVE_MOUNT = 430, 431, 432, 429
    CLOEXEC = 1
    SET_STRING, CREATE = 1, 6
    AT_FDCWD, FROM_DESCRIPTOR = -100, 4

    def __init__(self, stack, folder):
        self.stack = stack
        self.folder = folder
        fuse = os.open("/dev/fuse", os.O_RDWR)
        stack.callback(os.close, fuse)
        self.context = self._call(self.FSOPEN, b"fuse", self.CLOEXEC)
        stack.callback(os.close, self.context)
        options = {"fd": fuse, "rootmode": "40000", "user_id": 0, "group_id": 0}
        for key, value in options.items():
            self._call(self.FSCONFIG, self.context, self.SET_STRING, key.encode(),
                       str(value).encode(), 0)
        before = set(os.listdir("/sys/class/bdi"))
        self._call(self.FSCONFIG, self.context, self.CREATE, None, None, 0)
        self.numbers = set(os.listdir("/sys/class/bdi")) - before

    @staticmethod
    def _call(number, *arguments):
        libc = ctypes.CDLL(None, use_errno=True)
        result = libc.syscall(number, *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), f"system call {number}")
        return result

    def attach(self):
        mount = self._call(self.FSMOUNT, self.context, self.CLOEXEC, 0)
        try:
            self._call(self.MOVE_MOUNT, mount, b"", self.AT_FDCWD, self.folder.encode(),
                       self.FROM_DESCRIPTOR)
        finally:
            os.close(mount)
        self.stack.callback(subprocess.run, ["umount", "--lazy", self.folder], check=True)


class Kinds(BusCase):
    """A number comes before its mount, which tells what kind of file system it is."""

    configuration = "mode: manual\n"
    profiles = PROFILES | {"throughput": f"""summary: while a test loads
bdi:
  read_ahead_kb: {{at_least: 4096}}
rules:
  - match: {{file_system: fuse}}
    bdi:
      read_ahead_kb: {{at_least: {RAISED_KB}}}
"""}

    def mounted(self):
        """A mount that came within half of the time in which a number is left alone."""
        folder = self.enter(Scratch("/dev/shm", "bus")).folder("mount")
        for _ in range(10):
            started = time.monotonic()
            with contextlib.ExitStack() as stack:
                mount = UnattachedMount(stack, folder)
                self.call("Verify")  # behind the news of the number
                mount.attach()
                if time.monotonic() - started < 0.5 and len(mount.numbers) == 1:
                    self.addCleanup(stack.pop_all().close)
                    return mount.numbers.pop()
        return self.skipTest("this machine is too busy")

    def test_a_mount_after_the_hold_gets_what_is_for_its_kind(self):
        self.hold("throughput", ttl=600)
        path = f"/sys/class/bdi/{self.mounted()}/read_ahead_kb"
        self.wait_equal(lambda: read(path) != "128", True)
        self.assertEqual(read(path), RAISED_KB)


class InMemory(BusCase):
    """What is mapped from tmpfs comes from no store."""

    def cache_fills(self):
        return self.get("Probes")["cache_fills"][1].split(";")[0]

    def test_a_mapped_file_does_not_attach_what_every_cached_page_runs(self):
        if self.cache_fills() != "loaded":
            self.skipTest("a file system without a disk is mounted")
        path = self.enter(Scratch("/dev/shm", "bus")).join("model")
        with open(path, "wb") as file:
            file.truncate(300 << 20)
        process = spawn([sys.executable, "-c", MAPPER, path], stdin=subprocess.PIPE)
        self.addCleanup(process.stdin.close)
        self.addCleanup(end, process)
        self.wait_history("suspected", pid=process.pid)
        self.assertEqual(self.cache_fills(), "loaded")


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
