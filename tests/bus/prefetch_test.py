#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files read ahead of readers whom a larger window does not help."""
import os
import signal
import subprocess
import sys

import bus_case
from bus_case import NOBODY, BusCase, write
from lib.machine import Scratch, disk_scratch, make_cold, resident_bytes
from lib.processes import end, read_line, spawn, wait_for
from lib.programs import Reader, SlowStore, make_model

MIB = 1 << 20
MODEL_BYTES = 300 * MIB
ON = "mode: auto\ndetection: {settle: 1s}\nswitching: {dwell: 1s}\n"
OFF = ON + "prefetch: {enabled: false}\n"


class SlowCase(BusCase):
    """A model on a store without a disk, 2 ms a request."""

    configuration = ON
    store_options = ()
    model_bytes = MODEL_BYTES

    def setUp(self):
        super().setUp()
        memory = self.enter(Scratch("/dev/shm", "prefetch"))
        source, mount = memory.folder("source"), memory.folder("mount")
        make_model(bus_case.BUILD, os.path.join(source, "model.safetensors"), self.model_bytes)
        make_model(bus_case.BUILD, os.path.join(source, "other"), 100 * MIB)
        self.store = self.enter(SlowStore(bus_case.BUILD, source, mount, *self.store_options))
        self.model = os.path.join(mount, "model.safetensors")
        make_cold(self.model)

    def reader(self, mode, *options):
        return self.enter(Reader(bus_case.BUILD, mode, self.model, *options))

    def workers(self):
        """The pids of the daemon's workers."""
        daemon = self.daemon.process.pid
        with open(f"/proc/{daemon}/task/{daemon}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
        return [pid for pid in children if self.name_of(pid) == "tuneshift-prefe"]

    @staticmethod
    def name_of(pid):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            return ""

    def assistance(self, load):
        return self.get("Assistance", f"/org/tuneshift1/load/{load}", "org.tuneshift1.Load")


class Helped(SlowCase):
    def finished(self, reader):
        reader.loaded()
        return self.wait_history("finished", pid=reader.pid)[0]

    def test_the_descriptor_is_closed(self):
        reader = self.reader("mmap-sequential", "--close", "--serve")
        row = self.finished(reader)
        self.assertLess(row["missed"], MODEL_BYTES // 2)
        self.assertGreater(row["bytes"], MODEL_BYTES * 0.9)
        [ahead] = self.wait_history("prefetching", pid=reader.pid)
        self.assertIn("its descriptor is closed", ahead["reason"])
        [done] = self.wait_history("prefetched", pid=reader.pid)
        self.assertEqual((done["reason"], done["load"]), ("", row["load"]))
        # The load may be over before the worker's last word.
        self.assertGreater(done["bytes"] + row["missed"], MODEL_BYTES * 0.9)
        self.assertIn("read ahead", self.assistance(row["load"]))
        self.assertEqual(self.workers(), [])

    def test_a_mapping_of_random_order(self):
        reader = self.reader("mmap-random", "--madvise", "random", "--serve")
        row = self.finished(reader)
        self.assertLess(row["missed"], MODEL_BYTES // 2)
        self.assertEqual(len(self.wait_history("prefetching", pid=reader.pid)), 1)

    def test_ranks_share_one_worker(self):
        reader = self.reader("mmap-sequential", "--close", "--ranks", "4")
        reader.loaded()
        self.wait_history("finished")
        self.assertEqual(len(self.history("prefetching")), 1)

    def test_a_window_that_suffices_needs_no_worker(self):
        reader = self.reader("mmap-sequential", "--serve")
        self.assertEqual(self.assistance(self.finished(reader)["load"]), "re-windowed")
        self.assertEqual(self.history("prefetching"), [])


class OfALowRate(SlowCase):
    """A window comes for longer than a load may be silent, and counts when it is asked for."""

    configuration = ON.replace("settle: 1s", "settle: 1s, size_floor: 64MiB")
    store_options = ("--rate", str(12 * MIB))
    model_bytes = 72 * MIB

    def test_what_comes_of_a_window_keeps_the_load_alive(self):
        device = os.stat(self.model).st_dev
        write(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb", str(24 << 10))
        reader = self.reader("mmap-sequential", "--close", "--serve")
        reader.loaded()
        [row] = self.wait_history("finished", pid=reader.pid)
        self.assertEqual(row["reason"], "all bytes are in")
        self.assertEqual(len(self.history("started", pid=reader.pid)), 1)


class Interrupted(SlowCase):
    def begun(self):
        """A reader that is read ahead of, while its store answers nothing."""
        reader = self.reader("mmap-sequential", "--close", "--serve")
        self.wait_history("prefetching", pid=reader.pid)
        self.store.hold()
        [worker] = wait_for(self.workers, 10)
        return reader, worker

    def go_on(self, reader):
        self.store.let_go()
        self.assertEqual(reader.loaded()["bytes"], MODEL_BYTES)

    def test_a_killed_worker_leaves_the_load_alone(self):
        reader, worker = self.begun()
        os.kill(worker, signal.SIGKILL)
        [row] = self.wait_history("prefetched", pid=reader.pid)
        self.assertNotEqual(row["reason"], "")
        self.go_on(reader)
        self.wait_history("finished", pid=reader.pid)
        self.assertEqual(len(self.history("prefetching")), 1)

    def test_a_pause_ends_it(self):
        reader, _ = self.begun()
        self.call("Pause", "t", 3600)
        self.assertTrue(wait_for(lambda: not self.workers(), 10))
        self.go_on(reader)

    def test_its_reader_ends(self):
        reader, _ = self.begun()
        os.kill(reader.pid, signal.SIGKILL)
        self.store.let_go()
        self.assertTrue(wait_for(lambda: not self.workers(), 10))
        self.assertEqual(self.history("finished", pid=reader.pid), [])


class Beside(SlowCase):
    """Another process reads here and there from the same store."""

    store_options = ("--rate", "100000000")
    reads = ("import os, random, sys\n"
             "file = os.open(sys.argv[1], os.O_RDONLY)\n"
             "os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)\n"
             "print(flush=True)\n"
             "while True: os.pread(file, 4096, random.randrange(25600) * 4096)\n")

    def setUp(self):
        super().setUp()
        other = os.path.join(os.path.dirname(self.model), "other")
        process = spawn([sys.executable, "-c", self.reads, other], stdout=subprocess.PIPE, bufsize=0)
        self.addCleanup(process.stdout.close)
        self.addCleanup(end, process)
        read_line(process.stdout, 10, "the other process")

    def test_a_load_is_helped_in_small_steps(self):
        for options in (("--close",), ()):
            with self.subTest(options=options):
                make_cold(self.model)
                reader = self.reader("mmap-sequential", *options)
                [shared] = self.wait_history("shared", pid=reader.pid)
                self.assertIn("others read from its store", shared["text"])
                [ahead] = self.wait_history("prefetching", pid=reader.pid)
                self.assertEqual(reader.loaded()["bytes"], MODEL_BYTES)
                self.wait_history("finished", pid=reader.pid)
                if not options:
                    self.assertIn("in small steps", ahead["reason"])
                    # By its own window alone no more is there than was when the other was noticed.
                    # The third is that of its end.
                    self.assertTrue(wait_for(
                        lambda: len(self.history("rewindowed", pid=reader.pid)) >= 2, 10))


class Off(SlowCase):
    configuration = OFF

    def test_nothing_is_read_ahead(self):
        reader = self.reader("mmap-sequential", "--close", "--serve")
        reader.loaded()
        row = self.wait_history("finished", pid=reader.pid)[0]
        self.assertGreater(row["missed"], MODEL_BYTES * 0.9)
        self.assertEqual(self.history("prefetching"), [])


class Observing(SlowCase):
    configuration = ON.replace("auto", "observe")

    def test_it_says_what_it_would_do(self):
        reader = self.reader("mmap-sequential", "--close", "--serve")
        reader.loaded()
        row = self.wait_history("finished", pid=reader.pid)[0]
        self.assertGreater(row["missed"], MODEL_BYTES * 0.9)
        self.assertEqual(len(self.history("would-prefetch")), 1)
        self.assertEqual(self.history("prefetching"), [])


class OnDisk(BusCase):
    # A disk may be as fast without.
    configuration = ON + "prefetch: {stand_down: false}\n"

    def test_another_users_file_by_a_descriptor(self):
        disk = self.enter(disk_scratch("prefetch", 2 * MODEL_BYTES))
        os.chmod(disk.path, 0o755)
        model = disk.join("model.safetensors")
        make_model(bus_case.BUILD, model, MODEL_BYTES)
        os.chown(model, NOBODY, NOBODY)
        os.chmod(model, 0o400)
        make_cold(model)
        with Reader(bus_case.BUILD, "mmap-sequential", model, "--close", "--serve",
                    user=NOBODY) as reader:
            reader.loaded()
            self.wait_history("finished", pid=reader.pid)
            [ahead] = self.wait_history("prefetching", pid=reader.pid)
            self.assertIn("by a descriptor", ahead["text"])
            [done] = self.wait_history("prefetched", pid=reader.pid)
            self.assertEqual(done["reason"], "")


class Dropped(BusCase):
    """A loader that keeps nothing of its file in memory, as its rule says."""

    def setUp(self):
        super().setUp()
        rules = os.path.join(self.daemon.rules, "gpu.yaml")
        write(rules,
              "processes: [{name: gpu, role: loader, commands: [reader], drop_after_load: true}]\n")
        os.chmod(rules, 0o644)
        self.call("Reload")
        disk = self.enter(disk_scratch("prefetch", 2 * MODEL_BYTES))
        self.model = disk.join("model.safetensors")
        make_model(bus_case.BUILD, self.model, MODEL_BYTES)
        make_cold(self.model)

    def test_its_file_leaves_the_cache(self):
        with Reader(bus_case.BUILD, "read", self.model, "--serve") as reader:
            reader.loaded()
            self.wait_history("finished", pid=reader.pid)
            [row] = self.wait_history("evicted", pid=reader.pid)
            self.assertEqual((row["reason"], row["path"], row["files"]), ("", self.model, 1))
            self.assertEqual(resident_bytes(self.model), 0)

    def test_one_that_is_mapped_again_stays(self):
        with Reader(bus_case.BUILD, "read", self.model, "--serve") as first:
            first.loaded()
            self.wait_history("finished", pid=first.pid)
            with Reader(bus_case.BUILD, "mmap-sequential", self.model, "--serve") as second:
                second.loaded()
                [row] = self.wait_history("evicted", pid=first.pid)
                self.assertEqual((row["reason"], row["files"]), ("it is read again", 0))
                self.assertGreater(resident_bytes(self.model), MODEL_BYTES * 0.9)

    def test_a_reload_ends_it(self):
        with Reader(bus_case.BUILD, "read", self.model, "--serve") as reader:
            reader.loaded()
            self.wait_history("finished", pid=reader.pid)
            self.call("Reload")
            [row] = self.wait_history("evicted", pid=reader.pid)
            self.assertEqual((row["reason"], row["files"]), ("the rules were read again", 0))


if __name__ == "__main__":
    bus_case.main()
