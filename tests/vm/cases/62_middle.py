# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 300
"""In the middle of it: another disk comes, tuned switches, the service is stopped while a model is
loaded; the clock jumps while a profile is held. What is in force afterwards is what would be
without us."""

import time

from checks import (daemon, differences, expect_unchanged, held, host, knobs, loading, manager,
                    nvme_disks, read, run, unit, wait_equal, wait_for)

JUMP_S = 3600  # longer than the hold


def another_disk_comes():
    """It is not the one that is loaded from."""
    there = nvme_disks()
    with loading():
        host(plug="middle")
        disk = wait_for("the new disk", lambda: nvme_disks() - there, 60).pop()
        wait_for("it on the bus", lambda: disk in run("tuneshiftctl", "devices"))
        assert read(f"/sys/block/{disk}/queue/read_ahead_kb") == "128"
        assert manager("State") == "loading"
    host(unplug="middle")
    wait_for("its end", lambda: nvme_disks() == there)


def tuned_switches():
    run("tuned-adm", "profile", "throughput-performance")
    with_it = knobs()
    run("tuned-adm", "profile", "balanced")
    expect_unchanged(before)
    with daemon("auto"):
        with loading() as process:
            run("tuned-adm", "profile", "throughput-performance")
            assert process.poll() is None and manager("State") == "loading"
        wait_equal("its end", lambda: manager("State"), "idle")
        # What loads change of the machine stays for a while else.
        run("tuneshiftctl", "mode", "observe")
        run("tuneshiftctl", "verify")
        expect_unchanged(with_it)
        # It puts back what it captured, some of which was ours.
        run("tuned-adm", "profile", "balanced")
        wait_equal("what was", lambda: differences(before, knobs()), [])


def the_service_is_stopped():
    with loading() as process:
        run("systemctl", "stop", "tuneshift.service")
        # The store's mount has settings of its own.
        now = knobs()
        expect_unchanged(before | {path: now[path] for path in now.keys() - before.keys()})
        assert process.poll() is None


def the_clock_jumps():
    """Forth and back, as it does where a machine's own clock was wrong: a hold's time is not that
    one's."""
    with held("throughput"):
        run("tuneshiftctl", "verify")
        in_force, invocation = knobs(), unit("tuneshift.service", "InvocationID")
        for jump_s in (JUMP_S, -JUMP_S):
            time.clock_settime(time.CLOCK_REALTIME, time.time() + jump_s)
            assert "throughput" in run("tuneshiftctl", "holds")
            expect_unchanged(in_force)
        assert unit("tuneshift.service", "InvocationID") == invocation


before = knobs()
for step in (another_disk_comes, the_clock_jumps, the_service_is_stopped):
    print(f"== {step.__name__}", flush=True)
    with daemon("auto"):
        step()
    expect_unchanged(before)
tuned_switches()
expect_unchanged(before)
