#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every error that the contract names, and who may call what."""
import os

import bus_case
from bus_case import DENIED, NOBODY, PATH, BusCase
from dbus_wire import BusError

CHANGING = {
    "Hold": ("ssa{sv}", "throughput", "", {}),
    "Release": ("u", 1),
    "SwitchProfile": ("s", "throughput"),
    "SetMode": ("s", "paused"),
    "Pause": ("t", 60),
    "Reload": (),
    "Rearm": ("s", ""),
}
TELLING = {"Why": ("a{sv}", {"pid": ("u", 1)}), "History": ("t", 0)}
OPEN = {
    "ListProfiles": (),
    "ListHolds": (),
    "ListKnobs": (),
    "Verify": (),
    "Plan": ("sa{sv}", "throughput", {}),
}


class Errors(BusCase):
    configuration = "mode: manual\n"

    def refuse_hold(self, options, error="InvalidArgument", reason="", **named):
        text = self.assert_error(error, "Hold", "ssa{sv}", "throughput", reason, options, **named)
        self.assertEqual(self.call("ListHolds"), [])
        return text

    def test_no_such_profile(self):
        for name in ("nonesuch", "", "../throughput", "x" * 10000, "a\nb\x1b[1m"):
            with self.subTest(name=name[:20]):
                self.assert_error("NoSuchProfile", "Plan", "sa{sv}", name, {})
                text = self.assert_error("NoSuchProfile", "Hold", "ssa{sv}", name, "", {})
                self.assertNotRegex(text, r"[\x00-\x1f]")
                self.assertLess(len(text), 400)
                if name:
                    self.assert_error("NoSuchProfile", "SwitchProfile", "s", name)
        self.assertEqual(self.call("ListHolds"), [])

    def test_no_such_knob(self):
        for name in ("nonesuch", "vm.nonesuch", "kernel.core_pattern", "block/../vm/swappiness",
                     "/etc/passwd", "vm.swappiness\n"):
            with self.subTest(name=name):
                self.assert_error("NoSuchKnob", "Rearm", "s", name)
                self.assert_error("NoSuchKnob", "Why", "a{sv}", {"knob": ("s", name)})
        # A knob of ours that is not yielded cannot be taken back either.
        self.assert_error("NoSuchKnob", "Rearm", "s", "vm.swappiness")
        self.call("Rearm", "s", "")

    def test_no_such_hold(self):
        for cookie in (0, 1, 4294967295):
            self.assert_error("NoSuchHold", "Release", "u", cookie)
        cookie = self.hold("throughput")
        self.call("Release", "u", cookie)
        self.assert_error("NoSuchHold", "Release", "u", cookie)

    def test_modes_and_pauses(self):
        for mode in ("", "AUTO", "automatic", "auto "):
            self.assert_error("InvalidArgument", "SetMode", "s", mode)
        for seconds in (0, 604801, (1 << 64) - 1):
            self.assert_error("InvalidArgument", "Pause", "t", seconds)
        self.assertEqual(self.get("Mode"), "manual")

    def test_times_of_holds(self):
        for ttl in (0, 604801, (1 << 64) - 1):
            self.refuse_hold({"ttl": ("t", ttl)})
        self.refuse_hold({"ttl": ("s", "10")})
        self.refuse_hold({"ttl": ("u", 10)})

    def test_options_of_holds(self):
        self.assertIn("'colour'", self.refuse_hold({"colour": ("s", "red")}))
        self.refuse_hold({"devices": ("s", "vda")})
        for device in ("nonesuch", "", "../..", "vda/..", "a" * 5000):
            self.refuse_hold({"devices": ("as", [device])})
        self.refuse_hold({"devices": ("as", [bus_case.DISK] * 33)})
        self.refuse_hold({}, reason="x" * 257)

    def test_processes_of_holds(self):
        with open("/dev/null", "rb") as null:
            text = self.refuse_hold({"pidfd": ("h", 0)}, descriptors=[null.fileno()])
            self.assertIn("not a pidfd", text)
        directory = os.open("/proc/self", os.O_RDONLY)
        self.addCleanup(os.close, directory)
        self.refuse_hold({"pidfd": ("h", 0)}, descriptors=[directory])
        self.refuse_hold({"pidfd": ("u", 1)})
        child = os.spawnvp(os.P_NOWAIT, "true", ["true"])
        ended = os.pidfd_open(child)
        self.addCleanup(os.close, ended)
        os.waitpid(child, 0)
        self.assertIn("has ended", self.refuse_hold({"pidfd": ("h", 0)}, descriptors=[ended]))

    def test_questions(self):
        for subject in ({}, {"pid": ("u", 1), "path": ("s", "x")}, {"pid": ("s", "1")},
                        {"path": ("u", 1)}, {"colour": ("s", "red")}):
            self.assert_error("InvalidArgument", "Why", "a{sv}", subject)
        self.assert_error("InvalidArgument", "Plan", "sa{sv}", "throughput",
                          {"colour": ("s", "red")})
        for devices in (["nonesuch"], [bus_case.DISK] * 33):
            self.assert_error("InvalidArgument", "Plan", "sa{sv}", "throughput",
                              {"devices": ("as", devices)})
        long = "x" * 20000
        for subject in ("path", "knob"):
            self.assert_error("InvalidArgument", "Why", "a{sv}", {subject: ("s", long)})
        self.assert_error("InvalidArgument", "Rearm", "s", long)

    def test_the_33rd_hold_of_a_user(self):
        others = [self.connect() for _ in range(4)]
        cookies = [self.hold("throughput", connection=others[i % 4]) for i in range(32)]
        self.assertEqual(len(set(cookies)), 32)
        self.assert_error("LimitExceeded", "Hold", "ssa{sv}", "throughput", "", {"ttl": ("t", 60)})
        self.call("Release", "u", cookies[0])
        self.hold("throughput")
        for connection in others:
            connection.close()
        self.wait_equal(lambda: len(self.call("ListHolds")), 1)

    def test_arguments_of_other_types(self):
        for member, signature, arguments in (("SetMode", "u", (1,)), ("SetMode", "", ()),
                                             ("Hold", "s", ("throughput",))):
            with self.assertRaises(BusError) as caught:
                self.call(member, signature, *arguments)
            self.assertIn("InvalidArgs", caught.exception.name)
        self.assert_error("org.freedesktop.DBus.Error.UnknownMethod", "Nonesuch")


