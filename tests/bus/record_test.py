#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemon decides on a real load is recorded, and decided again from the recording."""
import os
import re
import socket
import subprocess
import unittest

import bus_case
from bus_case import BusCase, DENIED, NOBODY
from lib.machine import disk_scratch, make_cold
from lib.programs import Reader, make_model
from lib.traces import Recording

MODEL_BYTES = 300 << 20
SCRATCH = None
MODEL = ""


def setUpModule():
    global SCRATCH, MODEL
    SCRATCH = disk_scratch("record", 2 * MODEL_BYTES)
    unittest.addModuleCleanup(SCRATCH.__exit__)
    MODEL = SCRATCH.join("model.safetensors")
    make_model(bus_case.BUILD, MODEL, MODEL_BYTES)


class Record(BusCase):
    def setUp(self):
        super().setUp()
        self.trace = os.path.join(self.scratch.path, "run.trace")

    def ctl(self, *words):
        command = [os.path.join(bus_case.BUILD, "client/tuneshiftctl"), *words]
        return subprocess.run(command, env=self.daemon.environment, capture_output=True, text=True,
                              timeout=60, check=False, stdin=subprocess.DEVNULL)

    def replay(self, *options):
        return self.ctl("replay", self.trace, "--check", "--profiles", self.daemon.profiles,
                        *options)

    def load(self, mode, *options):
        """Loads and serves until what becomes of it is decided: the process's number."""
        make_cold(MODEL)
        with Reader(bus_case.BUILD, mode, MODEL, "--serve", *options) as process:
            process.loaded()
            if "--discard" not in options:
                self.wait_history("finished", pid=process.pid)
            process.leave()
        self.wait_history("rejected" if "--discard" in options else "idle", pid=process.pid)
        return process.pid

    def recorded(self, mode, *options, what="load", **named):
        with Recording(self.daemon, self.trace, **named) as recording:
            pid = self.load(mode, *options)
            # A process that loads nothing is not watched to its end.
            discards = "--discard" in options
            recording.wait_for("decided kind=rejected" if discards else f"gone process={pid}.")
            recording.label(pid, what, mode)
        with open(self.trace, encoding="ascii") as file:
            return pid, file.read()

    def test_a_load_is_decided_again_as_it_was(self):
        self.load("mmap-sequential")  # loads are numbered on, also over a recording's begin
        pid, text = self.recorded("mmap-sequential", hashed=False)
        self.assertIn(f"path={MODEL} ", text)
        self.assertEqual(text.splitlines()[0], "tuneshift-trace 1.1")
        self.assertRegex(text, r"\n\d+ end\n")
        kinds = re.findall(r"decided kind=(\S+) reader=(\d+)", text)
        mine = [kind for kind, who in kinds if who == str(pid)]
        self.assertEqual([mine[0], mine[-1]], ["suspected", "finished"])
        done = self.replay()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("precision 1.000 (1 of 1)", done.stdout)
        self.assertIn("0 decisions different", done.stdout)
        self.assertRegex(done.stdout, r"wants +block/.*/queue/read_ahead_kb → at least 12288 ")

    def test_an_altered_recording_is_told(self):
        pid, text = self.recorded("mmap-sequential", hashed=False)
        for altered in (text.replace("decided kind=finished", "decided kind=abandoned"),
                        re.sub(r"\n\d+ decided kind=started .*", "", text),
                        text.replace(f"label pid={pid} is=load", f"label pid={pid} is=not-load")):
            self.assertNotEqual(altered, text)
            with open(self.trace, "w", encoding="ascii") as file:
                file.write(altered)
            self.assertEqual(self.replay().returncode, 1)

    def test_a_confuser_is_rejected_again(self):
        _, text = self.recorded("read", "--discard", what="not-load", hashed=True)
        self.assertNotIn("model.safetensors", text)
        self.assertNotIn(SCRATCH.path, text)
        done = self.replay()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_recording_that_begins_in_the_middle_of_a_load(self):
        make_cold(MODEL)
        with Reader(bus_case.BUILD, "mmap-random", MODEL) as process:
            self.wait_history("started", pid=process.pid)
            with Recording(self.daemon, self.trace, hashed=False) as recording:
                self.call("Cancel", path="/org/tuneshift1/load/1",
                          interface="org.tuneshift1.Load")
                recording.wait_decided("abandoned")
        done = self.replay()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_what_is_refused(self):
        here, there = socket.socketpair()
        read_end, write_end = os.pipe()
        options = {"hash-names": ("b", False)}
        try:
            def refused(name, descriptor, choices, **named):
                self.assert_error(name, "Record", "ha{sv}", 0, choices, descriptors=[descriptor],
                                  **named)

            refused("InvalidArgument", write_end, {})
            refused("InvalidArgument", here.fileno(), {"colour": ("b", True)})
            refused("InvalidArgument", here.fileno(), {"hash-names": ("s", "yes")})
            refused(DENIED, here.fileno(), options, connection=self.connect(NOBODY))
            self.assert_error("InvalidArgument", "StopRecord")
            for _ in range(4):
                self.call("Record", "ha{sv}", 0, options, descriptors=[here.fileno()])
            refused("LimitExceeded", here.fileno(), options)
        finally:
            for one in (here, there):
                one.close()
            os.close(read_end)
            os.close(write_end)

    def test_a_client_that_does_not_read_stops_nobody(self):
        here, there = socket.socketpair()
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        with here, there:
            self.call("Record", "ha{sv}", 0, {}, descriptors=[here.fileno()])
            self.load("mmap-sequential")
            # Its place is free once it has left the bus.
            self.root.close()
            self.root = self.connect()
            here.close()
            there.settimeout(10)
            while there.recv(1 << 16):
                pass

    def test_the_file_is_a_new_one(self):
        with open(self.trace, "w", encoding="ascii") as file:
            file.write("mine")
        done = self.ctl("record", self.trace, "--for", "1s")
        self.assertEqual(done.returncode, 1)
        self.assertIn("File exists", done.stderr)
        with open(self.trace, encoding="ascii") as file:
            self.assertEqual(file.read(), "mine")
        done = self.ctl("record", self.trace, "--for", "1s", "--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.trace, encoding="ascii") as file:
            self.assertTrue(file.read().startswith("tuneshift-trace "))
        self.assertEqual(os.stat(self.trace).st_mode & 0o077, 0)
        self.assertEqual(os.listdir(os.path.dirname(self.trace)).count(os.path.basename(self.trace)), 1)
        done = self.ctl("record", self.trace + ".new", "--for", "1s", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.stat(self.trace + ".new").st_mode & 0o077, 0)

    def test_what_was_recorded_is_there_until_something_else_is(self):
        folder = self.scratch.folder("traces")
        trace, link = os.path.join(folder, "run.trace"), os.path.join(folder, "link.trace")
        with open(trace, "w", encoding="ascii") as file:
            file.write("mine")
        os.symlink(trace, link)
        there = set(os.listdir(folder))
        done = self.ctl("record", link, "--for", "1s", "--force")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is no regular file", done.stderr)
        self.daemon.stop()
        self.assertEqual(self.ctl("record", trace, "--for", "1s", "--force").returncode, 3)
        with open(trace, encoding="ascii") as file:
            self.assertEqual(file.read(), "mine")
        self.assertEqual(set(os.listdir(folder)), there)


if __name__ == "__main__":
    bus_case.main()
