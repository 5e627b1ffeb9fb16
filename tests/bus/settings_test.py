#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Broken settings are refused as a whole; a knob that fails does not stop the others."""
import os
import signal
import subprocess

import bus_case
from bus_case import DISK, PROFILES, BusCase, read, sysctl, write
from lib.processes import wait_for

BROKEN_PROFILE = """summary: broken
sysctl:
  vm.swapiness: 10
  vm.stat_interval: ten
blok:
  queue/nomerges: 0
"""


class AtStart(BusCase):
    start = False

    def refused(self):
        """Exit status and standard error of a daemon that must not start."""
        done = subprocess.run(self.daemon.command(), capture_output=True, text=True, timeout=20,
                              check=False, env=self.daemon.environment)
        self.assertNotIn(done.returncode, (0, -6, -11), done.stderr)
        return done.stderr

    def test_all_mistakes_of_all_files_are_told_at_once(self):
        write(self.daemon.configuration, "mode: manul\ndetection: {settle: soon}\nnonsense: 1\n")
        self.daemon.write_profile("broken", BROKEN_PROFILE)
        told = self.refused()
        configuration = self.daemon.configuration
        profile = os.path.join(self.daemon.profiles, "broken.yaml")
        for start in (f"{configuration}:1:7: unknown mode 'manul', did you mean 'manual'",
                      f"{configuration}:2:21: 'soon' is not a duration",
                      f"{configuration}:3:1: unknown key 'nonsense'",
                      f"{profile}:3:3: unknown knob 'vm.swapiness', did you mean 'vm.swappiness'?",
                      f"{profile}:4:21: 'vm.stat_interval' takes a whole number, not 'ten'",
                      f"{profile}:5:1: unknown section 'blok'"):
            self.assertIn("\n" + start, "\n" + told)

    def test_check_finds_the_same(self):
        self.daemon.write_profile("broken", BROKEN_PROFILE)
        done = subprocess.run(self.daemon.command("--check"), capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, self.refused())

    def test_text_that_is_no_yaml(self):
        write(self.daemon.configuration, "mode: [auto\n")
        self.assertRegex(self.refused(), rf"{self.daemon.configuration}:\d+:\d+: ")

    def test_a_profile_that_the_configuration_names_is_missing(self):
        os.unlink(os.path.join(self.daemon.profiles, "latency.yaml"))
        self.assertIn("no profile 'latency'", self.refused())

    def test_files_that_others_can_write(self):
        os.chmod(self.daemon.configuration, 0o666)
        os.chmod(os.path.join(self.daemon.profiles, "latency.yaml"), 0o666)
        told = self.refused()
        self.assertIn(self.daemon.configuration, told)
        self.assertIn("latency.yaml", told)

    def test_a_run_directory_that_others_can_write(self):
        directory = self.scratch.folder("run")
        os.chmod(directory, 0o777)
        self.assertIn(directory, self.refused())
        os.chmod(directory, 0o755)
        os.chown(directory, bus_case.NOBODY, 0)
        self.assertIn(directory, self.refused())
        os.chown(directory, 0, 0)
        self.daemon.start()

    def test_a_run_directory_that_is_a_link(self):
        os.symlink(self.scratch.folder("elsewhere"), self.scratch.join("run"))
        self.assertIn(self.scratch.join("run"), self.refused())


class SecondDaemon(BusCase):
    def test_it_leaves_the_first_alone(self):
        cookie = self.hold("throughput")
        with subprocess.Popen(self.daemon.command(), stderr=subprocess.PIPE, text=True,
                              env=self.daemon.environment) as second:
            self.assertEqual(second.wait(60), 1)
            self.assertIn(f"another tuneshiftd runs (pid {self.daemon.process.pid})",
                          second.stderr.read())
        self.assertEqual([row["cookie"] for row in self.call("ListHolds")], [cookie])
        self.assertEqual(read(sysctl("vm.swappiness")), "37")