class Access(BusCase):
    configuration = "mode: manual\n"

    def setUp(self):
        super().setUp()
        self.nobody = self.connect(NOBODY)

    def test_changing_is_denied(self):
        self.hold("throughput")
        before = {name: self.get(name) for name in ("Mode", "ActiveProfiles")}
        for member, arguments in CHANGING.items():
            with self.subTest(member=member):
                self.assert_error(DENIED, member, *arguments, connection=self.nobody)
        self.assertEqual({name: self.get(name) for name in before}, before)
        self.assertEqual(len(self.call("ListHolds")), 1)

    def test_what_cannot_be_is_refused_before_polkit_is_asked(self):
        for arguments in (("throughput", "x" * 257, {}), ("nonesuch", "", {}),
                          ("throughput", "", {"devices": ("as", [bus_case.DISK] * 33)})):
            with self.assertRaises(BusError) as caught:
                self.call("Hold", "ssa{sv}", *arguments, connection=self.nobody)
            self.assertNotIn("AccessDenied", caught.exception.name)

    def test_what_others_do_is_not_told(self):
        for member, arguments in TELLING.items():
            with self.subTest(member=member):
                self.assert_error(DENIED, member, *arguments, connection=self.nobody)

    def test_the_state_is_open(self):
        for member, arguments in OPEN.items():
            with self.subTest(member=member):
                self.assertEqual(self.call(member, *arguments, connection=self.nobody),
                                 self.call(member, *arguments))
        for name in ("Version", "Mode", "State", "Loads", "Servers", "ActiveProfiles", "Probes",
                     "DroppedEvents"):
            self.assertEqual(self.get(name, connection=self.nobody), self.get(name))

    def test_devices_are_open(self):
        objects = self.call("GetManagedObjects", interface="org.freedesktop.DBus.ObjectManager",
                            connection=self.nobody)
        devices = [path for path in objects if path.startswith(PATH + "/device/")]
        self.assertNotEqual(devices, [])
        for path in devices:
            device = self.call("GetAll", "s", "org.tuneshift1.Device", path=path,
                               interface="org.freedesktop.DBus.Properties",
                               connection=self.nobody)
            self.assertIn("read_ahead_kb", device["Queue"])


if __name__ == "__main__":
    bus_case.main()
