#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real loads from the machine's disk: what is seen, written, recorded and put back."""
import mmap
import os
import re
import unittest

import bus_case
from bus_case import DISK, BusCase, read, sysctl
from lib.machine import disk_scratch
from lib.programs import Reader, make_model
from lib.processes import wait_for

MIB = 1 << 20
MODEL_BYTES = 300 * MIB
UNTOLD_BYTES = 9 * MIB  # the last step of a reader that ended, and the inspected header
FILES = {}
SCRATCH = None


def setUpModule():
    global SCRATCH
    SCRATCH = disk_scratch("bus", 4 * MODEL_BYTES)
    unittest.addModuleCleanup(SCRATCH.__exit__)
    for name, size in (("model", MODEL_BYTES), ("small", 100 * MIB)):
        FILES[name] = SCRATCH.join(name + ".safetensors")
        make_model(bus_case.BUILD, FILES[name], size)
    FILES["other"] = SCRATCH.join("backup.img")
    with open(FILES["other"], "wb") as file:
        for _ in range(MODEL_BYTES // MIB):
            file.write(os.urandom(4096) * 256)
        file.flush()
        os.fsync(file.fileno())  # dirty pages do not leave the page cache


def reader(mode, name, *options):
    # Without a look at what is cached: the daemon would see its mapping.
    with open(FILES[name], "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return Reader(bus_case.BUILD, mode, FILES[name], *options)


class LoadCase(BusCase):
    def read_to_end(self, mode, name, *options):
        """Reads the file in a process that ends: its number."""
        with reader(mode, name, *options) as process:
            process.loaded()
        return process.pid

    def read_ahead_path(self):
        return f"/sys/block/{DISK}/queue/read_ahead_kb"


class Automatic(LoadCase):
    def test_a_load_from_first_byte_to_last_knob(self):
        with reader("mmap-sequential", "model", "--serve") as process:
            process.loaded()
            pid = process.pid
            kinds = ["suspected", "inspected", "started", "finished", "serving"]
            rows = [self.wait_history(kind, pid=pid)[0] for kind in kinds]
            self.assertEqual([row["mono"] for row in rows], sorted(row["mono"] for row in rows))
            started, finished = rows[2], rows[3]
            self.assertEqual(started["path"], FILES["model"])
            self.assertEqual(finished["total"], os.path.getsize(FILES["model"]))
            self.assertGreater(finished["bytes"], finished["total"] - UNTOLD_BYTES)
            self.assertGreater(finished["rate"], 0)
            self.assertGreaterEqual(finished["missed"], finished["bytes"] - UNTOLD_BYTES)
            self.assertLessEqual({"refaulted", "evicted", "major_faults", "warning"}, set(finished))
            written = self.wait_history("written", profile="throughput",
                                        knob=f"block/{DISK}/queue/read_ahead_kb")[0]
            self.assertEqual(written["to"], "12288")
            self.assertLess(written["mono"], finished["mono"])
            self.wait_history("rewindowed", pid=pid)
            self.wait_equal(lambda: self.get("State"), "serving")
            self.assertEqual((self.get("Loads"), self.get("Servers")), (0, 1))
            self.assertEqual(self.get("ActiveProfiles"), ["latency"])
            self.wait_equal(lambda: read(sysctl("vm.swappiness")), "23")
            self.wait_equal(lambda: read(self.read_ahead_path()),
                            self.before.values[self.read_ahead_path()])
            process.leave()
        self.wait_history("idle", pid=pid)
        self.wait_equal(self.differences, [])
        self.wait_equal(lambda: self.get("State"), "idle")

    def test_the_load_object(self):
        with reader("mmap-sequential", "model") as process:
            process.loaded()
        number = self.wait_history("finished", pid=process.pid)[0]["load"]
        path = f"/org/tuneshift1/load/{number}"
        load = self.call("GetAll", "s", "org.tuneshift1.Load", path=path,
                         interface="org.freedesktop.DBus.Properties")
        size = os.path.getsize(FILES["model"])
        self.assertEqual((load["State"], load["BytesTotal"]), ("finished", size))
        self.assertGreater(load["BytesLoaded"], size - UNTOLD_BYTES)
        self.assertIn(DISK, load["Devices"][0])
        self.assertLessEqual(load["Started"], load["Finished"])
        details = self.call("Describe", path=path, interface="org.tuneshift1.Load")
        self.assertEqual(details["files"], [FILES["model"]])
        self.assertEqual(details["format"], "safetensors")
        row, = details["readers"]
        self.assertEqual((row["pid"], row["path"], row["size"]),
                         (process.pid, FILES["model"], size))
        self.assertEqual(row["missed"], details["missed"])
        self.assertEqual(load["TimeLeft"], 0)
        self.assert_error("InvalidArgument", "Cancel", path=path,
                          interface="org.tuneshift1.Load")

    def test_a_reader_that_keeps_what_it_reads_is_a_load(self):
        pid = self.read_to_end("read", "model")
        started = self.wait_history("started", pid=pid)[0]
        self.assertIn("keeps what it reads", started["evidence"])
        self.wait_history("finished", pid=pid)
        self.wait_equal(self.differences, [])

    def test_a_reader_that_drops_what_it_reads_is_rejected(self):
        pid = self.read_to_end("read", "model", "--discard")
        rejected = self.wait_history("rejected", pid=pid)[0]
        self.assertIn("passes on what it reads", rejected["reason"])
        self.assertEqual(self.history("started"), [])
        # A suspect gets the read-ahead of its own store, nothing else.
        self.assertEqual({row["knob"] for row in self.history("written")}
                         - {f"block/{DISK}/queue/read_ahead_kb"}, set())
        self.wait_equal(self.differences, [])

    def test_a_big_file_that_is_no_model_is_rejected(self):
        pid = self.read_to_end("read", "other")
        rejected = self.wait_history("rejected", pid=pid)[0]
        self.assertIn("not a model file", rejected["reason"])
        self.assertEqual(self.history("written"), [])

    def test_a_small_model_is_not_looked_at(self):
        small = self.read_to_end("mmap-sequential", "small")
        # Events keep their order: what comes of the big one shows that nothing comes of the small.
        big = self.read_to_end("mmap-sequential", "model")
        self.wait_history("suspected", pid=big)
        self.assertEqual([row for row in self.history() if row.get("pid") == small], [])

    def test_two_readers_of_one_model_are_one_load(self):
        with reader("mmap-sequential", "model", "--serve") as one, \
                Reader(bus_case.BUILD, "mmap-sequential", FILES["model"], "--serve") as two:
            one.loaded()
            two.loaded()
            self.wait_history("finished")
            self.wait_equal(lambda: self.get("Servers"), 2)
            self.assertEqual(len(self.history("started")), 1)
            number = self.history("started")[0]["load"]
            details = self.call("Describe", path=f"/org/tuneshift1/load/{number}",
                                interface="org.tuneshift1.Load")
            self.assertEqual(set(details["processes"]), {one.pid, two.pid})
            one.leave()
            self.wait_equal(lambda: self.get("Servers"), 1)
            self.assertEqual(self.get("State"), "serving")
            two.leave()
        self.wait_equal(lambda: self.get("State"), "idle")
        self.wait_equal(self.differences, [])

    def test_a_killed_server_gives_everything_back(self):
        with reader("mmap-sequential", "model", "--serve") as process:
            process.loaded()
            self.wait_equal(lambda: self.get("State"), "serving")
            process.process.kill()
            self.wait_equal(lambda: self.get("State"), "idle")
        self.wait_equal(self.differences, [])

    def test_a_reader_killed_during_its_load_is_suspected_once(self):
        pids = []
        for _ in range(6):
            with reader("mmap-sequential", "model", "--serve") as process:
                pids.append(process.pid)
                wait_for(lambda: self.history("started", pid=process.pid), 15, 0.005)
                process.process.kill()
            self.wait_equal(lambda: self.get("State"), "idle")
        for pid in pids:
            # Its last events come before its end.
            rows = [row["kind"] for row in self.history(pid=pid)]
            self.assertEqual(rows.count("suspected"), 1, rows)

    def test_what_was_done_for_a_load_is_told(self):
        for mode, options, expected in (
                ("mmap-sequential", [], "re-windowed"),
                ("mmap-sequential", ["--close"],
                 "read ahead|read-ahead only: the descriptor is closed"),
                ("direct", [], "none: reads with O_DIRECT")):
            with self.subTest(mode=mode, options=options):
                with reader(mode, "model", "--serve", *options) as process:
                    process.loaded()
                    number = self.wait_history("started", pid=process.pid)[0]["load"]
                    path = f"/org/tuneshift1/load/{number}"
                    told = wait_for(lambda: re.search(
                        expected, self.get("Assistance", path, "org.tuneshift1.Load")), 30)
                    self.assertTrue(told)
                self.wait_equal(lambda: self.get("State"), "idle")

    def test_a_daemon_killed_during_a_load(self):
        with reader("mmap-random", "model"):
            self.wait_history("written", knob=f"block/{DISK}/queue/read_ahead_kb")
            self.daemon.process.kill()
            self.daemon.process.wait()
            self.assertNotEqual(self.differences(), [])
        self.daemon.start()
        self.root = self.connect()
        self.assertEqual(self.differences(), [])
        with reader("mmap-sequential", "model") as process:
            process.loaded()
        self.wait_history("finished", pid=process.pid)
        self.wait_equal(self.differences, [])

    def test_a_stop_during_a_load(self):
        with reader("mmap-random", "model"):
            self.wait_history("written", knob=f"block/{DISK}/queue/read_ahead_kb")
            self.daemon.stop()
            self.assertEqual(self.differences(), [])

    def test_a_pause_takes_the_windows_of_readers_back(self):
        with reader("mmap-random", "model") as process:
            def texts():
                return [row["text"] for row in self.history("rewindowed", pid=process.pid)]

            self.wait_history("rewindowed", pid=process.pid)
            self.call("Pause", "t", 60)
            self.wait_equal(lambda: len(texts()), 2)
            self.assertIn("follows the restored read-ahead", texts()[1])
            self.call("SetMode", "s", "auto")
            self.wait_equal(lambda: len(texts()), 3)
            self.assertIn("1 descriptor re-windowed", texts()[2])
            self.daemon.stop()
        self.assertIn("follows the restored read-ahead", self.daemon.log_tail(20))

    def test_manual_and_paused_ignore_loads(self):
        for mode in ("manual", "paused"):
            self.call("SetMode", "s", mode)
            ignored = self.read_to_end("mmap-sequential", "model")
            self.call("SetMode", "s", "auto")
            seen = self.read_to_end("mmap-sequential", "model")
            self.wait_history("finished", pid=seen)
            self.assertEqual([row for row in self.history() if row.get("pid") == ignored], [])

    def test_a_mapping_that_nobody_reads_is_let_go(self):
        read_ahead = self.read_ahead_path()
        pid = os.getpid()
        with open(FILES["model"], "rb") as file, \
                mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
            self.wait_history("inspected", pid=pid)
            self.wait_history("written", owner=f"suspect {pid}")
            # Anybody may list the knobs, but not see what others have open.
            self.assertNotIn(str(pid), " ".join(row["owner"] for row in self.call("ListKnobs")))
            self.wait_history("restored", knob=f"block/{DISK}/queue/read_ahead_kb")
            self.assertEqual(read(read_ahead), self.before.values[read_ahead])
            self.assertEqual(self.history("started", pid=pid), [])

    def test_a_cancelled_load_loses_its_profile(self):
        with reader("mmap-random", "model") as process:
            started = self.wait_history("started", pid=process.pid)[0]
            path = f"/org/tuneshift1/load/{started['load']}"
            self.assertEqual(self.get("State"), "loading")
            self.assertEqual(self.get("ActiveProfiles"), ["throughput"])
            self.call("Cancel", path=path, interface="org.tuneshift1.Load")
            self.assertEqual(self.get("State", path, "org.tuneshift1.Load"), "abandoned")
            self.assertEqual(self.get("State"), "idle")
            self.wait_equal(self.differences, [])


class Observing(LoadCase):
    configuration = "mode: observe\ndetection: {settle: 1s}\nswitching: {dwell: 1s}\n"

    def test_all_is_recorded_and_nothing_written(self):
        snapshots = []

        def loaded():
            snapshots.extend(self.differences())
            return process.has_loaded(0)

        with reader("mmap-sequential", "model", "--serve") as process:
            wait_for(loaded, 60)
            self.wait_history("finished", pid=process.pid)
            self.wait_history("would-rewindow", pid=process.pid)
            told = self.wait_history("would-write", knob=f"block/{DISK}/queue/read_ahead_kb")[0]
            self.assertEqual((told["to"], told["profile"]), ("12288", "throughput"))
            self.wait_history("would-write", profile="latency", knob="vm.swappiness")
            snapshots.extend(self.differences())
            process.leave()
        self.wait_history("idle", pid=process.pid)
        snapshots.extend(self.differences())
        self.assertEqual(snapshots, [])
        self.assertEqual(self.history("written") + self.history("rewindowed"), [])

    def test_a_hold_writes_nothing_either(self):
        self.hold("throughput")
        self.wait_history("would-write", knob="vm.swappiness")
        self.assertEqual(self.differences(), [])


if __name__ == "__main__":
    bus_case.main()