class Reload(BusCase):
    def test_a_broken_profile_keeps_the_old_ones(self):
        self.hold("throughput")
        self.wait_equal(lambda: read(sysctl("vm.swappiness")), "37")
        profiles = self.call("ListProfiles")
        self.daemon.write_profile("throughput", BROKEN_PROFILE)
        told = self.assert_error("InvalidArgument", "Reload")
        for place in ("throughput.yaml:3:3:", "throughput.yaml:4:21:", "throughput.yaml:5:1:"):
            self.assertIn(place, told)
        self.assertEqual(self.call("ListProfiles"), profiles)
        self.assertEqual(read(sysctl("vm.swappiness")), "37")

    def test_a_good_one_is_applied_at_once(self):
        self.hold("throughput")
        self.wait_equal(lambda: read(sysctl("vm.swappiness")), "37")
        self.daemon.write_profile("throughput", PROFILES["throughput"].replace("37", "38"))
        self.call("Reload")
        self.wait_equal(lambda: read(sysctl("vm.swappiness")), "38")
        self.wait_history("written", knob="vm.swappiness", **{"from": "37", "to": "38"})

    def test_a_held_profile_that_is_gone(self):
        self.daemon.write_profile("extra", "summary: extra\nsysctl:\n  vm.swappiness: 41\n")
        self.call("Reload")
        cookie = self.hold("extra")
        self.call("SwitchProfile", "s", "extra")
        self.wait_equal(lambda: read(sysctl("vm.swappiness")), "41")
        os.unlink(os.path.join(self.daemon.profiles, "extra.yaml"))
        self.call("Reload")
        self.wait_equal(self.differences, [])
        self.call("Release", "u", cookie)
        self.assertEqual(self.call("ListHolds"), [])

    def test_sighup_does_the_same(self):
        self.hold("throughput")
        self.daemon.write_profile("throughput", BROKEN_PROFILE)
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "throughput.yaml:5:1:" in self.daemon.log(), 10)
        self.assertIn("throughput.yaml:5:1:", self.daemon.log())
        self.wait_equal(lambda: read(sysctl("vm.swappiness")), "37")
        self.daemon.write_profile("throughput", PROFILES["throughput"].replace("37", "38"))
        self.daemon.process.send_signal(signal.SIGHUP)
        self.wait_equal(lambda: read(sysctl("vm.swappiness")), "38")

    def test_a_new_mode(self):
        write(self.daemon.configuration, "mode: manual\n")
        self.call("Reload")
        self.assertEqual(self.get("Mode"), "manual")
        self.assertEqual(len(self.history("reload")), 1)
        self.assertEqual(self.history("switch"), [])


class Knobs(BusCase):
    def apply(self, text):
        """Switches to a profile of this text; the rows of ListKnobs when it is done."""
        self.daemon.write_profile("tried", "summary: tried\n" + text)
        self.call("Reload")
        self.call("SwitchProfile", "s", "tried")
        self.call("Verify")
        self.assertEqual(read(sysctl("vm.swappiness")), "41")
        return {row["knob"]: row for row in self.call("ListKnobs")}

    def test_a_knob_that_this_machine_has_not(self):
        known = ("kernel.numa_balancing", "kernel.nmi_watchdog", "kernel.timer_migration",
                 "vm.compaction_proactiveness", "net.core.busy_poll")
        missing = [name for name in known if not os.path.exists(sysctl(name))]
        if not missing:
            self.skipTest("this machine has every knob")
        rows = self.apply(f"sysctl:\n  vm.swappiness: 41\n  {missing[0]}: 1\n")
        self.assertEqual(rows[missing[0]]["state"], "absent")
        self.assertEqual(rows["vm.swappiness"]["state"], "ours")
        self.assertEqual(len(self.history("absent", knob=missing[0])), 1)
        self.assertIn(missing[0], [row["knob"] for row in self.call("Verify")])

    def test_a_value_that_the_kernel_refuses(self):
        knob = f"block/{DISK}/queue/scheduler"
        rows = self.apply("sysctl:\n  vm.swappiness: 41\nblock:\n  queue/scheduler: tuneshift\n")
        self.assertEqual(rows[knob]["state"], "failed", (rows[knob], self.history()))
        self.assertIn("Invalid argument", rows[knob]["why"])
        self.assertEqual(rows["vm.swappiness"]["state"], "ours")
        self.assertEqual(len(self.history("failed", knob=knob)), 1)
        self.assertIn("Invalid argument", self.history("failed", knob=knob)[0]["why"])
        self.call("SwitchProfile", "s", "")
        self.wait_equal(self.differences, [])

    def test_choices_of_which_the_kernel_has_none(self):
        rows = self.apply("sysctl:\n  vm.swappiness: 41\nblock:\n  queue/scheduler: [a, b]\n")
        self.assertEqual(rows[f"block/{DISK}/queue/scheduler"]["state"], "failed")
        self.assertIn("offers none of", rows[f"block/{DISK}/queue/scheduler"]["why"])

    def test_a_value_that_the_kernel_rounds_is_ours(self):
        knob = f"block/{DISK}/queue/read_ahead_kb"
        rows = self.apply("sysctl:\n  vm.swappiness: 41\nblock:\n  queue/read_ahead_kb: 12289\n")
        self.assertEqual((rows[knob]["state"], rows[knob]["current"]), ("ours", "12288"))
        self.assertNotIn(knob, [row["knob"] for row in self.call("Verify")])
        self.call("SwitchProfile", "s", "")
        self.wait_equal(self.differences, [])

    def test_knobs_that_exclude_each_other(self):
        os.sync()  # a limit below what is dirty would be put off
        rows = self.apply("sysctl:\n  vm.swappiness: 41\n  vm.dirty_bytes: 268435456\n")
        self.assertEqual(rows["vm.dirty_bytes"]["current"], "268435456")
        self.assertEqual(read(sysctl("vm.dirty_ratio")), "0")
        self.call("SwitchProfile", "s", "")
        self.wait_equal(self.differences, [])


if __name__ == "__main__":
    bus_case.main()
