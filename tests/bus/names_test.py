#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files whose names no string of the bus can hold."""
import json
import os
import subprocess

import bus_case
from bus_case import BusCase
from lib.machine import disk_scratch
from lib.programs import Reader, make_model

MODEL_BYTES = 300 << 20
NAMES = {
    "line feed": (b"a\nb.safetensors", r"a\x0ab.safetensors"),
    "not UTF-8": (b"\xff\xfe\xc3.safetensors", r"\xff\xfe\xc3.safetensors"),
    "escape sequence": (b"\x1b[31m\x7f.safetensors", r"\x1b[31m\x7f.safetensors"),
    "backslash": (rb"a\x0ab.safetensors", r"a\x5cx0ab.safetensors"),
    "UTF-8": ("modèle.safetensors".encode(), "modèle.safetensors"),
}


class Names(BusCase):
    def test_names_of_any_bytes(self):
        scratch = self.enter(disk_scratch("bus", MODEL_BYTES))
        plain = scratch.join("plain")
        make_model(bus_case.BUILD, plain, MODEL_BYTES)
        unique = self.root.call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "GetNameOwner", "s", ("org.tuneshift1",))
        for what, (name, shown) in NAMES.items():
            with self.subTest(what):
                path = os.path.join(scratch.path.encode(), name)
                os.rename(plain, path)
                try:
                    self.load(path, scratch.join(shown))
                finally:
                    os.rename(path, plain)
        self.assertEqual(unique, self.root.call(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
            "GetNameOwner", "s", ("org.tuneshift1",)))

    def load(self, path, shown):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
        with Reader(bus_case.BUILD, "mmap-sequential", path) as reader:
            reader.loaded()
        started = self.wait_history("started", pid=reader.pid)[0]
        self.assertEqual(started["path"], shown)
        self.wait_history("finished", pid=reader.pid)
        details = self.call("Describe", path=f"/org/tuneshift1/load/{started['load']}",
                            interface="org.tuneshift1.Load")
        self.assertEqual(details["files"], [shown])
        rows = self.call("Why", "a{sv}", {"path": ("s", shown)})
        self.assertIn("started", [row["kind"] for row in rows])
        for row in self.history():
            self.assertNotRegex(row["text"], r"[\x00-\x1f\x7f]")
        self.assert_shown_by_client(shown)

    def assert_shown_by_client(self, shown):
        for words in (["loads", "--json"], ["history", "--json"], ["loads"], ["history"]):
            done = subprocess.run([bus_case.BUILD + "/client/tuneshiftctl", *words], timeout=30,
                                  env=self.daemon.environment, capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            text = done.stdout.decode()
            self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f]")
            if "--json" in words:
                self.assertTrue(json.loads(text))

    def test_a_command_of_any_bytes(self):
        scratch = self.enter(disk_scratch("bus", MODEL_BYTES))
        model = scratch.join("model.safetensors")
        make_model(bus_case.BUILD, model, MODEL_BYTES)
        tools = scratch.folder("build", "tests", "tools")
        command = b"re\nad\xff\x1b"
        os.symlink(bus_case.BUILD + "/tests/tools/reader",
                   os.path.join(tools.encode(), command))
        with subprocess.Popen([os.path.join(tools.encode(), command), "mmap-sequential", model],
                              stdout=subprocess.PIPE) as reader:
            reader.stdout.read()
        row = self.wait_history("suspected", pid=reader.pid)[0]
        self.assertEqual(row["command"], r"re\x0aad\xff\x1b")


if __name__ == "__main__":
    bus_case.main()
