#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tuneshiftctl compare on the slow store: figures, and that everything is put back."""
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

import bus_case
from bus_case import NOBODY, BusCase, read, write
from lib.machine import Scratch
from lib.processes import spawn, wait_for
from lib.programs import Reader, SlowStore, make_model

MODEL_BYTES = 300 << 20
MODEL = None


def setUpModule():
    global MODEL
    memory = Scratch("/dev/shm", "compare")
    unittest.addModuleCleanup(memory.__exit__)
    os.chmod(memory.path, 0o755)
    make_model(bus_case.BUILD, os.path.join(memory.folder("source"), "model.safetensors"),
               MODEL_BYTES, "--no-sync")
    make_model(bus_case.BUILD, memory.join("source", "small.gguf"), 32 << 20, "--no-sync")
    for name, size in (("backup.img", MODEL_BYTES), ("huge.gguf", 1 << 44)):
        with open(memory.join("source", name), "wb") as file:
            file.truncate(size)
    store = SlowStore(bus_case.BUILD, memory.join("source"), memory.folder("mount"))
    unittest.addModuleCleanup(store.__exit__)
    MODEL = memory.join("mount", "model.safetensors")


class Compare(BusCase):
    configuration = "mode: observe\ndetection: {settle: 1s}\n"

    def setUp(self):
        device = os.stat(MODEL).st_dev
        self.read_ahead = f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb"
        super().setUp()
        self.programs = self.scratch.folder("programs")
        # Another user may not be let into the build folder.
        self.program = self.scratch.join("tuneshiftctl")
        shutil.copy(os.path.join(bus_case.BUILD, "client/tuneshiftctl"), self.program)

    def command(self, *options, path=None):
        return [self.program, "compare", path or MODEL, *options]

    def environment(self):
        return dict(self.daemon.environment, PATH=f"{self.programs}:/usr/bin:/bin",
                    LC_ALL="C.UTF-8")

    def compare(self, *options, path=None, **named):
        return subprocess.run(self.command(*options, path=path), env=self.environment(),
                              capture_output=True, text=True, timeout=120, check=False,
                              stdin=subprocess.DEVNULL, **named)

    def started(self, *options):
        process = spawn(self.command(*options), env=self.environment(),
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def add_program(self, name, text):
        path = os.path.join(self.programs, name)
        write(path, "#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def assert_as_before(self):
        self.wait_equal(lambda: self.get("Mode"), "observe")
        self.wait_equal(lambda: read(self.read_ahead), "128")

    def test_help_is_faster_than_stock_and_nothing_stays_changed(self):
        page = self.scratch.join("page.html")
        done = self.compare("--rounds", "3", "--json", "--html", page)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        document = json.loads(done.stdout)
        self.assertEqual((document["path"], document["size"], document["reader"]),
                         (MODEL, MODEL_BYTES, "mmap"))
        self.assertEqual(document["notes"], [])
        median = {row["variant"]: row.get("median_ms") for row in document["variants"]}
        # Eight times as fast on a quiet machine; a busy one may take most of that.
        self.assertLess(median["tuneshift"], median["stock"])
        self.assertLess(median["read-ahead 4096"], median["stock"])
        self.assertLess(document["ceiling_ms"], median["stock"])
        self.assert_as_before()
        # The daemon saw the loads that it was to help, and no other, nor what looks at the cache.
        self.assertEqual(len(self.history("started", path=MODEL)), 3)
        self.assertEqual(len(self.history("suspected", command="tuneshiftctl")), 3)
        # vmtouch and tuned may be there or not.
        loads = sum(len(row.get("ms", ())) for row in document["variants"])
        self.assertGreaterEqual(loads, 12)
        self.assertEqual(len(re.findall("<circle", read(page))), loads)

    def test_programs_that_are_installed_are_compared_and_tuned_is_put_back(self):
        calls = self.scratch.join("calls")
        self.add_program("vmtouch", f'echo "vmtouch $*" >>{calls}\nexec cat "$3" >/dev/null\n')
        self.add_program("tuned-adm", f'echo "tuned-adm $*" >>{calls}\n'
                         'echo "Current active profile: balanced"\n')
        done = self.compare("--rounds", "1", "--reader", "read", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = {row["variant"]: row for row in json.loads(done.stdout)["variants"]}
        self.assertEqual([row for row in rows.values() if "ms" not in row], [])
        self.assertEqual(read(calls).splitlines(),
                         ["tuned-adm active", f"vmtouch -q -t {MODEL}", "tuned-adm profile_mode",
                          "tuned-adm profile throughput-performance", "tuned-adm profile balanced"])

    def test_one_that_is_interrupted_puts_back_what_is_changed(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.started("--rounds", "9")
            self.assertTrue(wait_for(lambda: read(self.read_ahead) == "4096", 60, 0.01))
            process.send_signal(number)
            output, errors = process.communicate(timeout=20)
            self.assertEqual((process.returncode, output, errors),
                             (1, b"", b"tuneshiftctl: interrupted\n"))
            # At once: it had waited for that.
            self.assertEqual((self.get("Mode"), read(self.read_ahead)), ("observe", "128"))

    def test_one_that_is_killed_leaves_nothing(self):
        changes = [lambda: self.get("Mode") == "paused", lambda: self.get("Mode") == "auto",
                   lambda: read(self.read_ahead) == "4096" and self.get("Mode") == "paused"]
        for changed in changes:
            process = self.started("--rounds", "9", "--html", self.scratch.join("page.html"))
            self.assertTrue(wait_for(changed, 60, 0.005))
            process.kill()
            process.wait()
            self.assert_as_before()
            os.unlink(self.scratch.join("page.html"))

    def test_a_mode_that_somebody_sets_meanwhile_is_theirs(self):
        process = self.started("--rounds", "9")
        self.assertTrue(wait_for(lambda: self.get("Mode") == "auto", 60, 0.005))
        self.call("SetMode", "s", "manual")
        output, errors = process.communicate(timeout=60)
        self.assertEqual((process.returncode, output), (1, b""))
        self.assertIn(b"somebody has changed the mode to 'manual' meanwhile", errors)
        self.assertEqual(self.get("Mode"), "manual")

    def add_tuned(self, first):
        """Its file of state: what it says at "active" and, of what it is told, the mode."""
        state = self.scratch.join("tuned-state")
        write(state, first)
        self.add_program("tuned-adm", f"""case $1 in
  active) cat {state} ;;
  profile_mode) grep -q automatic {state} && mode=auto; echo "Profile selection mode: ${{mode:-manual}}" ;;
  off) echo "No current active profile." >{state} ;;
  auto_profile) printf "Current active profile: balanced\\n(automatic)\\n" >{state} ;;
  profile) echo "Current active profile: $2" >{state} ;;
esac
""")
        return state

    def test_tuned_is_put_back_for_one_that_is_killed(self):
        first = "No current active profile."
        state = self.add_tuned(first)
        process = self.started("--rounds", "9")
        self.assertTrue(wait_for(lambda: "throughput-performance" in read(state), 60, 0.01))
        process.kill()
        process.wait()
        self.wait_equal(lambda: read(state), first)
        self.assert_as_before()

    def test_a_tuned_that_chose_its_profile_itself_does_so_again(self):
        first = "Current active profile: balanced\n(automatic)"
        state = self.add_tuned(first)
        done = self.compare("--rounds", "1", "--reader", "read", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(read(state), first)
        process = self.started("--rounds", "9")
        self.assertTrue(wait_for(lambda: "throughput-performance" in read(state), 60, 0.01))
        process.kill()
        process.wait()
        self.wait_equal(lambda: read(state), first)

    def test_a_load_that_is_not_helped_is_explained(self):
        small = os.path.join(os.path.dirname(MODEL), "small.gguf")
        for path, options in ((small, ()), (MODEL, ("--reader", "direct"))):
            done = self.compare("--rounds", "1", "--json", *options, path=path)
            self.assertEqual(done.returncode, 0, done.stderr)
            note, = json.loads(done.stdout)["notes"]
            self.assertIn("tuneshift did not help: it saw no load", note)
        other = os.path.join(os.path.dirname(MODEL), "backup.img")
        done = self.compare("--rounds", "1", path=other)
        self.assertIn("tuneshift did not help: not a model file", done.stdout)

    def test_a_user_may_compare_what_needs_no_rights(self):
        self.daemon.stop()
        done = self.compare("--rounds", "1", user=NOBODY, group=NOBODY)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("read-ahead 4096: needs root\n", done.stdout)
        self.assertIn("Whether the file was cold cannot be told", done.stdout)
        self.assertRegex(done.stdout, r"\nCeiling: \d")

    def test_pages_that_somebody_has_mapped_stay_and_that_is_said(self):
        self.daemon.stop()
        with Reader(bus_case.BUILD, "mmap-sequential", MODEL, "--serve") as reader:
            reader.loaded()
            done = self.compare("--rounds", "1")
            reader.leave()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Not all of it was cold: up to 300 MiB stayed", done.stdout)

    def test_a_daemon_that_somebody_paused_stays_paused(self):
        self.call("SetMode", "s", "paused")
        done = self.compare("--rounds", "1", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {row["variant"]: row for row in json.loads(done.stdout)["variants"]}
        self.assertIn("paused", rows["tuneshift"]["skipped"])
        self.assertIn("ms", rows["read-ahead 4096"])
        self.assertEqual(self.get("Mode"), "paused")

    def test_without_a_daemon_the_others_are_compared(self):
        self.daemon.stop()
        done = self.compare("--rounds", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("tuneshift: tuneshiftd is not running", done.stdout)
        self.assertRegex(done.stdout, r"\nread-ahead 4096 +\d+ ")

    def test_what_cannot_be_loaded_changes_nothing(self):
        other = os.path.join(os.path.dirname(MODEL), "missing")
        for path, options, reason in (
                (other, (), "No such file"), (os.path.dirname(MODEL), (), "a directory"),
                ("/dev/zero", (), "not a file"), (bus_case.__file__, (), "smaller than 16 MiB"),
                (MODEL, ("--html", MODEL), "File exists"),
                (os.path.join(os.path.dirname(MODEL), "huge.gguf"), (), "GiB are available"),
                (MODEL, ("--html", "/nowhere/page.html"), "No such file")):
            done = self.compare(*options, path=path)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, rf"\Atuneshiftctl: [^\n]*{reason}[^\n]*\n\Z")
        self.assertEqual(self.history("mode"), [])


if __name__ == "__main__":
    bus_case.main()
