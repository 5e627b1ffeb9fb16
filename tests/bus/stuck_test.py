#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A write that the kernel does not take while a request of its disk hangs: on a real loop device."""
import os
import signal
import subprocess
import time

import bus_case
from bus_case import BusCase, read, sysctl
from lib.loop_device import HangingDisk
from lib.machine import Scratch
from lib.processes import Failed, wait_for

SWAPPINESS = sysctl("vm.swappiness")
PROFILES = dict(bus_case.PROFILES, freezing="""summary: writes that freeze a queue
sysctl:
  vm.swappiness: 37
block:
  queue/rq_affinity: 2
  queue/nomerges: 1
  queue/scheduler: [kyber]
""")
KNOBS = ("scheduler", "nr_requests", "rq_affinity", "nomerges", "wbt_lat_usec")


class StuckCase(BusCase):
    profiles = PROFILES

    def setUp(self):
        self.memory = self.enter(Scratch("/dev/shm", "stuck"))
        self.disk = self.enter(HangingDisk(bus_case.BUILD, self.memory))
        self.original = self.shown()
        super().setUp()
        self.addCleanup(self.let_go)
        self.scheduler = f"block/{self.disk.name}/queue/scheduler"

    def shown(self):
        return {name: read(self.disk.queue + name) for name in KNOBS}

    def let_go(self):
        if self.disk.reader is not None:
            self.disk.release()

    def is_kyber(self):
        return "[kyber]" in read(self.disk.queue + "scheduler")

    def freeze(self):
        """A hold whose scheduler write does not return; that of the machine-wide knob does."""
        self.disk.hang()
        cookie = self.hold("freezing", devices=[self.disk.name])
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        self.wait_history("failed", knob=self.scheduler)
        return cookie

    def restore(self, *options):
        """`tuneshiftd --restore`: its exit status and what it said."""
        done = subprocess.run(self.daemon.command("--restore", *options), capture_output=True,
                              text=True, timeout=60, check=False, env=self.daemon.environment)
        return done.returncode, done.stderr + done.stdout

    def kill(self):
        """SIGKILL to a daemon whose writer hangs: it stays, and keeps its journal."""
        self.process, self.daemon.process = self.daemon.process, None
        self.process.kill()
        self.assertRaises(subprocess.TimeoutExpired, self.process.wait, 0.3)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.let_go)


class StuckWrite(StuckCase):
    def test_everything_else_goes_on_and_the_stuck_knob_is_named(self):
        self.disk.hang()
        cookie = self.hold("freezing", devices=[self.disk.name])
        slowest = 0.0
        until = time.monotonic() + 3
        while time.monotonic() < until:
            for ask in (lambda: self.get("State"), lambda: self.call("ListKnobs")):
                started = time.monotonic()
                ask()
                slowest = max(slowest, time.monotonic() - started)
        self.assertLess(slowest, 1)
        stuck = self.knob(self.scheduler)
        self.assertEqual((stuck["state"], stuck["wanted"]), ("failed", "kyber"))
        self.assertIn("the kernel", stuck["why"])
        self.assertIn("scheduler", stuck["why"])
        told = self.wait_history("failed", knob=self.scheduler)[0]
        self.assertIn("no answer from the kernel", told["text"])
        self.assertIn(self.disk.name + "/queue/scheduler: not changed", self.daemon.log())
        # Everybody else is served.
        self.assertEqual(read(SWAPPINESS), "37")
        other = self.hold("latency")
        self.wait_equal(lambda: read(SWAPPINESS), "23")
        self.call("Release", "u", other)
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        self.assertFalse(self.is_kyber())
        self.disk.release()
        # Nobody asks for it again but the kernel's own answer.
        self.wait_equal(lambda: (self.knob(self.scheduler) or {}).get("state"), "ours")
        self.assertTrue(self.is_kyber())
        self.wait_history("written", knob=self.scheduler)
        self.call("Release", "u", cookie)
        self.wait_equal(self.shown, self.original)
        self.wait_equal(self.differences, [])

    def test_a_hold_that_ends_meanwhile_is_put_back_when_the_write_has_landed(self):
        cookie = self.freeze()
        self.call("Release", "u", cookie)
        self.wait_equal(lambda: read(SWAPPINESS), "51")
        self.disk.release()
        self.wait_history("restored", knob=self.scheduler)
        self.wait_equal(self.shown, self.original)

    def test_a_stop_puts_all_else_back_and_names_it(self):
        self.freeze()
        process, self.daemon.process = self.daemon.process, None
        self.addCleanup(process.wait)
        self.addCleanup(self.let_go)
        process.terminate()
        # Its last thread ends with the write: until then the kernel keeps the process.
        wait_for(lambda: "run tuneshiftd --restore" in self.daemon.log(), 15)
        log = self.daemon.log()
        self.assertIn("run tuneshiftd --restore", log)
        self.assertIn(f"{self.scheduler}: not changed", log)
        self.assertEqual(read(SWAPPINESS), "51")
        self.disk.release()
        self.assertEqual(process.wait(10), 1)
        self.assertEqual(self.restore()[0], 0)
        self.assertEqual(self.shown(), self.original)


