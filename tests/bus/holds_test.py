#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds end with whoever took them, and of two the newer one wins."""
import os
import subprocess
import time

import bus_case
from bus_case import DENIED, DISK, NOBODY, BusCase, read, sysctl
from dbus_wire import Connection
from lib.processes import end, spawn

SWAPPINESS = sysctl("vm.swappiness")


class HoldCase(BusCase):
    configuration = "mode: manual\n"

    def assert_held(self):
        self.wait_equal(lambda: read(SWAPPINESS), "37")

    def assert_ended(self, why):
        self.wait_equal(lambda: self.call("ListHolds"), [])
        self.wait_equal(self.differences, [])
        self.assertEqual([row["reason"] for row in self.history("release")], [why])


class Ends(HoldCase):
    def test_with_its_sender(self):
        other = self.connect()
        cookie = self.hold("throughput", connection=other, reason="a\nreason")
        self.assert_held()
        row = self.call("ListHolds")[0]
        self.assertEqual((row["cookie"], row["holder"], row["uid"], row["until"], row["reason"]),
                         (cookie, "bus " + other.name, 0, 0, r"a\x0areason"))
        other.close()
        self.assert_ended("its client left the bus")

    def test_with_its_process_and_not_with_its_sender(self):
        process = spawn(["sleep", "60"])
        self.addCleanup(end, process)
        pidfd = os.pidfd_open(process.pid)
        other = self.connect()
        self.hold("throughput", connection=other, descriptors=[pidfd], pidfd=0)
        os.close(pidfd)
        other.close()
        self.assert_held()
        self.assertEqual(self.call("ListHolds")[0]["holder"], f"process {process.pid}")
        end(process)
        self.assert_ended("its process ended")

    def test_with_its_time_and_not_with_its_sender(self):
        other = self.connect()
        started = time.monotonic()
        self.hold("throughput", connection=other, ttl=1)
        other.close()
        row = self.call("ListHolds")[0]
        self.assertEqual((row["holder"], row["until"] - row["since"]), ("time", 1000000))
        self.assert_held()
        self.assert_ended("its time is over")
        self.assertGreaterEqual(time.monotonic() - started, 1)

    def test_with_the_first_of_process_and_time(self):
        process = spawn(["sleep", "60"])
        self.addCleanup(end, process)
        pidfd = os.pidfd_open(process.pid)
        self.addCleanup(os.close, pidfd)
        self.hold("throughput", descriptors=[pidfd], pidfd=0, ttl=1)
        self.assert_ended("its time is over")

    def test_when_released_by_its_sender(self):
        cookie = self.hold("throughput")
        self.assert_held()
        self.call("Release", "u", cookie)
        self.assert_ended("released")

    def test_when_released_by_an_administrator_and_nobody_else(self):
        cookie = self.hold("throughput", connection=self.connect())
        self.assert_held()
        self.assert_error(DENIED, "Release", "u", cookie, connection=self.connect(NOBODY))
        self.assertEqual(len(self.call("ListHolds")), 1)
        self.call("Release", "u", cookie)
        self.assert_ended("released")

    def test_of_a_sender_that_left_at_once(self):
        for attempt in range(200):
            with Connection(self.bus.address) as hasty:
                hasty.send("org.tuneshift1", "/org/tuneshift1", "org.tuneshift1.Manager", "Hold",
                           "ssa{sv}", ("throughput", "hasty", {}))
                # To leave at any step of the daemon's work.
                time.sleep(attempt * 10e-6)
        self.wait_equal(lambda: self.call("ListHolds"), [])
        self.hold("latency")  # served after all of them
        self.wait_equal(lambda: [row["profile"] for row in self.call("ListHolds")], ["latency"])
        self.wait_equal(lambda: read(SWAPPINESS), "23")

    def test_one_hold_of_several(self):
        first, second = self.hold("throughput"), self.hold("throughput")
        self.assert_held()
        self.call("Release", "u", first)
        self.call("Verify")
        self.assertEqual(read(SWAPPINESS), "37")
        self.call("Release", "u", second)
        self.wait_equal(self.differences, [])
        self.assertEqual(len(self.history("written", knob="vm.swappiness")), 1)


class Overlaps(HoldCase):
    def test_the_newest_wins_and_names_the_loser(self):
        old = self.hold("throughput")
        self.assert_held()
        new = self.hold("latency")
        self.wait_equal(lambda: read(SWAPPINESS), "23")
        knob = self.knob("vm.swappiness")
        self.assertEqual(knob["owner"], f"hold {new}")
        self.assertIn(f"hold {old}", knob["why"])
        self.assertIn("throughput", knob["why"])
        # What only the older one asks for stays its own.
        self.assertEqual(self.knob(f"block/{DISK}/queue/read_ahead_kb")["owner"], f"hold {old}")
        self.call("Release", "u", new)
        self.assert_held()
        self.assertEqual(self.knob("vm.swappiness")["owner"], f"hold {old}")
        self.call("Release", "u", old)
        self.wait_equal(self.differences, [])
        steps = [(row["from"], row["to"]) for row in self.history()
                 if row.get("knob") == "vm.swappiness"]
        original = self.before.values[SWAPPINESS]
        self.assertEqual(steps, [(original, "37"), ("37", "23"), ("23", "37"), ("37", original)])

    def test_the_older_one_ends_first(self):
        old = self.hold("throughput")
        self.hold("latency")
        self.wait_equal(lambda: read(SWAPPINESS), "23")
        self.call("Release", "u", old)
        self.call("Verify")
        self.assertEqual(read(SWAPPINESS), "23")
        self.wait_equal(lambda: self.knob(f"block/{DISK}/queue/read_ahead_kb"), None)

    def test_a_hold_of_one_device(self):
        self.daemon.write_profile("disk", "summary: disk\nblock:\n  queue/nomerges: 1\n")
        self.call("Reload")
        self.hold("disk", devices=[DISK])
        self.wait_history("written", knob=f"block/{DISK}/queue/nomerges")
        self.assertEqual({row["knob"] for row in self.call("ListKnobs")},
                         {f"block/{DISK}/queue/nomerges"})
        self.assertEqual(self.call("ListHolds")[0]["devices"], [DISK])


class Client(HoldCase):
    def ctl(self, *words):
        return subprocess.run([bus_case.BUILD + "/client/tuneshiftctl", *words], timeout=30,
                              env=self.daemon.environment, capture_output=True, text=True,
                              check=False)

    def test_a_command_runs_with_the_profile(self):
        done = self.ctl("hold", "throughput", "--", "sh", "-c",
                        f"for i in $(seq 500); do [ $(cat {SWAPPINESS}) = 37 ] && exit 7;"
                        " sleep 0.01; done; exit 1")
        self.assertEqual((done.returncode, done.stderr), (7, ""))
        self.assert_ended("released")

    def test_a_killed_client_holds_no_longer(self):
        # cat outlives the client and ends with our side of the pipe.
        client = spawn([bus_case.BUILD + "/client/tuneshiftctl", "hold", "throughput", "--",
                        "cat"], env=self.daemon.environment, stdin=subprocess.PIPE)
        self.addCleanup(client.stdin.close)
        self.addCleanup(end, client)
        self.assert_held()
        client.kill()
        self.assert_ended("its client left the bus")

    def test_a_hold_for_a_process(self):
        process = spawn(["sleep", "60"])
        self.addCleanup(end, process)
        done = self.ctl("hold", "throughput", "--pid", str(process.pid))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_held()
        end(process)
        self.assert_ended("its process ended")


if __name__ == "__main__":
    bus_case.main()
