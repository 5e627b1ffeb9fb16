#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Profiles on a person's word: switched without a dip, put back at any end, yielded to others."""
import signal
import subprocess

import bus_case
from bus_case import DISK, BusCase, read, sysctl, write

SWAPPINESS = sysctl("vm.swappiness")


class Shipped(BusCase):
    profiles = None  # those of the package

    def wanted_by(self, profile):
        return {row["knob"]: row for row in self.call("Plan", "sa{sv}", profile, {})}

    def settled(self, profile):
        """Waits until every knob of the profile is done with; the knobs that were changed."""
        self.call("SwitchProfile", "s", profile)
        self.call("Verify")  # answered after every write before it
        rows = self.call("ListKnobs")
        self.assertEqual([row for row in rows if row["state"] == "failed"], [])
        return {row["knob"]: row for row in rows if row["state"] == "ours"}

    def test_a_switch_goes_straight_from_one_profile_to_the_other(self):
        plan = {name: self.wanted_by(name) for name in ("throughput", "latency")}
        first = self.settled("throughput")
        self.assertEqual({name for name, row in plan["throughput"].items()
                          if row["current"]}
                         - set(first), set())
        for name, row in first.items():
            self.assertEqual(row["current"], row["wanted"], row)
        second = self.settled("latency")
        for name in plan["latency"]:
            if name in second:
                self.assertEqual(second[name]["current"], second[name]["wanted"])
        both = [row for row in self.history()
                if row.get("knob") in plan["throughput"] and row["knob"] in plan["latency"]]
        self.assertEqual([row for row in both if row["kind"] == "restored"
                          and plan["latency"][row["knob"]]["wanted"] != row["to"]], [])
        for name in set(plan["throughput"]) & set(plan["latency"]):
            values = [(row["from"], row["to"]) for row in both if row["knob"] == name]
            for (_, reached), (left, _) in zip(values, values[1:]):
                self.assertEqual(reached, left, name)
            self.assertLessEqual(len(values), 2, name)
        self.call("SwitchProfile", "s", "")
        self.call("Verify")
        self.assertEqual(self.differences(), [])
        self.assertEqual(self.call("ListKnobs"), [])
        self.assertEqual(self.get("ActiveProfiles"), [])

    def test_plan_says_what_a_switch_then_does(self):
        plan = self.wanted_by("throughput")
        self.assertEqual(self.differences(), [])
        knobs = self.settled("throughput")
        for name, row in plan.items():
            if row["write"]:
                self.assertEqual(knobs[name]["current"], row["wanted"])
                self.assertEqual(knobs[name]["original"], row["current"])

    def test_the_signal_counts_the_writes(self):
        self.root.match("type='signal',interface='org.tuneshift1.Manager'")
        self.settled("throughput")
        applied = 0
        while (values := self.root.wait_signal("ProfileApplied", wait_seconds=0.5)) is not None:
            self.assertEqual(values[0], "throughput")
            self.assertEqual(values[3], 0)
            applied += values[2]
        self.assertEqual(applied, len(self.history("written")))


