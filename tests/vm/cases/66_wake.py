# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 120
"""An NVMe controller is reset, and the machine sleeps and wakes, while a profile is held and a model is
served: what was promised goes on, also the read-ahead of the disk, which the kernel sets anew then.
Afterwards, with the clocks of the kernel apart by the time it slept, a load is recognised as before."""

import os
import subprocess
import time

from checks import (MODEL, SMALL_MODEL, daemon, differences, expect_unchanged, held, history, knobs,
                    manager, read, reader, rows_of, run, unit, wait_equal, wait_for)

KNOB = "block/nvme0n1/queue/read_ahead_kb"
# block/blk-settings.c, blk_queue_io_opt(): others need not.
KERNEL_RESETS = os.uname().release.startswith("6.1.")


def slept_s():
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def sleep():
    """As far as the kernel's own test of it goes (Documentation/power/basic-pm-debugging.rst): processes
    are frozen, devices and all CPUs but one stop, the clock is suspended, and five seconds later it all
    goes on. Nothing wakes an emulated machine that really sleeps."""
    before = slept_s()
    for path, value in (("pm_test", "core"), ("state", "mem"), ("pm_test", "none")):
        with open(f"/sys/power/{path}", "w", encoding="ascii") as file:
            file.write(value)
    assert slept_s() > before + 1, f"its clock went on: {before} s, {slept_s()} s"


def reset():
    with open("/sys/class/nvme/nvme0/reset_controller", "w", encoding="ascii") as file:
        file.write("1")
    wait_for("the controller", lambda: read("/sys/class/nvme/nvme0/state") == "live")


def verifies():
    return subprocess.run(["tuneshiftctl", "verify"], capture_output=True).returncode == 0


def go_through(happening):
    """What was in force is again soon, and nobody is left to think that somebody meant it."""
    told = len(history())
    happening()
    if KERNEL_RESETS:
        wait_for("the kernel's own value being told", lambda: [
            row for row in history()[told:] if row.get("knob") == KNOB and row["kind"] == "yielded"])
    wait_equal("what was in force", lambda: differences(in_force, knobs()), [])
    wait_for("it being known", verifies)
    for row in history()[told:]:
        print(row["kind"], row.get("text"))
    assert unit("tuneshift.service", "InvocationID") == invocation
    assert "throughput" in run("tuneshiftctl", "holds")
    assert manager("Servers") == 1


before = knobs()
with daemon("auto"):
    with reader(path=MODEL) as server, held("throughput"):
        server.stdout.readline()
        wait_equal("a server", lambda: manager("Servers"), 1)
        run("tuneshiftctl", "verify")
        in_force, invocation = knobs(), unit("tuneshift.service", "InvocationID")
        for happening in (reset, sleep):
            print(f"== {happening.__name__}", flush=True)
            go_through(happening)
    wait_equal("its end", lambda: manager("Servers"), 0)
    with reader(path=SMALL_MODEL) as process:
        wait_for("a load", lambda: "finished" in rows_of(process))
        wait_equal("a server", lambda: manager("Servers"), 1)
    wait_equal("its end", lambda: manager("Servers"), 0)
expect_unchanged(before)
