#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tuneshiftctl without a daemon: usage errors (2), an absent daemon or bus (3), help."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest

PROGRAM = ""

VERBS = {
    "status": [], "loads": [], "profiles": [], "show": ["throughput"], "plan": ["throughput"],
    "hold": ["throughput"], "release": ["1"], "switch": ["--auto"], "mode": [], "pause": ["10m"],
    "reload": [], "rearm": [], "holds": [], "knobs": [], "verify": [], "why": ["1"],
    "history": [], "report": [], "devices": [], "histogram": ["vda"], "monitor": [],
    "record": [os.path.join(tempfile.gettempdir(), f"tuneshift-{os.getpid()}.trace")],
    "top": [],
}

USAGE_ERRORS = [
    ["nonsense"], ["--nonsense"], ["status", "--nonsense"], ["status", "extra"],
    ["show"], ["plan"], ["plan", "a", "b"], ["hold"], ["histogram"], ["why"],
    ["hold", "x", "--for", "3q"], ["hold", "x", "--for", "0s"], ["hold", "x", "--pid", "0"],
    ["hold", "x", "--pid", "me"], ["hold", "x", "--"], ["hold", "x", "--pid", "1", "--", "true"],
    ["hold", "x", "--json", "--", "true"], ["loads", "--", "true"],
    ["release"], ["release", "x"], ["release", "-1"], ["mode", "fast"], ["pause", "soon"],
    ["switch"], ["switch", "x", "--auto"], ["why", "0"], ["history", "--since", "noon"],
    ["record"], ["record", "x", "--for", "3q"], ["replay"],
    ["report", "--since", "25:00"], ["top", "--interval", "0"], ["top", "--interval", "soon"],
    ["top", "--count", "0"], ["top", "vda"], ["plan", "x", "-d", "sda", "sdb"],
    ["hold", "x", "-d", "sda", "sdb"],
    ["bench"], ["bench", "/", "--block", "5"], ["bench", "/", "--block", "32MiB"],
    ["bench", "/", "--depth", "0"], ["bench", "/", "--order", "up"], ["bench", "/", "--size", "1"],
    ["bench", "/", "--seconds", "0"],
    ["compare"], ["compare", "x", "--rounds", "0"], ["compare", "x", "--rounds", "101"],
    ["compare", "x", "--rounds", "many"], ["compare", "x", "--reader", "fast"], ["compare", "x", "y"],
    ["profile", "import-tuned", "x", "--directory", "/usr/lib/tuned", "/etc/tuned"],
]


def run(arguments, address):
    environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=address, LC_ALL="C.UTF-8")
    return subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True,
                          timeout=60, check=False)


class WithoutDaemon(unittest.TestCase):
    """A private bus on which nobody owns org.tuneshift1."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="tuneshift-cli-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.missing = f"unix:path={cls.directory.name}/missing"
        cls.bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address",
             f"--address=unix:path={cls.directory.name}/bus"],
            stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.stop_bus)
        cls.address = cls.bus.stdout.readline().strip()

    @classmethod
    def stop_bus(cls):
        cls.bus.send_signal(signal.SIGTERM)
        cls.bus.wait()
        cls.bus.stdout.close()

    def check_one_line(self, result, status):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, r"\Atuneshiftctl: [^\n]+\n\Z")

    def test_usage_errors_exit_2_before_the_bus_is_asked(self):
        for arguments in USAGE_ERRORS:
            with self.subTest(arguments=arguments):
                result = run(arguments, self.missing)
                self.check_one_line(result, 2)
                self.assertIn("--help'", result.stderr)

    def test_an_absent_daemon_exits_3(self):
        for verb, arguments in {"": [], **VERBS}.items():
            for extra in ([], ["--json"]):
                with self.subTest(verb=verb, extra=extra):
                    command = ([verb] if verb else []) + arguments + extra
                    result = run(command, self.address)
                    self.check_one_line(result, 3)
                    self.assertIn("tuneshiftd is not running", result.stderr)

    def test_an_absent_bus_exits_3(self):
        result = run(["status"], self.missing)
        self.check_one_line(result, 3)
        self.assertIn("system bus", result.stderr)

    def test_a_command_is_not_run_without_the_hold(self):
        mark = os.path.join(self.directory.name, "mark")
        result = run(["hold", "throughput", "--", "touch", mark], self.address)
        self.check_one_line(result, 3)
        self.assertFalse(os.path.exists(mark))

    def test_a_process_that_is_not_there_exits_1(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        result = run(["hold", "throughput", "--pid", str(gone.pid)], self.address)
        self.check_one_line(result, 1)
        self.assertIn(f"no process {gone.pid}", result.stderr)

    def test_a_recording_that_cannot_begin_leaves_no_file(self):
        self.assertEqual(run(["record", *VERBS["record"]], self.address).returncode, 3)
        self.assertFalse(os.path.exists(VERBS["record"][0]))

    def test_a_broken_trace_exits_1(self):
        trace = os.path.join(self.directory.name, "run.trace")
        for text, mistake in (("", "line 1: no trace of tuneshift"),
                              ("tuneshift-trace 1.0\n1 \x1b[31m", "line 2: no kind of line"),
                              ("tuneshift-trace 9.0\n", "line 1: format 9.0")):
            with self.subTest(text=text):
                with open(trace, "w", encoding="ascii") as file:
                    file.write(text)
                result = run(["replay", trace, "--profiles", self.directory.name], self.missing)
                self.check_one_line(result, 1)
                self.assertIn(f"{trace}: {mistake}", result.stderr)
        for path, mistake in ((trace + ".missing", "No such file"),
                              (self.directory.name, "Is a directory")):
            result = run(["replay", path, "--profiles", self.directory.name], self.missing)
            self.check_one_line(result, 1)
            self.assertIn(mistake, result.stderr)

    def test_an_option_that_may_be_repeated_takes_one_word(self):
        folder = os.path.join(self.directory.name, "tuned")
        os.makedirs(os.path.join(folder, "ours"))
        with open(os.path.join(folder, "ours", "tuned.conf"), "w", encoding="ascii") as file:
            file.write("[sysctl]\nvm.swappiness=10\n")
        result = run(["profile", "import-tuned", "--directory", folder, "ours"], self.missing)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("vm.swappiness: 10", result.stdout)
        for command in (["plan", "-d", "sda", "--device", "sdb", "throughput"],
                        ["hold", "-d", "sda", "throughput", "--for", "1s"]):
            with self.subTest(command=command):
                self.check_one_line(run(command, self.address), 3)

    def test_a_trace_without_decisions(self):
        trace = os.path.join(self.directory.name, "empty.trace")
        with open(trace, "w", encoding="ascii") as file:
            file.write("tuneshift-trace 1.0\n")
        result = run(["replay", trace, "--check", "--profiles", self.directory.name], self.missing)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Nothing was decided.", result.stdout)

    def test_every_verb_has_help(self):
        overview = run(["--help"], self.missing)
        self.assertEqual(overview.returncode, 0)
        for verb in VERBS:
            with self.subTest(verb=verb):
                self.assertRegex(overview.stdout, rf"\n  {verb} +\S")
                result = run([verb, "--help"], self.missing)
                self.assertEqual(result.returncode, 0)
                self.assertIn(f"tuneshiftctl {verb}", result.stdout)

    def test_version(self):
        result = run(["--version"], self.missing)
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"\Atuneshiftctl \d+\.\d+\.\d+\n\Z")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
