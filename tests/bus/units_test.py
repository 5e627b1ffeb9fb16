# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settings of units, asked of a systemd that is a part of this test."""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

# pylint: disable=wrong-import-position
from fake_systemd import UNSET, FakeSystemd
from lib.machine import Scratch, block_device
from lib.processes import end, read_line, spawn
from lib.service import PrivateBus

TOOL = ""
DISK = block_device("/var/tmp")


class Backend:
    """The daemon's side, in a process of its own that can be killed."""

    def __init__(self, case, *options):
        self.process = spawn(
            [TOOL, "--traces", case.path("traces"), "--systemd-runtime", case.path("systemd"),
             *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=case.bus.address))

    def ask(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        return read_line(self.process.stdout, 30, line)

    def stop(self):
        end(self.process)
        self.process.stdin.close()
        self.process.stdout.close()


class UnitsCase(unittest.TestCase):
    def setUp(self):
        self.scratch = Scratch("/var/tmp", "units")
        self.addCleanup(self.scratch.__exit__)
        os.chmod(self.scratch.path, 0o755)
        self.bus = PrivateBus(self.scratch.path)
        self.addCleanup(self.bus.__exit__)
        self.systemd = FakeSystemd(self.bus.address, self.path("systemd"))
        self.addCleanup(self.systemd.close)
        self.backend = self.start()

    def start(self, *options):
        backend = Backend(self, *options)
        self.addCleanup(backend.stop)
        return backend

    def path(self, name):
        return os.path.join(self.scratch.path, name)

    def read(self, knob):
        answer = self.backend.ask(f"read systemd/{knob}")
        self.assertTrue(answer.startswith("= "), answer)
        return answer[2:]

    def write(self, knob, value):
        self.assertEqual(self.backend.ask(f"write systemd/{knob} {value}").strip(), "=")

    def refused(self, code, line):
        answer = self.backend.ask(line)
        self.assertTrue(answer.startswith(f"! {code} "), answer)
        return answer

    def drop_in(self, unit, prop):
        path = self.systemd.drop_in(unit, prop)
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            return file.read()

    def traces(self):
        return os.listdir(self.path("traces")) if os.path.exists(self.path("traces")) else []


class Settings(UnitsCase):
    def test_numbers(self):
        unit = self.systemd.add("models.service", "/system.slice/models.service")
        for prop, before, value in (("CPUWeight", "unset", "500"), ("IOWeight", "unset", "10000"),
                                    ("MemoryLow", "0", "1073741824")):
            knob = f"models.service/{prop}"
            self.assertEqual(self.read(knob), before)
            self.write(knob, value)
            self.assertEqual(unit[prop], int(value))
            self.assertEqual(self.read(knob), value)
            self.write(knob, before)
            self.assertEqual(self.read(knob), before)
        self.assertEqual(unit["CPUWeight"], UNSET)

    def test_memory_without_bound(self):
        unit = self.systemd.add("a.slice")
        self.write("a.slice/MemoryLow", "infinity")
        self.assertEqual(unit["MemoryLow"], UNSET)
        self.assertEqual(self.read("a.slice/MemoryLow"), "infinity")
        self.refused("invalid_argument", "write systemd/a.slice/MemoryLow unset")

    def test_each_disk_for_itself(self):
        unit = self.systemd.add("a.scope")
        for prop in ("IODeviceLatencyTargetUSec", "IOReadBandwidthMax", "IOWriteBandwidthMax"):
            unit[prop] = [("/dev/other", 7)]
            knob = f"a.scope/{prop}/{DISK}"
            self.assertEqual(self.read(knob), "unset")
            self.write(knob, "5000")
            self.assertEqual(dict(unit[prop]), {"/dev/other": 7, f"/dev/{DISK}": 5000})
            self.assertEqual(self.read(knob), "5000")
            self.write(knob, "unset")
            self.assertEqual(self.read(knob), "unset")
            self.assertEqual(dict(unit[prop])["/dev/other"], 7)
            self.assertIsNone(self.drop_in("a.scope", prop))

    def test_disk_under_another_name(self):
        unit = self.systemd.add("a.scope")
        unit["IOReadBandwidthMax"] = [("/var", 7)]
        answer = self.refused("unsupported", f"write systemd/a.scope/IOReadBandwidthMax/{DISK} 5")
        self.assertIn("'/var'", answer)
        self.assertEqual(unit["IOReadBandwidthMax"], [("/var", 7)])

    def test_disk_that_is_not_there(self):
        self.systemd.add("a.scope")
        self.refused("not_found", "write systemd/a.scope/IOReadBandwidthMax/nvme99n1 5")
        self.assertEqual(self.read("a.scope/IOReadBandwidthMax/nvme99n1"), "unset")

    def test_values_that_are_none(self):
        unit = self.systemd.add("a.slice")
        for value in ("", "-1", "1.5", "0x10", "infinity", str(UNSET), "99999999999999999999999"):
            self.refused("invalid_argument", f"write systemd/a.slice/CPUWeight {value}")
        answer = self.refused("invalid_argument", "write systemd/a.slice/CPUWeight 10001")
        self.assertIn("out of range", answer)
        self.assertEqual(unit["CPUWeight"], UNSET)
        self.assertEqual(self.traces(), [])


class Refusals(UnitsCase):
    def test_settings_that_are_none(self):
        self.systemd.add("a.slice")
        for rest in ("a.slice", "a.slice/", "a.slice/CPUShares", "a.slice/CPUWeight/vda", "",
                     "a.slice/IOReadBandwidthMax", "a.slice/IOReadBandwidthMax/",
                     "a.slice/IOReadBandwidthMax/../vda", "a.slice/IOReadBandwidthMax/a/b"):
            self.refused("not_found", f"read systemd/{rest}")

    def test_names_that_are_no_units(self):
        for name in (".slice", "a.mount", "a.socket", "a", "a*.slice", "a\u00e4.slice",
                     "b" * 250 + ".slice"):
            self.refused("invalid_argument", f"read systemd/{name}/CPUWeight")
        self.assertEqual(self.systemd.calls, [])

    def test_units_that_are_not_there(self):
        self.refused("not_found", "read systemd/none.service/CPUWeight")
        for state in ("inactive", "failed", "deactivating"):
            self.systemd.add("a.service", active=state)
            self.refused("not_found", "read systemd/a.service/CPUWeight")
            self.refused("not_found", "write systemd/a.service/CPUWeight 5")
        self.systemd.add("b.service", load="masked")
        self.refused("not_found", "read systemd/b.service/CPUWeight")

    def test_the_kubelet_owns_its_pods(self):
        pods = ("kubepods.slice", "kubepods-burstable-pod1.slice", "kubelet-kubepods.slice")
        for name in pods:
            self.systemd.add(name)
        self.systemd.add("cri-containerd-1.scope", "/kubepods.slice/cri-containerd-1.scope")
        for name in (*pods, "cri-containerd-1.scope"):
            for line in (f"read systemd/{name}/CPUWeight", f"write systemd/{name}/CPUWeight 5"):
                self.assertIn("kubelet", self.refused("permission", line))
        self.assertNotIn("SetUnitProperties", [member for member, _ in self.systemd.calls])

        self.backend = self.start("--allow-kubernetes")
        self.write("kubepods.slice/CPUWeight", "5")
        self.backend = self.start()  # forbidden anew: what is ours still goes back
        self.write("kubepods.slice/CPUWeight", "unset")
        self.refused("permission", "read systemd/kubepods.slice/CPUWeight")

    def test_another_systemd(self):
        self.systemd.add("a.slice")
        self.assertEqual(self.read("a.slice/CPUWeight"), "unset")
        self.systemd.close()
        self.systemd.__init__(self.bus.address, self.path("systemd"))
        self.systemd.add("a.slice")["CPUWeight"] = 7
        self.assertEqual(self.read("a.slice/CPUWeight"), "7")

    def test_no_systemd(self):
        # Never not_found: that would say that the unit has gone, and its setting with it.
        self.bus.address = "unix:path=" + self.path("nothing")
        self.backend = self.start()
        self.assertIn("nothing", self.refused("io", "read systemd/a.slice/CPUWeight"))

    def test_a_bus_without_systemd(self):
        self.systemd.refuses = "org.freedesktop.DBus.Error.NameHasNoOwner"
        self.systemd.add("a.slice")
        self.refused("io", "read systemd/a.slice/CPUWeight")

    def test_a_systemd_that_says_nothing(self):
        self.systemd.add("a.slice")
        self.systemd.silent = True
        begin = time.monotonic()
        self.refused("timeout", "write systemd/a.slice/CPUWeight 5")
        self.assertLess(time.monotonic() - begin, 15)


class DropIns(UnitsCase):
    """systemd's drop-in of a change must not outlive it."""

    def test_goes_away_with_the_change(self):
        unit = self.systemd.add("a.slice")
        self.write("a.slice/CPUWeight", "5")
        self.assertEqual(self.drop_in("a.slice", "CPUWeight"), "CPUWeight=5\n")
        self.write("a.slice/CPUWeight", "6")
        self.assertEqual(self.drop_in("a.slice", "CPUWeight"), "CPUWeight=6\n")
        self.write("a.slice/CPUWeight", "unset")
        self.assertEqual(unit["CPUWeight"], UNSET)
        self.assertFalse(os.path.exists(os.path.dirname(
            self.systemd.drop_in("a.slice", "CPUWeight"))))
        self.assertEqual(self.traces(), [])

    def test_goes_away_after_a_kill(self):
        unit = self.systemd.add("a.slice")
        self.write("a.slice/CPUWeight", "5")
        self.backend.process.kill()
        self.backend = self.start()
        self.assertEqual(self.read("a.slice/CPUWeight"), "5")
        self.write("a.slice/CPUWeight", "unset")
        self.assertEqual(unit["CPUWeight"], UNSET)
        self.assertIsNone(self.drop_in("a.slice", "CPUWeight"))

    def test_of_the_administrator_stays(self):
        unit = self.systemd.add("a.slice")
        unit["CPUWeight"] = 200
        self.systemd.write_drop_in("a.slice", "CPUWeight", "CPUWeight=200\n")
        self.write("a.slice/CPUWeight", "5")
        self.write("a.slice/CPUWeight", "200")
        self.assertEqual(self.drop_in("a.slice", "CPUWeight"), "CPUWeight=200\n")
        self.assertEqual(self.traces(), [])

    def test_of_other_settings_stay(self):
        self.systemd.add("a.slice")
        self.systemd.write_drop_in("a.slice", "MemoryLow", "MemoryLow=200\n")
        self.write("a.slice/CPUWeight", "5")
        self.write("a.slice/CPUWeight", "unset")
        self.assertIsNone(self.drop_in("a.slice", "CPUWeight"))
        self.assertEqual(self.drop_in("a.slice", "MemoryLow"), "MemoryLow=200\n")

    def test_of_another_disk_keeps_it(self):
        unit = self.systemd.add("a.slice")
        self.write(f"a.slice/IOReadBandwidthMax/{DISK}", "5")
        # The administrator limits another one meanwhile: the file is not ours alone any more.
        unit["IOReadBandwidthMax"] = unit["IOReadBandwidthMax"] + [("/dev/other", 7)]
        self.systemd.write_drop_in("a.slice", "IOReadBandwidthMax", "both\n")
        self.write(f"a.slice/IOReadBandwidthMax/{DISK}", "unset")
        self.assertEqual(self.drop_in("a.slice", "IOReadBandwidthMax"),
                         "IOReadBandwidthMax=/dev/other 7\n")
        self.assertEqual(unit["IOReadBandwidthMax"], [("/dev/other", 7)])

    def test_taken_over_by_the_administrator_stays(self):
        unit = self.systemd.add("a.slice")
        self.write("a.slice/CPUWeight", "5")
        unit["CPUWeight"] = 300
        self.systemd.write_drop_in("a.slice", "CPUWeight", "CPUWeight=300\n")
        self.assertEqual(self.read("a.slice/CPUWeight"), "300")
        self.assertEqual(self.traces(), [])
        self.write("a.slice/CPUWeight", "5")
        self.write("a.slice/CPUWeight", "300")
        self.assertEqual(self.drop_in("a.slice", "CPUWeight"), "CPUWeight=300\n")

    def test_of_a_stopped_unit_goes_away(self):
        unit = self.systemd.add("a.service")
        self.write("a.service/CPUWeight", "5")
        unit["ActiveState"] = "inactive"
        unit["ControlGroup"] = ""
        unit.loaded = False
        self.assertEqual(self.read("a.service/CPUWeight"), "5")
        self.write("a.service/CPUWeight", "unset")
        self.assertIsNone(self.drop_in("a.service", "CPUWeight"))
        self.refused("not_found", "read systemd/a.service/CPUWeight")

    def test_of_a_removed_unit_goes_away(self):
        unit = self.systemd.add("a.service")
        self.write("a.service/CPUWeight", "5")
        del self.systemd.units[unit.name]
        self.refused("not_found", "read systemd/a.service/CPUWeight")
        self.assertIsNone(self.drop_in("a.service", "CPUWeight"))
        self.assertEqual(self.traces(), [])

    def test_elsewhere_is_not_touched(self):
        unit = self.systemd.add("a.slice")
        foreign = self.path("50-CPUWeight.conf")
        with open(foreign, "w", encoding="utf-8"):
            unit["DropInPaths"] = [foreign]
        self.write("a.slice/CPUWeight", "5")
        self.write("a.slice/CPUWeight", "unset")
        self.assertTrue(os.path.exists(foreign))


if __name__ == "__main__":
    TOOL = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
