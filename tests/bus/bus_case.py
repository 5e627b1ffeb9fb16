# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the daemon on a private bus share."""
import contextlib
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

# pylint: disable=wrong-import-position
from dbus_wire import BusError, Connection
from lib.keeping import kept
from lib.lock import knobs_locked
from lib.machine import Scratch, Snapshot, block_device, disk_scratch, make_cold
from lib.processes import wait_for
from lib.programs import make_model
from lib.service import PrivateBus, Tuneshiftd

BUILD = ""
NAME = "org.tuneshift1"
PATH = "/org/tuneshift1"
MANAGER = "org.tuneshift1.Manager"
ERROR = "org.tuneshift1.Error."
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
NOBODY = 65534
DISK = block_device("/var/tmp")

# What the knobs of PROFILES show when a test begins, whatever this machine has.
BASE = {
    "/proc/sys/vm/swappiness": "51",
    "/proc/sys/vm/stat_interval": "2",
    f"/sys/block/{DISK}/queue/read_ahead_kb": "1024",
}
PROFILES = {
    "throughput": """summary: while a test loads
sysctl:
  vm.swappiness: 37
  vm.stat_interval: 7
block:
  queue/read_ahead_kb: {at_least: 12288}
bdi:
  read_ahead_kb: {at_least: 12288}
""",
    "latency": """summary: while a test serves
sysctl:
  vm.swappiness: 23
  vm.stat_interval: 9
""",
}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def write(path, value):
    with open(path, "w", encoding="utf-8") as file:
        file.write(value)


def sysctl(name):
    return "/proc/sys/" + name.replace(".", "/")


class Daemon(Tuneshiftd):
    """The daemon with profiles of a test instead of the shipped ones."""

    def __init__(self, bus, folder, configuration, profiles):
        super().__init__(BUILD, bus, folder, configuration)
        # Without the bus's identity: the next one at this address is as good.
        address = bus.address.split(",guid=")[0]
        self.environment["DBUS_SYSTEM_BUS_ADDRESS"] = address
        if profiles is not None:
            for name in os.listdir(self.profiles):
                os.unlink(os.path.join(self.profiles, name))
            for name, text in profiles.items():
                self.write_profile(name, text)

    def write_profile(self, name, text):
        path = os.path.join(self.profiles, name + ".yaml")
        write(path, text)
        os.chmod(path, 0o644)

    def command(self, *options):
        return self._command() + list(options)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def status_kib(self, key):
        """A line of its status, such as VmRSS."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines[key].split()[0])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class BusCase(unittest.TestCase):
    """A bus, a daemon (not started when `start` is False) and a connection for each test."""

    start = True
    configuration = "mode: auto\ndetection: {settle: 1s}\nswitching: {dwell: 1s}\n"
    profiles = PROFILES

    def setUp(self):
        # The bus forbids nobody, and so must the folder of its socket. /var/tmp: on a disk.
        self.scratch = Scratch("/var/tmp", "bus")
        self.addCleanup(self.scratch.__exit__)
        os.chmod(self.scratch.path, 0o755)
        self.bus = self.enter(PrivateBus(self.scratch.path))
        self.daemon = Daemon(self.bus, self.scratch.path, self.configuration, self.profiles)
        self.enter(kept({path: read(path) for path in BASE}))
        for path, value in BASE.items():
            write(path, value)
        self.before = Snapshot(self.daemon.profiles)
        self.addCleanup(self.put_back)
        self.addCleanup(self.daemon.stop)
        self.started_us = time.time_ns() // 1000
        if self.start:
            self.daemon.start()
            self.root = self.connect()

    def enter(self, context):
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def put_back(self):
        """Whatever the daemon left is a failure, and goes back."""
        left = self.differences()
        for line in left:
            path = line.split(": ")[0]
            with contextlib.suppress(OSError):
                write(path, self.before.values[path])
        self.assertEqual(left, [])

    def cold_model(self, purpose, size):
        """The path of a model on a disk, none of it cached."""
        model = self.enter(disk_scratch(purpose, size)).join("model.safetensors")
        make_model(BUILD, model, size)
        make_cold(model)
        return model

    def differences(self):
        return self.before.differences(Snapshot(self.daemon.profiles))

    def connect(self, uid=0):
        return self.enter(Connection(self.bus.address, uid))

    def call(self, member, signature="", *arguments, connection=None, path=PATH,
             interface=MANAGER, **named):
        return (connection or self.root).call(NAME, path, interface, member, signature, arguments,
                                              **named)

    def get(self, name, path=PATH, interface=MANAGER, **named):
        return self.call("Get", "ss", interface, name, path=path,
                         interface="org.freedesktop.DBus.Properties", **named)

    def hold(self, profile, connection=None, reason="test", descriptors=(), **options):
        kinds = {"ttl": "t", "pidfd": "h", "devices": "as"}
        values = {name: (kinds[name], value) for name, value in options.items()}
        return self.call("Hold", "ssa{sv}", profile, reason, values, connection=connection,
                         descriptors=descriptors)

    def assert_error(self, name, member, signature="", *arguments, **named):
        with self.assertRaises(BusError) as caught:
            self.call(member, signature, *arguments, **named)
        full = name if "." in name else ERROR + name
        self.assertEqual(caught.exception.name, full, caught.exception)
        self.assertNotEqual(caught.exception.text, "")
        return caught.exception.text

    def history(self, kind=None, **fields):
        rows = self.call("History", "t", self.started_us)
        return [row for row in rows if kind in (None, row["kind"])
                and all(row.get(name) == value for name, value in fields.items())]

    def wait_history(self, kind, wait_seconds=15, **fields):
        rows = wait_for(lambda: self.history(kind, **fields), wait_seconds)
        self.assertTrue(rows, f"no {kind} {fields} in\n" + self.daemon.log_tail(40))
        return rows

    def wait_equal(self, read_value, expected, wait_seconds=10):
        """Waits for a value; fails with what it is instead."""
        wait_for(lambda: read_value() == expected, wait_seconds, 0.01)
        self.assertEqual(read_value(), expected, self.daemon.log_tail(20))

    def knob(self, name):
        rows = [row for row in self.call("ListKnobs") if row["knob"] == name]
        return rows[0] if rows else None


def main():
    global BUILD
    BUILD = os.path.abspath(sys.argv.pop(1))
    with knobs_locked():
        unittest.main(verbosity=2)
