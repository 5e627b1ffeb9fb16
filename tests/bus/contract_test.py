#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The objects on the bus are those of dbus/org.tuneshift1.xml, no more and no less."""
import os
import xml.etree.ElementTree as ElementTree

import bus_case
from bus_case import DENIED, DISK, NOBODY, PATH, BusCase
from lib.programs import Reader

XML = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../dbus/org.tuneshift1.xml")
STANDARD = {"org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.ObjectManager",
            "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Properties"}
CHANGES = "org.freedesktop.DBus.Property.EmitsChangedSignal"
MODEL_BYTES = 300 << 20


def describe(interface):
    """Everything a program can depend on, as comparable text."""
    lines = set()
    for member in interface:
        name = member.get("name")
        if member.tag == "property":
            notes = {note.get("name"): note.get("value") for note in member}
            lines.add(f"property {name} {member.get('type')} {member.get('access')} "
                      f"changes:{notes.get(CHANGES, 'true')}")
        elif member.tag in ("method", "signal"):
            inwards = member.tag == "method"
            types = [(arg.get("direction", "in" if inwards else "out"), arg.get("type"))
                     for arg in member if arg.tag == "arg"]
            lines.add(f"{member.tag} {name} "
                      f"in:{''.join(kind for way, kind in types if way == 'in')} "
                      f"out:{''.join(kind for way, kind in types if way == 'out')}")
    return lines


def interfaces(text):
    root = ElementTree.fromstring(text)
    return {one.get("name"): describe(one) for one in root if one.tag == "interface"}


class Contract(BusCase):
    configuration = "mode: auto\ndetection: {settle: 1s}\nswitching: {dwell: 1s}\n"

    def setUp(self):
        super().setUp()
        with open(XML, encoding="utf-8") as file:
            self.contract = interfaces(file.read())

    def assert_is(self, path, name):
        shown = interfaces(self.call("Introspect", path=path,
                                     interface="org.freedesktop.DBus.Introspectable"))
        self.assertEqual(set(shown) - STANDARD, {name})
        self.assertEqual(shown[name], self.contract[name])
        # And every property really has a value of its type.
        values = self.call("GetAll", "s", name, path=path,
                           interface="org.freedesktop.DBus.Properties")
        self.assertEqual({line.split()[1] for line in shown[name] if line.startswith("property")},
                         set(values))

    def objects(self):
        return self.call("GetManagedObjects", interface="org.freedesktop.DBus.ObjectManager")

    def test_the_manager(self):
        self.assert_is(PATH, "org.tuneshift1.Manager")
        self.assertRegex(self.get("Version"), r"^\d+\.\d+\.\d+$")

    def test_every_disk(self):
        objects = self.objects()
        names = {}
        for path, shown in objects.items():
            if "org.tuneshift1.Device" in shown:
                names[shown["org.tuneshift1.Device"]["Name"]] = path
        self.assertIn(DISK, names)
        for name, path in names.items():
            self.assertTrue(os.path.exists(f"/sys/block/{name}"))
            self.assert_is(path, "org.tuneshift1.Device")
        self.assertEqual(names[DISK], f"{PATH}/device/{DISK}")
        queue = objects[names[DISK]]["org.tuneshift1.Device"]["Queue"]
        self.assertEqual(queue["read_ahead_kb"],
                         bus_case.read(f"/sys/block/{DISK}/queue/read_ahead_kb"))

    def test_a_load_appears(self):
        model = self.cold_model("bus", MODEL_BYTES)
        self.root.match("type='signal',sender='org.tuneshift1'")
        with Reader(bus_case.BUILD, "mmap-sequential", model, "--serve") as reader:
            path, shown = self.root.wait_signal(
                "InterfacesAdded", lambda values: "/load/" in values[0])
            self.assertIn("org.tuneshift1.Load", shown)
            self.assertIn(path, self.objects())
            self.assert_is(path, "org.tuneshift1.Load")
            for member in ("Describe", "Cancel"):
                self.assert_error(DENIED, member, path=path, interface="org.tuneshift1.Load",
                                  connection=self.connect(NOBODY))
            reader.loaded()
            changed = self.root.wait_signal(
                "PropertiesChanged", lambda values: values[1].get("State") == "finished")
            self.assertEqual(changed[0], "org.tuneshift1.Load")
            self.assertGreater(changed[1]["Finished"], 0)
            for state in ("loading", "serving"):
                self.assertIsNotNone(self.root.wait_signal(
                    "PropertiesChanged", lambda values: values[1].get("State") == state))
            applied = self.root.wait_signal("ProfileApplied",
                                            lambda values: values[0] == "throughput")
            self.assertGreater(applied[2], 0)
            reader.leave()
            self.assertIsNotNone(self.root.wait_signal(
                "PropertiesChanged", lambda values: values[1].get("State") == "idle"))
        self.assertIn(path, self.objects())  # finished ones stay

    def test_changes_of_the_manager_are_told(self):
        self.root.match("type='signal',sender='org.tuneshift1'")
        self.call("SetMode", "s", "manual")
        self.assertIsNotNone(self.root.wait_signal(
            "PropertiesChanged", lambda values: values[1].get("Mode") == "manual"))
        self.hold("latency")
        self.assertIsNotNone(self.root.wait_signal(
            "PropertiesChanged", lambda values: values[1].get("ActiveProfiles") == ["latency"]))


if __name__ == "__main__":
    bus_case.main()
