#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records the corpus anew: real programs on this machine's disk and on the slow store, a trace
each, labelled with what they are. Needs root; the names in the traces are hashed."""
import contextlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

# pylint: disable=wrong-import-position
from lib.lock import knobs_locked
from lib.machine import Scratch, disk_scratch, make_cold
from lib.processes import cleanup, spawn
from lib.programs import Reader, SlowStore, make_model
from lib.service import PrivateBus, Tuneshiftd
from lib.traces import Recording

MIB = 1 << 20
MODEL_BYTES = 320 * MIB
# The proof of a mapping takes 16 MiB of misses; nothing helps here, in mode observe.
MAPPED_WITHIN_MS = {"disk": 200, "slow": 600}
CONFIGURATION = "mode: observe\ndetection: {settle: 2s}\n"

LOADERS = {
    "mmap-sequential": ["mmap-sequential"],
    "mmap-tensor": ["mmap-tensor"],
    "mmap-random": ["mmap-random"],
    "mmap-closed": ["mmap-sequential", "--close"],
    "read": ["read"],
    "pread-4": ["pread", "--threads", "4"],
    "direct-4": ["direct", "--threads", "4"],
}


def within_ms(name):
    is_mapped = "mmap" in name or "ranks" in name
    return MAPPED_WITHIN_MS[name.split("-")[0]] if is_mapped else 0


class Corpus:
    def __init__(self, build, daemon, folder, copies):
        self.build = build
        self.daemon = daemon
        self.folder = folder
        self.copies = copies

    def loader(self, name, path, *options):
        make_cold(path)
        with self.recording(name) as recording, \
                Reader(self.build, options[0], path, *options[1:], "--serve") as reader:
            recording.label(reader.pid, "load", name, within_ms(name))
            recording.label(reader.pid, "server", name)
            reader.loaded()
            recording.wait_decided("finished")
            reader.leave()
            recording.wait_for(f"gone process={reader.pid}.")
        print(f"{name}: loaded", flush=True)

    def confuser(self, name, path, *command):
        make_cold(path)
        with self.recording(name) as recording:
            process = spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            recording.label(process.pid, "not-load", name)
            status = process.wait()
            recording.wait_decided("rejected")
        print(f"{name}: ended with {status}", flush=True)

    def recording(self, name):
        # The corpus outlives the rules that were in force when it was recorded.
        return Recording(self.daemon, os.path.join(self.folder, name + ".trace"),
                         keep_decisions=False)

    def ranks(self, name, path):
        """Two processes that share one file."""
        make_cold(path)
        with self.recording(name) as recording, \
                Reader(self.build, "mmap-tensor", path, "--serve") as one, \
                Reader(self.build, "mmap-tensor", path, "--serve") as two:
            for reader in (one, two):
                recording.label(reader.pid, "load", name, within_ms(name))
                reader.loaded()
            recording.wait_decided("finished")
            for reader in (one, two):
                reader.leave()
                recording.wait_for(f"gone process={reader.pid}.")
        print(f"{name}: one load of two processes", flush=True)

    def on(self, store, path, left_out=()):
        for name, options in LOADERS.items():
            if name not in left_out:
                self.loader(f"{store}-{name}", path, *options)
        self.ranks(f"{store}-ranks", path)
        copy = self.copies.join("copy")
        for name, command in {
            "sha256sum": ["sha256sum", path],
            "cp": ["cp", "--reflink=never", path, copy],
            "tar": ["tar", "--create", "--file", copy, path],
            "dd": ["dd", f"if={path}", "of=/dev/null", "bs=1M"],
            "reader-discard": [os.path.join(self.build, "tests/tools/reader"), "read", path,
                               "--discard"],
        }.items():
            self.confuser(f"{store}-{name}", path, *command)


def main():
    build = os.path.abspath(sys.argv[1])
    folder = sys.argv[2] if len(sys.argv) > 2 else HERE
    with knobs_locked(), cleanup() as stack:
        disk = stack.enter_context(disk_scratch("traces", 3 * MODEL_BYTES))
        memory = stack.enter_context(Scratch("/dev/shm", "traces"))
        service = stack.enter_context(Scratch("/var/tmp", "traces"))
        bus = stack.enter_context(PrivateBus(service.path))
        daemon = stack.enter_context(Tuneshiftd(build, bus, service.path, CONFIGURATION))
        path = disk.join("model-00001-of-00001.safetensors")
        make_model(build, path, MODEL_BYTES)
        daemon.start()
        corpus = Corpus(build, daemon, folder, disk)
        corpus.on("disk", path)
        memory.folder("source")
        shutil.copyfile(path, memory.join("source", "model.safetensors"))
        stack.enter_context(SlowStore(build, memory.join("source"), memory.folder("mount")))
        # O_DIRECT without a block device is not seen: docs/detection.md.
        corpus.on("slow", memory.join("mount", "model.safetensors"), left_out=("direct-4",))
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