class Ends(BusCase):
    def switched(self):
        self.call("SwitchProfile", "s", "throughput")
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        self.call("Verify")
        self.assertEqual(read(f"/sys/block/{DISK}/queue/read_ahead_kb"), "12288")

    def kill(self):
        process, self.daemon.process = self.daemon.process, None
        process.kill()
        process.wait()
        self.assertEqual(read(SWAPPINESS), "37")

    def restore(self):
        done = subprocess.run(self.daemon.command("--restore"), capture_output=True, text=True,
                              timeout=30, check=False, env=self.daemon.environment)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_sigterm_puts_everything_back(self):
        self.switched()
        self.daemon.stop()
        self.assertEqual(self.differences(), [])

    def test_sigint_as_well(self):
        self.switched()
        process, self.daemon.process = self.daemon.process, None
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 0)
        self.assertEqual(self.differences(), [])

    def test_restore_after_sigkill(self):
        self.switched()
        self.kill()
        self.restore()
        self.assertEqual(self.differences(), [])
        self.restore()  # nothing left to do is no failure
        self.assertEqual(self.differences(), [])

    def test_restore_needs_neither_settings_nor_profiles(self):
        self.switched()
        self.kill()
        write(self.daemon.configuration, "mode: [")
        self.daemon.write_profile("throughput", "nonsense")
        self.restore()
        self.assertEqual(self.differences(), [])

    def test_restore_leaves_what_somebody_else_set_meanwhile(self):
        self.addCleanup(write, SWAPPINESS, self.before.values[SWAPPINESS])
        self.switched()
        self.kill()
        write(SWAPPINESS, "44")
        self.restore()
        self.assertEqual(read(SWAPPINESS), "44")
        write(SWAPPINESS, self.before.values[SWAPPINESS])
        self.assertEqual(self.differences(), [])

    def test_restore_leaves_a_running_daemon_alone(self):
        self.switched()
        done = subprocess.run(self.daemon.command("--restore"), capture_output=True, text=True,
                              env=self.daemon.environment, timeout=20, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another tuneshiftd runs", done.stderr)
        self.assertEqual(read(SWAPPINESS), "37")

    def test_the_next_daemon_puts_back_what_a_killed_one_left(self):
        self.switched()
        self.kill()
        self.daemon.start()
        self.assertEqual(self.differences(), [])
        self.root = self.connect()
        # And takes what is there now, not what the dead one left, for the original.
        self.switched()
        self.assertEqual(self.knob("vm.swappiness")["original"], self.before.values[SWAPPINESS])

    def test_observing_gives_everything_back(self):
        self.switched()
        self.call("SetMode", "s", "observe")
        self.wait_equal(self.differences, [])
        self.call("SetMode", "s", "auto")
        self.wait_equal(lambda: read(SWAPPINESS), "37")

    def test_a_pause_gives_everything_back_and_ends(self):
        self.switched()
        self.call("Pause", "t", 1)
        self.wait_equal(self.differences, [])
        self.wait_equal(lambda: self.get("Mode"), "auto")
        self.wait_equal(lambda: read(SWAPPINESS), "37")


class Yielding(BusCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(write, SWAPPINESS, self.before.values[SWAPPINESS])
        self.root.match("type='signal',interface='org.tuneshift1.Manager'")
        self.call("SwitchProfile", "s", "throughput")
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        write(SWAPPINESS, "44")

    def test_verify_yields_a_knob_that_somebody_else_set(self):
        rows = {row["knob"]: row for row in self.call("Verify")}
        self.assertEqual(rows["vm.swappiness"]["state"], "yielded")
        self.assertEqual(rows["vm.swappiness"]["current"], "44")
        self.assertEqual(self.root.wait_signal("KnobYielded"), ("vm.swappiness", "37", "44"))
        self.call("Verify")  # anybody may ask, as often as they like: told once
        self.assertEqual(len(self.history("yielded")), 1)
        why = self.call("Why", "a{sv}", {"knob": ("s", "vm.swappiness")})
        self.assertEqual((why[0]["kind"], why[0]["state"]), ("knob", "yielded"))
        self.call("SwitchProfile", "s", "")
        self.call("Verify")
        self.assertEqual(read(SWAPPINESS), "44")
        write(SWAPPINESS, self.before.values[SWAPPINESS])
        self.assertEqual(self.differences(), [])

    def test_a_switch_yields_it_too(self):
        self.call("SwitchProfile", "s", "latency")
        self.wait_history("yielded", knob="vm.swappiness")
        self.assertEqual(read(SWAPPINESS), "44")

    def test_the_end_of_the_switch_leaves_it(self):
        self.call("SwitchProfile", "s", "")
        self.wait_history("yielded", knob="vm.swappiness")
        self.assertEqual(read(SWAPPINESS), "44")

    def test_rearm_takes_it_back(self):
        for knob in ("vm.swappiness", ""):
            write(SWAPPINESS, "44")
            self.call("Verify")
            self.call("Rearm", "s", knob)
            self.wait_equal(lambda: read(SWAPPINESS), "37")
        # What stood when it was taken back is the original now.
        self.call("SwitchProfile", "s", "")
        self.wait_equal(lambda: read(SWAPPINESS), "44")

    def test_a_stop_leaves_it(self):
        self.daemon.stop()
        self.assertEqual(read(SWAPPINESS), "44")
        write(SWAPPINESS, self.before.values[SWAPPINESS])
        self.assertEqual(self.differences(), [])


if __name__ == "__main__":
    bus_case.main()
