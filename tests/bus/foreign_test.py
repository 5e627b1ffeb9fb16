#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A setting that somebody else writes is seen as it happens, and who it was is told."""
import subprocess

import bus_case
from bus_case import BusCase, read, sysctl

SWAPPINESS = sysctl("vm.swappiness")


def write_as_child(path, value):
    """Writes from a process of its own; its pid."""
    with subprocess.Popen(["dd", "of=" + path, "conv=notrunc", "status=none"],
                          stdin=subprocess.PIPE) as writer:
        writer.communicate(value.encode(), timeout=20)
    if writer.returncode != 0:
        raise AssertionError(f"writing {path}: {writer.returncode}")
    return writer.pid


class ForeignWrites(BusCase):
    configuration = "mode: manual\n"

    def setUp(self):
        super().setUp()
        self.root.match("type='signal',interface='org.tuneshift1.Manager'")

    def held(self):
        self.hold("throughput")
        self.wait_equal(lambda: read(SWAPPINESS), "37")
        self.call("Verify")  # answered after every write before it

    def test_the_signal_works(self):
        self.assertEqual(self.get("Probes")["sysctl_writes"][0], "ok", self.get("Probes"))

    def test_it_is_yielded_unasked_and_the_writer_is_named(self):
        self.held()
        self.addCleanup(bus_case.write, SWAPPINESS, self.before.values[SWAPPINESS])
        pid = write_as_child(SWAPPINESS, "42")
        self.assertEqual(self.root.wait_signal("KnobYielded", wait_seconds=20),
                         ("vm.swappiness", "37", "42"))
        self.assertEqual(read(SWAPPINESS), "42")
        writer = f"dd (pid {pid})"
        rows = self.history("yielded")
        self.assertEqual([(row["knob"], row["writer"]) for row in rows],
                         [("vm.swappiness", writer)])
        self.assertIn(f"{writer} set 42 over our 37", rows[0]["text"])
        self.assertIn(f"changed it from 37 to 42: {writer}", self.knob("vm.swappiness")["why"])
        self.assertIn(writer, self.daemon.log())

    def test_the_twin_of_a_knob(self):
        self.daemon.write_profile("throughput", "summary: x\nsysctl:\n  vm.dirty_ratio: 31\n")
        self.call("Reload")
        ratio, size = sysctl("vm.dirty_ratio"), sysctl("vm.dirty_bytes")
        if read(ratio) == "0":
            self.skipTest("this machine uses vm.dirty_bytes")
        self.addCleanup(bus_case.write, ratio, read(ratio))
        self.hold("throughput")
        self.wait_equal(lambda: read(ratio), "31")
        self.call("Verify")
        pid = write_as_child(size, str(1 << 30))
        self.assertEqual(self.root.wait_signal("KnobYielded", wait_seconds=20),
                         ("vm.dirty_ratio", "31", "0"))
        self.assertEqual(self.history("yielded")[0]["writer"], f"dd (pid {pid})")

    def test_the_same_value_yields_nothing(self):
        self.held()
        write_as_child(SWAPPINESS, "37")
        # A write that is yielded is told later than all looks at the one before it.
        other = sysctl("vm.stat_interval")
        self.addCleanup(bus_case.write, other, self.before.values[other])
        write_as_child(other, "5")
        self.assertEqual(self.root.wait_signal("KnobYielded", wait_seconds=20),
                         ("vm.stat_interval", "7", "5"))
        self.assertIsNone(self.root.wait_signal("KnobYielded", wait_seconds=1))
        self.assertEqual(self.knob("vm.swappiness")["state"], "ours")

    def test_while_nothing_is_ours_nothing_is_yielded(self):
        write_as_child(SWAPPINESS, "42")
        self.assertIsNone(self.root.wait_signal("KnobYielded", wait_seconds=1))
        bus_case.write(SWAPPINESS, self.before.values[SWAPPINESS])


if __name__ == "__main__":
    bus_case.main()
