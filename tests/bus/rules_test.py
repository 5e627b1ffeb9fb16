#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real programs on real files: who is rejected and why, and who serves without a load."""
import os
import shutil
import subprocess
import sys
import time
import unittest

import bus_case
from bus_case import DISK, BusCase, read, sysctl, write
from lib.machine import disk_scratch
from lib.processes import end, read_line, spawn, wait_for
from lib.programs import Reader, make_model

MIB = 1 << 20
FILE_BYTES = 300 * MIB
FILES = {}
SCRATCH = None

# A server that loads its model once for each line of its input.
RELOADER = """
import mmap, os, sys
kept = None
for line in sys.stdin:
    if kept is not None:
        kept.close()
    with open(sys.argv[1], "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    kept[::4096]
    print("loaded", flush=True)
"""


def setUpModule():
    global SCRATCH
    SCRATCH = disk_scratch("rules", 6 * FILE_BYTES)
    unittest.addModuleCleanup(SCRATCH.__exit__)
    FILES["model"] = SCRATCH.join("model.safetensors")
    make_model(bus_case.BUILD, FILES["model"], FILE_BYTES)
    for name, beginning in (("table.parquet", b"PAR1"), ("weights.mine", b"MINE")):
        FILES[name] = SCRATCH.join(name)
        with open(FILES[name], "wb") as file:
            file.write(beginning.ljust(4096, b"\1"))
            for _ in range(FILE_BYTES // MIB):
                file.write(os.urandom(4096) * 256)
            file.flush()
            os.fsync(file.fileno())  # dirty pages do not leave the page cache


def drop(name):
    with open(FILES[name], "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm(name):
    with open(FILES[name], "rb") as file:
        while file.read(MIB):
            pass


class RulesCase(BusCase):
    def run_program(self, name, *command):
        """Runs it on a file that is not cached: its number."""
        drop(name)
        process = spawn(list(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
        self.assertEqual(process.wait(120), 0)
        return process.pid

    def rejection_of(self, pid):
        reason = self.wait_history("rejected", pid=pid)[0]["reason"]
        self.assertEqual(self.history("started", pid=pid), [])
        # A suspect gets the read-ahead of its own store, nothing else.
        self.assertEqual({row["knob"] for row in self.history("written")}
                         - {f"block/{DISK}/queue/read_ahead_kb"}, set())
        return reason

    def write_rules(self, text):
        path = os.path.join(self.daemon.rules, "operator.yaml")
        write(path, text)
        os.chmod(path, 0o644)
        self.call("Reload")

    def renamed(self, program):
        """The program under a name that no rule knows."""
        path = os.path.join(self.scratch.path, "unheard-of")
        shutil.copy(shutil.which(program), path)
        return path


class Rejected(RulesCase):
    def test_by_the_rule_for_its_program(self):
        for rule, command in (("copy", ["cp", FILES["model"], "/dev/null"]),
                              ("checksum", ["sha256sum", FILES["model"]])):
            with self.subTest(rule=rule):
                pid = self.run_program("model", *command)
                self.assertEqual(self.rejection_of(pid),
                                 f"rule '{rule}': such programs load no model")

    def test_a_copy_by_what_it_writes(self):
        target = SCRATCH.join("copy")
        self.addCleanup(os.unlink, target)
        pid = self.run_program("model", self.renamed("dd"), f"if={FILES['model']}",
                               f"of={target}", "bs=1M")
        self.assertEqual(self.rejection_of(pid), "writes what it reads")

    def test_a_checksum_by_what_it_keeps(self):
        pid = self.run_program("model", self.renamed("sha256sum"), FILES["model"])
        self.assertEqual(self.rejection_of(pid), "passes on what it reads")

    def test_data_by_its_format(self):
        pid = self.run_program("table.parquet", self.renamed("cat"), FILES["table.parquet"])
        self.assertEqual(self.rejection_of(pid), "not a model file: parquet")


class Operators(RulesCase):
    def test_a_format_and_a_program_are_added_without_code(self):
        drop("weights.mine")
        with Reader(bus_case.BUILD, "mmap-sequential", FILES["weights.mine"]) as process:
            process.loaded()
        self.assertEqual(self.wait_history("rejected", pid=process.pid)[0]["reason"],
                         "not a model file: no known format")
        self.write_rules("formats:\n  - {name: mine, magic: [MINE]}\n"
                         "processes:\n  - {name: my-server, role: loader, commands: [reader]}\n")
        drop("weights.mine")
        with Reader(bus_case.BUILD, "read", FILES["weights.mine"], "--discard") as process:
            process.loaded()
        started = self.wait_history("started", pid=process.pid)[0]
        self.assertEqual(started["evidence"], "rule 'my-server': reads a mine file")

    def test_a_mistake_keeps_the_old_rules(self):
        with self.assertRaises(bus_case.BusError) as caught:
            self.write_rules("processes:\n  - {name: x, role: lodaer, commands: [a]}\n")
        self.assertIn("operator.yaml:2:21: unknown role 'lodaer', did you mean 'loader'?",
                      caught.exception.text)
        pid = self.run_program("model", "cp", FILES["model"], "/dev/null")
        self.assertIn("rule 'copy'", self.rejection_of(pid))


class Serving(RulesCase):
    def serve_warm(self, evidence):
        warm("model")
        with Reader(bus_case.BUILD, "mmap-sequential", FILES["model"], "--serve") as process:
            process.loaded()
            row = self.wait_history("serving", pid=process.pid)[0]
            self.assertEqual((row["load"], row["evidence"]), (0, evidence))
            self.assertIn("already cached", row["text"])
            self.wait_equal(lambda: self.get("State"), "serving")
            self.assertEqual((self.get("Loads"), self.get("Servers")), (0, 1))
            self.assertEqual(self.get("ActiveProfiles"), ["latency"])
            self.wait_equal(lambda: read(sysctl("vm.swappiness")), "23")
            process.leave()
        self.wait_history("idle", pid=process.pid)
        self.wait_equal(lambda: self.get("State"), "idle")
        self.wait_equal(self.differences, [])
        self.assertEqual(self.history("started"), [])

    def test_a_warm_start_is_seen_by_the_mapping_that_stays(self):
        self.serve_warm("keeps all of it mapped")

    def test_a_warm_start_of_a_known_server_is_seen_at_once(self):
        self.write_rules("processes:\n  - {name: my-server, role: loader, commands: [reader]}\n")
        self.serve_warm("rule 'my-server'")

    def test_the_same_process_loads_the_same_file_again(self):
        process = spawn([sys.executable, "-c", RELOADER, FILES["model"]], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, bufsize=0)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(end, process)
        for load in (1, 2):
            process.stdin.write(b"load\n")
            read_line(process.stdout, 60, "the reloader")
            mapped = time.monotonic()
            rows = wait_for(lambda count=load: len(self.history("finished")) == count, 15)
            self.assertTrue(rows, self.daemon.log_tail(20))
            # The probe tells of a mapping once a second.
            wait_for(lambda start=mapped: time.monotonic() > start + 1.1, 5)
        finished = self.history("finished", pid=process.pid)
        self.assertEqual([row["load"] for row in finished], [1, 2])
        for row in finished:
            self.assertLessEqual(row["bytes"], row["total"])
            self.assertGreater(row["bytes"], row["total"] * 9 // 10)
        self.assertEqual(self.get("Servers"), 1)


if __name__ == "__main__":
    bus_case.main()
