#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tuneshiftctl top during a real load: as text, as JSON, and on a terminal."""
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

import bus_case
from bus_case import DISK, NOBODY, BusCase
from lib.machine import disk_scratch
from lib.processes import wait_for
from lib.programs import Reader, make_model
from lib.pty import Terminal

MODEL_BYTES = 300 << 20
ENTER, LEAVE = "\033[?1049h", "\033[?25h\033[?1049l"
MODEL = None


def setUpModule():
    global MODEL
    scratch = disk_scratch("top", 2 * MODEL_BYTES)
    unittest.addModuleCleanup(scratch.__exit__)
    MODEL = scratch.join("model.safetensors")
    make_model(bus_case.BUILD, MODEL, MODEL_BYTES)


def frames(output):
    """What was drawn, without colours; each begins at the top left."""
    plain = re.sub(r"\033\[[0-9;]*m", "", output)
    return [re.sub(r"\033\[[KJ]", "", one) for one in plain.split("\033[H")[1:]]


class Top(BusCase):
    configuration = "mode: observe\ndetection: {settle: 1s}\n"

    def setUp(self):
        super().setUp()
        self.environment = dict(self.daemon.environment, LC_ALL="C.UTF-8", TERM="xterm")
        # Another user may not be let into the build folder.
        self.program = self.scratch.join("tuneshiftctl")
        shutil.copy(os.path.join(bus_case.BUILD, "client/tuneshiftctl"), self.program)

    def top(self, *options):
        return [self.program, "top", *options]

    def run_top(self, *options, **named):
        return subprocess.run(self.top("--batch", "--interval", "0.3", *options),
                              env=self.environment, capture_output=True, text=True, timeout=60,
                              check=False, stdin=subprocess.DEVNULL, **named)

    def load(self):
        """A reader that takes long, and its load's number."""
        with open(MODEL, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        # Page by page, one at a time: seconds on any disk.
        reader = self.enter(Reader(bus_case.BUILD, "mmap-random", MODEL, "--madvise", "random"))
        return reader, self.wait_history("started", pid=reader.pid)[0]["load"]

    def terminal(self, *options, **named):
        return self.enter(Terminal(self.top(*options), env=self.environment, **named))

    def test_json_has_the_load_its_reader_and_its_disk(self):
        reader, number = self.load()
        done = self.run_top("--count", "2", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        models = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(models), 2)
        for model in models:
            self.assertEqual((model["state"], model["mode"]), ("loading", "observe"))
            self.assertGreater(model["interval"], 200_000)
            load, = [one for one in model["loads"] if one["id"] == number]
            self.assertEqual((load["state"], load["model"]), ("loading", MODEL))
            self.assertEqual(load["bytes_total"], os.path.getsize(MODEL))
            shown, = model["readers"]
            self.assertEqual((shown["pid"], shown["load"], shown["path"]),
                             (reader.pid, number, MODEL))
            self.assertGreater(shown["resident"], 0)
            disk, = [one for one in model["devices"] if one["name"] == DISK]
            self.assertLessEqual(disk["utilisation"], 100)
            self.assertIn("eviction_rate", model["memory"])
        disks = [one for model in models for one in model["devices"] if one["name"] == DISK]
        self.assertGreater(max(one["reads"] for one in disks), 0)
        self.assertGreater(max(one.get("device_p99", 0) for one in disks), 1)
        self.assertTrue(all(one.get("device_p50", 0) <= one.get("device_p99", 0)
                            for one in disks))

    def test_text_in_blocks(self):
        reader, _ = self.load()
        done = self.run_top("--count", "2")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("\033", done.stdout)
        blocks = re.split(r"^\d\d:\d\d:\d\d tuneshift: ", done.stdout, flags=re.MULTILINE)[1:]
        self.assertEqual(len(blocks), 2)
        for block in blocks:
            self.assertTrue(block.startswith("loading, mode observe, profiles "), block)
            self.assertIn("page cache: ", block)
            self.assertRegex(block, rf"\n *{reader.pid} ")
            self.assertIn(MODEL, block)
            self.assertRegex(block, r"\nDEVICE +READ ")

    def test_who_may_not_ask_is_told(self):
        self.load()
        done = self.run_top("--count", "1", user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("Readers are not shown: not allowed", done.stdout)
        self.assertNotIn(MODEL, done.stdout)
        self.assertRegex(done.stdout, r"\nDEVICE +READ ")

    def test_the_time_left(self):
        reader, number = self.load()
        path = f"/org/tuneshift1/load/{number}"

        def left():
            return self.get("TimeLeft", path, "org.tuneshift1.Load")

        self.assertTrue(wait_for(lambda: left() > 0, 10))
        reader.process.kill()
        self.wait_equal(left, 0)

    def test_a_terminal_is_left_as_it_was(self):
        for key in ("q", "\x03", "\x04"):
            with self.subTest(key=key):
                terminal = self.terminal("--interval", "0.2")
                terminal.wait_for(lambda output: len(frames(output)) > 2)
                self.assertTrue(terminal.output.startswith(ENTER))
                self.assertNotEqual(terminal.settings(), terminal.before)
                terminal.type(key)
                self.assertEqual(terminal.ended(), 0)
                self.assertTrue(terminal.output.endswith(LEAVE), terminal.output[-200:])
                self.assertEqual(terminal.settings(), terminal.before)

    def test_a_signal_ends_it_and_nothing_else(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number=number):
                terminal = self.terminal("--interval", "0.2")
                terminal.wait_for(lambda output: len(frames(output)) > 2)
                terminal.process.send_signal(number)
                self.assertEqual(terminal.ended(), -number)
                self.assertTrue(terminal.output.endswith(LEAVE), terminal.output[-200:])
                self.assertEqual(terminal.settings(), terminal.before)

    def test_it_follows_the_size_of_the_terminal(self):
        self.load()
        terminal = self.terminal("--interval", "0.2")
        terminal.wait_for(lambda output: "PROGRESS" in output and len(frames(output)) > 2)
        terminal.forget()
        terminal.resize(36, 8)
        terminal.wait_for(lambda output: "more line" in output)
        terminal.forget()
        terminal.wait_for(lambda output: len(frames(output)) > 2)
        for frame in frames(terminal.output)[1:-1]:
            lines = frame.replace("\r", "").rstrip("\n").split("\n")
            self.assertLessEqual(len(lines), 7)
            self.assertLessEqual(max(len(line) for line in lines), 36, frame)
        terminal.type("q")
        self.assertEqual(terminal.ended(), 0)

    def test_a_stop_gives_the_terminal_back(self):
        terminal = self.terminal("--interval", "0.2")
        terminal.wait_for(lambda output: len(frames(output)) > 1)
        terminal.type("\x1a")
        self.assertEqual(os.WSTOPSIG(os.waitpid(terminal.process.pid, os.WUNTRACED)[1]),
                         signal.SIGSTOP)
        self.assertEqual(terminal.settings(), terminal.before)
        terminal.wait_for(lambda output: output.endswith(LEAVE))
        terminal.forget()
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for(lambda output: ENTER in output and len(frames(output)) > 1)
        terminal.type("q")
        self.assertEqual(terminal.ended(), 0)

    def test_a_daemon_that_goes_away_is_told_and_awaited(self):
        terminal = self.terminal("--interval", "0.2")
        terminal.wait_for(lambda output: "mode observe" in output)
        self.daemon.stop()
        terminal.wait_for(lambda output: "tuneshiftd is not running" in output)
        terminal.forget()
        self.daemon.start()
        terminal.wait_for(lambda output: "mode observe" in output)
        terminal.type("q")
        self.assertEqual(terminal.ended(), 0)

    def test_a_count_ends_it(self):
        terminal = self.terminal("--interval", "0.1", "--count", "3")
        self.assertEqual(terminal.ended(), 0)
        self.assertEqual(len([one for one in frames(terminal.output) if "page cache" in one]), 3)
        self.assertTrue(terminal.output.endswith(LEAVE))


if __name__ == "__main__":
    bus_case.main()
