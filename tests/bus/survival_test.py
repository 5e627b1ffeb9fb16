#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon where something it builds on is missing, hangs, dies or comes late."""
import os
import signal
import time

import bus_case
from bus_case import BusCase, read, sysctl
from dbus_wire import BusError
from lib.machine import Scratch
from lib.processes import end
from lib.programs import Reader, SlowStore, make_model
from lib.service import PrivateBus

SWAPPINESS = sysctl("vm.swappiness")


class BusGone(BusCase):
    def back_on_the_bus(self):
        """A connection to the daemon, once it is there (it tries after 1, 2, 4 … seconds)."""
        deadline = time.monotonic() + 15
        while True:
            connection = self.connect()
            try:
                self.get("Mode", connection=connection)
                return connection
            except BusError as error:
                connection.close()
                self.assertLess(time.monotonic(), deadline, error)
                time.sleep(0.1)

    def test_a_bus_that_is_started_again(self):
        self.hold("throughput")
        lasting = self.hold("throughput", ttl=600)
        self.call("SwitchProfile", "s", "latency")
        process = self.daemon.process
        end(self.bus.process)
        # No client is left, and no hold of one; a switch and a hold for a time need none.
        self.enter(PrivateBus(self.scratch.path))
        self.root = self.back_on_the_bus()
        self.assertIsNone(process.poll())
        self.assertEqual([row["cookie"] for row in self.call("ListHolds")], [lasting])
        self.assertEqual(self.get("ActiveProfiles"), ["latency", "throughput"])
        self.hold("throughput")
        self.assertEqual(len(self.call("ListHolds")), 2)

    def test_a_stop_without_a_bus(self):
        self.call("SwitchProfile", "s", "throughput")
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        end(self.bus.process)
        self.daemon.stop()
        self.assertEqual(self.differences(), [])


class BusLate(BusGone):
    start = False

    def setUp(self):
        super().setUp()
        end(self.bus.process)
        self.daemon.start()

    def test_a_bus_that_is_started_again(self):
        self.enter(PrivateBus(self.scratch.path))
        self.root = self.back_on_the_bus()
        self.hold("throughput")
        self.wait_equal(lambda: read(SWAPPINESS), "37")

    def test_a_stop_without_a_bus(self):
        self.daemon.stop()
        self.assertEqual(self.differences(), [])


class WithoutBpf(BusCase):
    start = False

    def test_holds_work_and_the_tiers_say_why(self):
        command = self.daemon.command()
        setpriv = ["setpriv", "--bounding-set", "-bpf,-perfmon,-sys_admin", "--inh-caps",
                   "-bpf,-perfmon,-sys_admin"]
        self.daemon._command = lambda: setpriv + command
        self.daemon.start()
        self.root = self.connect()
        probes = self.get("Probes")
        # What only BPF can see is absent; readers are found in /proc, later.
        tiers = {name: tier for name, (tier, _) in probes.items()}
        self.assertEqual(tiers, {"reads": "fallback", "cache_fills": "fallback",
                                 "mappings": "absent", "nfs_reads": "absent", "latency": "absent",
                                 "sysctl_writes": "absent"})
        for name, (_, why) in probes.items():
            self.assertNotEqual(why, "", name)
        self.assertTrue(any("permitted" in why for _, why in probes.values()), probes)
        cookie = self.hold("throughput")
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        self.call("Release", "u", cookie)
        self.wait_equal(self.differences, [])


class HangingStore(BusCase):
    configuration = "mode: auto\ndetection: {size_floor: 16MiB, settle: 1s}\n"

    def test_a_store_that_stops_answering_holds_up_nobody(self):
        memory = self.enter(Scratch("/dev/shm", "bus"))
        make_model(bus_case.BUILD, memory.join(memory.folder("source"), "model.safetensors"),
                   64 << 20, "--no-sync")
        store = self.enter(SlowStore(bus_case.BUILD, memory.join("source"),
                                     memory.folder("mount")))
        path = memory.join("mount", "model.safetensors")
        probe = self.connect()
        with Reader(bus_case.BUILD, "mmap-random", path, "--serve") as reader:
            self.wait_history("suspected", pid=reader.pid)
            os.kill(store.process.pid, signal.SIGSTOP)
            try:
                with Reader(bus_case.BUILD, "read", path) as second:
                    slowest = 0.0
                    until = time.monotonic() + 3
                    while time.monotonic() < until:
                        started = time.monotonic()
                        self.get("State", connection=probe)
                        self.call("ListKnobs", connection=probe)
                        slowest = max(slowest, time.monotonic() - started)
                    self.assertLess(slowest, 1)
                    self.assertIsNone(second.process.poll())
                    # A hold for the whole machine is applied meanwhile.
                    cookie = self.hold("throughput")
                    self.wait_equal(lambda: read(SWAPPINESS), "37")
                    self.call("Release", "u", cookie)
                    os.kill(store.process.pid, signal.SIGCONT)
            finally:
                os.kill(store.process.pid, signal.SIGCONT)

    def test_a_daemon_beside_a_hanging_store_can_stop(self):
        memory = self.enter(Scratch("/dev/shm", "bus"))
        make_model(bus_case.BUILD, memory.join(memory.folder("source"), "model.safetensors"),
                   64 << 20, "--no-sync")
        store = self.enter(SlowStore(bus_case.BUILD, memory.join("source"),
                                     memory.folder("mount"), "--latency-us", "200000"))
        path = memory.join("mount", "model.safetensors")
        with Reader(bus_case.BUILD, "read", path):
            self.wait_history("suspected")
            os.kill(store.process.pid, signal.SIGSTOP)
            try:
                self.assertLess(self.daemon.stop(), 10)
            finally:
                os.kill(store.process.pid, signal.SIGCONT)


if __name__ == "__main__":
    bus_case.main()
