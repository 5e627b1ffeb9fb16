#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that executes its program anew: what it was asked for goes on, and no knob moves."""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading

import bus_case
from bus_case import BASE, NAME, BusCase, read, sysctl, write
from lib.machine import disk_scratch, make_cold
from lib.processes import end, spawn, wait_for
from prefetch_test import MODEL_BYTES, SlowCase

REEXEC = signal.SIGRTMIN + 25
SWAPPINESS = sysctl("vm.swappiness")
# Keeps the first file mapped, then reads the second.
SERVER = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    model = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
sum(model[i] for i in range(0, len(model), 4096))
print(flush=True)
sys.stdin.readline()
with open(sys.argv[2], "rb") as file:
    while file.read(1 << 20): pass
print(flush=True)
sys.stdin.readline()
"""


class Steady:
    """Reads a file as fast as it can, and keeps every value that it has shown."""

    def __init__(self, path):
        self.path = path
        self.seen = {read(path)}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.is_set():
            self.seen.add(read(self.path))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Reexecuted:
    def reexec(self):
        """Until the next daemon in the same process answers."""
        owner = self.owner()
        os.kill(self.daemon.process.pid, REEXEC)
        self.assertTrue(wait_for(lambda: self.owner() not in (None, owner), 20),
                        self.daemon.log_tail(30))
        self.wait_history("handover")
        self.assertIsNone(self.daemon.process.poll())

    def owner(self):
        try:
            return self.root.call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                  "org.freedesktop.DBus", "GetNameOwner", "s", (NAME,))
        except bus_case.BusError:
            return None

    def state_of(self, knob):
        row = self.knob(knob)
        return row and (row["state"], row["original"], row["current"])


class Promises(Reexecuted, BusCase):
    def test_holds_go_on(self):
        client = self.connect()
        sleeper = spawn(["sleep", "1000"], stdin=subprocess.DEVNULL)
        self.addCleanup(end, sleeper)
        pidfd = os.pidfd_open(sleeper.pid)
        self.addCleanup(os.close, pidfd)
        timed = self.hold("throughput", ttl=600, reason="time")
        bound = self.hold("throughput", pidfd=0, descriptors=(pidfd,), reason="process")
        sent = self.hold("throughput", connection=client, reason="sender",
                         devices=[bus_case.DISK])
        ended = self.hold("throughput", reason="gone")
        self.call("Release", "u", ended)
        self.wait_equal(lambda: self.state_of("vm.swappiness"), ("ours", BASE[SWAPPINESS], "37"))
        holds = self.call("ListHolds")
        with Steady(SWAPPINESS) as swappiness:
            self.reexec()
            self.assertEqual(self.call("ListHolds"), holds)
            self.wait_equal(lambda: self.state_of("vm.swappiness"),
                            ("ours", BASE[SWAPPINESS], "37"))
        self.assertEqual(swappiness.seen, {"37"})
        self.assertEqual(self.history("written") + self.history("restored"), [])
        self.assertEqual(self.get("Mode"), "auto")

        self.assertGreater(self.hold("latency"), ended)
        end(sleeper)
        client.close()
        self.wait_history("release", cookie=bound)
        self.wait_history("release", cookie=sent)
        self.call("Release", "u", timed)
        self.wait_equal(lambda: read(SWAPPINESS), "23")

    def test_one_hold_of_a_client_alone(self):
        self.hold("throughput")
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        with Steady(SWAPPINESS) as swappiness:
            self.reexec()
            self.call("Verify")
        self.assertEqual(swappiness.seen, {"37"})
        self.assertEqual(len(self.call("ListHolds")), 1)
        self.assertNotIn("hold 1 ends", self.daemon.log())

    def test_configuration_that_observes_by_now(self):
        self.hold("throughput", ttl=600)
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        write(self.daemon.configuration, self.configuration.replace("auto", "observe"))
        self.reexec()
        self.assertEqual(self.get("Mode"), "observe")
        self.assertEqual(self.differences(), [])
        self.call("SetMode", "s", "auto")
        self.wait_equal(lambda: read(SWAPPINESS), "37")

    def test_client_that_left_meanwhile(self):
        client = self.connect()
        self.hold("throughput", connection=client)
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        owner = self.owner()
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        client.close()
        os.kill(self.daemon.process.pid, REEXEC)
        os.kill(self.daemon.process.pid, signal.SIGCONT)
        self.assertTrue(wait_for(lambda: self.owner() not in (None, owner), 20))
        self.wait_equal(lambda: read(SWAPPINESS), BASE[SWAPPINESS])
        self.wait_equal(lambda: self.call("ListHolds"), [])

    def test_yields_stay(self):
        self.hold("throughput", ttl=600)
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        write(SWAPPINESS, "44")
        self.wait_equal(lambda: self.knob("vm.swappiness")["state"], "yielded")
        self.reexec()
        self.assertEqual(self.knob("vm.swappiness")["state"], "yielded")
        self.call("Verify")
        self.assertEqual(read(SWAPPINESS), "44")
        self.call("Rearm", "s", "vm.swappiness")
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        self.daemon.stop()
        self.assertEqual(read(SWAPPINESS), "44")
        write(SWAPPINESS, BASE[SWAPPINESS])

    def test_mode_pause_and_switch(self):
        self.call("SwitchProfile", "s", "latency")
        self.wait_equal(lambda: read(SWAPPINESS), "23")
        with Steady(SWAPPINESS) as swappiness:
            self.reexec()
            self.call("Verify")
        self.assertEqual(swappiness.seen, {"23"})
        self.call("SetMode", "s", "manual")
        self.call("Pause", "t", 12)
        self.wait_equal(lambda: read(SWAPPINESS), BASE[SWAPPINESS])
        self.reexec()
        self.assertEqual(self.get("Mode"), "paused")
        descriptors = self.daemon.descriptors()
        self.reexec()
        self.assertEqual(self.daemon.descriptors(), descriptors, "some are left behind each time")
        self.wait_equal(lambda: self.get("Mode"), "manual", 30)
        self.wait_equal(lambda: read(SWAPPINESS), "23")

    def test_end_right_behind_it(self):
        self.hold("throughput", ttl=600)
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        os.kill(self.daemon.process.pid, REEXEC)
        self.daemon.stop()  # asserts the status
        self.assertEqual(read(SWAPPINESS), BASE[SWAPPINESS])

    def test_client_that_waits(self):
        holder = spawn([os.path.join(bus_case.BUILD, "client/tuneshiftctl"), "hold", "throughput"],
                       env=self.daemon.environment, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.stderr.close)
        self.addCleanup(end, holder)
        holder.stdout.readline()
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        self.reexec()
        self.assertEqual(len(self.call("ListHolds")), 1)
        self.assertIsNone(holder.poll())
        self.daemon.stop()
        self.assertEqual(holder.wait(20), 3)


class LatencyRequest(Reexecuted, BusCase):
    profiles = {**bus_case.PROFILES, "awake": "summary: no deep sleep\n"
                                              "pm_qos: {cpu_dma_latency: {at_most: 77}}\n"}

    def requests(self):
        folder = f"/proc/{self.daemon.process.pid}/fd"
        links = []
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                links.append(os.readlink(os.path.join(folder, name)))
        return links.count("/dev/cpu_dma_latency")

    def test_it_goes_on(self):
        if not os.path.exists("/dev/cpu_dma_latency"):
            self.skipTest("this kernel has no requests for the latency of CPUs")
        self.hold("awake", ttl=600)
        self.wait_equal(self.requests, 1)
        for _ in range(2):
            self.reexec()
            self.call("Verify")
            self.wait_equal(self.requests, 1)
        self.assertEqual(self.knob("pm_qos/cpu_dma_latency")["state"], "ours")


class Loads(Reexecuted, SlowCase):
    store_options = ("--rate", str(100 << 20))

    def read_ahead(self):
        device = os.stat(self.model).st_dev
        return f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb"

    def zombies(self):
        daemon = self.daemon.process.pid
        states = []
        for pid in read(f"/proc/{daemon}/task/{daemon}/children").split():
            with contextlib.suppress(OSError):
                states.append(read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0])
        return states.count("Z")

    def test_load_and_server_go_on(self):
        before = read(self.read_ahead())
        reader = self.reader("mmap-sequential", "--serve")
        self.wait_history("started", pid=reader.pid)
        self.wait_equal(lambda: read(self.read_ahead()) != before, True)
        with Steady(self.read_ahead()) as steady:
            self.reexec()
            self.assertEqual(self.get("State"), "loading")
            self.wait_history("started", pid=reader.pid)
        self.assertEqual(len(steady.seen), 1, "the read-ahead moved")
        reader.loaded()
        self.wait_equal(lambda: self.get("State"), "serving", 20)
        self.wait_equal(lambda: read(self.read_ahead()), before)
        self.wait_equal(lambda: read(SWAPPINESS), "23")

        with Steady(SWAPPINESS) as swappiness:
            self.reexec()
            self.assertEqual((self.get("State"), self.get("Servers")), ("serving", 1))
            self.call("Verify")
        self.assertEqual(swappiness.seen, {"23"})
        end(reader.process)
        self.wait_equal(lambda: self.get("State"), "idle")
        self.wait_equal(lambda: read(SWAPPINESS), BASE[SWAPPINESS])

    def test_server_that_reads_something_else_meanwhile(self):
        data = self.enter(disk_scratch("handover", MODEL_BYTES)).join("data.bin")
        with open(data, "wb") as file:
            for _ in range(MODEL_BYTES >> 20):
                file.write(os.urandom(1 << 20))
        make_cold(data)
        server = spawn([sys.executable, "-c", SERVER, self.model, data], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, bufsize=0)
        for pipe in (server.stdin, server.stdout):
            self.addCleanup(pipe.close)
        self.addCleanup(end, server)
        server.stdout.readline()
        self.wait_equal(lambda: self.get("State"), "serving", 20)
        self.reexec()
        server.stdin.write(b"\n")
        server.stdout.readline()
        self.wait_history("rejected", pid=server.pid)
        self.assertEqual(self.get("Servers"), 1)
        end(server)
        self.wait_equal(lambda: self.get("State"), "idle")

    def test_helpers_leave_no_zombies(self):
        reader = self.reader("mmap-sequential", "--close")
        self.wait_equal(lambda: len(self.workers()), 1)
        [worker] = self.workers()
        self.reexec()
        self.assertTrue(wait_for(lambda: not os.path.exists(f"/proc/{worker}"), 20))
        reader.loaded()
        self.wait_equal(self.zombies, 0)


class OfCopy(BusCase):
    """A program of its own, which a test may take away."""
    start = False

    def setUp(self):
        super().setUp()
        self.copy = os.path.join(self.scratch.path, "tuneshiftd")
        shutil.copy(os.path.join(bus_case.BUILD, "daemon/tuneshiftd"), self.copy)
        command = self.daemon._command()
        self.daemon._command = lambda: [self.copy, *command[1:]]
        self.daemon.start()
        self.root = self.connect()

    def test_program_that_is_gone(self):
        self.hold("throughput", ttl=600)
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        os.rename(self.copy, self.copy + ".away")
        os.kill(self.daemon.process.pid, REEXEC)
        self.assertTrue(wait_for(lambda: "goes on" in self.daemon.log(), 10))
        self.assertEqual(len(self.call("ListHolds")), 1)
        self.assertEqual(read(SWAPPINESS), "37")

    def test_program_that_fails(self):
        self.hold("throughput", ttl=600)
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        with open(self.copy + ".new", "w", encoding="ascii") as file:
            file.write("#!/bin/false\n")
        os.chmod(self.copy + ".new", 0o755)
        os.rename(self.copy + ".new", self.copy)
        os.kill(self.daemon.process.pid, REEXEC)
        self.assertEqual(self.daemon.process.wait(20), 1)
        self.daemon.process = None
        # What systemd does then.
        shutil.copy(os.path.join(bus_case.BUILD, "daemon/tuneshiftd"), self.copy + ".new")
        os.rename(self.copy + ".new", self.copy)
        subprocess.run(self.daemon.command("--restore"), check=True, timeout=60)
        self.assertEqual(read(SWAPPINESS), BASE[SWAPPINESS])


if __name__ == "__main__":
    bus_case.main()