class StuckAndKilled(StuckCase):
    def test_a_restore_waits_for_the_write_and_nothing_lands_late(self):
        self.freeze()
        self.kill()
        restoring = subprocess.Popen(self.daemon.command("--restore"), stderr=subprocess.PIPE,
                                     text=True, env=self.daemon.environment)
        self.addCleanup(restoring.stderr.close)
        self.addCleanup(restoring.wait)
        self.addCleanup(self.let_go)
        said = restoring.stderr.readline()
        self.assertIn(f"process {self.process.pid}, which was killed, hangs in "
                      f"sys/block/{self.disk.name}/queue/scheduler", said)
        self.assertIsNone(restoring.poll())
        self.disk.release()
        self.assertEqual(restoring.wait(20), 0, restoring.stderr.read())
        # The dead one's write came first: there is nobody left who could write.
        self.assertEqual(self.process.wait(10), -signal.SIGKILL)
        self.assertEqual(self.shown(), self.original)
        self.assertEqual(self.differences(), [])

    def test_past_the_wait_all_else_is_put_back_and_a_second_run_does_the_rest(self):
        self.freeze()
        self.kill()
        status, said = self.restore("--lock-wait", "1")
        self.assertEqual(status, 1, said)
        self.assertIn(f"{self.scheduler}: not changed", said)
        self.assertIn(f"process {self.process.pid}, which was killed, hangs", said)
        self.assertEqual(read(SWAPPINESS), "51")
        self.assertEqual(self.differences(), [])
        # A daemon that would tune beside it does not start.
        with self.assertRaises(Failed) as refused:
            self.daemon._command = lambda command=self.daemon.command("--lock-wait", "0"): command
            self.daemon.start()
        self.daemon.process = None
        self.assertIn("which was killed, hangs", str(refused.exception))
        self.disk.release()
        self.process.wait(10)
        self.assertTrue(self.is_kyber())
        status, said = self.restore()
        self.assertEqual(status, 0, said)
        # What was put back by the first run is not told, and not done, again.
        self.assertNotIn("vm.swappiness", said)
        self.assertEqual(self.shown(), self.original)

    def test_somebody_elses_value_over_the_late_one_stays(self):
        self.freeze()
        self.kill()
        self.assertEqual(self.restore("--lock-wait", "0")[0], 1)
        self.disk.release()
        self.process.wait(10)
        bus_case.write(self.disk.queue + "scheduler", "mq-deadline")
        self.assertEqual(self.restore()[0], 0)
        self.assertIn("[mq-deadline]", read(self.disk.queue + "scheduler"))


class SecondDaemon(BusCase):
    def test_one_beside_a_daemon_that_lives_is_refused_at_once(self):
        started = time.monotonic()
        for option in ((), ("--restore",)):
            done = subprocess.run(self.daemon.command(*option), capture_output=True, text=True,
                                  timeout=60, check=False, env=self.daemon.environment)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"another tuneshiftd runs (pid {self.daemon.process.pid})", done.stderr)
        # It would wait 20 s for one that dies.
        self.assertLess(time.monotonic() - started, 15)
        self.assertTrue(os.path.exists(f"/proc/{self.daemon.process.pid}"))
        self.assertEqual(self.get("State"), "idle")


if __name__ == "__main__":
    bus_case.main()
