# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 400
# kernels: own
"""Reading ahead where memory is short: nobody is killed because of it, and how long loads take
with and without is printed."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
from statistics import median

from checks import (MODEL, SMALL_MODEL, control_group, counts, daemon, expect_unchanged,
                    full_of_shared_memory, history, in_group, knobs, manager, prefetching, reader,
                    run, slow_store, unit, wait_for)

MIB = 1 << 20
ROUNDS = int(os.environ["TUNESHIFT_VM_ROUNDS"])
CLOSED = ("--close",)
STORE = "/mnt/store"
# More than a reader has, its mapped pages counted.
HOG = "held = b'x' * (800 << 20)\nprint(flush=True)\nwhile True: input()"


@contextlib.contextmanager
def paused():
    run("tuneshiftctl", "mode", "paused")
    try:
        yield
    finally:
        run("tuneshiftctl", "mode", "auto")


def load_ms(path, filling, **files):
    """Of one load in a control group, of which shared memory fills so many MiB."""
    with control_group("reader", **files) as group, full_of_shared_memory(group, filling):
        with reader(path=path, options=CLOSED, group=group) as process:
            line = process.stdout.readline()
        assert counts(f"{group}/memory.events")["oom_kill"] == 0
    return json.loads(line)["load_ms"]  # it was not killed


def with_and_without(what, path, filling=0, **files):
    without, helped = [], []
    for _ in range(ROUNDS):
        with paused():
            without.append(load_ms(path, filling, **files))
        helped.append(load_ms(path, filling, **files))
    print(f"figure: {what}: {median(without):.0f} ms without, {median(helped):.0f} ms with "
          f"({min(helped):.0f} … {max(helped):.0f})", flush=True)


def half_of_the_file():
    with_and_without("memory for half of the file", MODEL, memory_max=256 * MIB)


def full_of_shmem():
    with_and_without("memory full of tmpfs", SMALL_MODEL, filling=280, memory_max=300 * MIB)


def killed_as_a_whole():
    with_and_without("memory.oom.group", SMALL_MODEL, memory_oom_group=1)


def the_whole_machine():
    """The kernel takes whoever has most: not the reader, nor a worker. It is asked to, as an
    emulated machine takes minutes to run out of memory by itself."""
    kills = counts("/proc/vmstat")["oom_kill"]
    with slow_store(STORE, "--rate", str(40 * MIB)) as model, reader(path=model,
                                                                    options=CLOSED) as process:
        wait_for("a worker", lambda: any(row["kind"] == "prefetching" and row["pid"] == process.pid
                                         for row in history()))
        # In no unit's group: systemd would end the unit with it.
        with control_group("hog") as group, in_group(
                [sys.executable, "-c", HOG], group, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE) as hog:
            assert hog.stdout.readline() == b"\n"
            pathlib.Path("/proc/sysrq-trigger").write_text("f")
            assert hog.wait() == -signal.SIGKILL
        assert process.poll() is None
        assert b"load_ms" in process.stdout.readline()
    assert counts("/proc/vmstat")["oom_kill"] == kills + 1


before = knobs()
with prefetching(), daemon("auto"):
    for step in (half_of_the_file, full_of_shmem, killed_as_a_whole, the_whole_machine):
        print(f"== {step.__name__}", flush=True)
        step()
    assert unit("tuneshift.service", "NRestarts") == "0"
    wait_for("the end of it all", lambda: manager("State") == "idle")
assert not os.path.exists("/dev/shm/filling")
expect_unchanged(before)
