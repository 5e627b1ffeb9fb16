# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 300
# kernels: own
"""Reading ahead of readers that have closed their descriptor, in control groups v2: as whom, on
whose account, and when not."""

import os
import re
import signal

from checks import (MODEL, SMALL_MODEL, busctl, control_group, counts, daemon, expect_unchanged,
                    full_of_shared_memory, history, knobs, prefetching, read, reader, rows_of,
                    run, slow_store, unit, wait_for)

NOBODY = 65534
MIB = 1 << 20
CLOSED = ("--close",)
READ_AHEAD = re.compile(r"^[1-9]\d* MiB read ahead by ")
STORE = "/mnt/store"
SERVICE = "/sys/fs/cgroup/system.slice/tuneshift.service"


def loaded(process):
    """Waits for the end of the reader's load; its rows and what its load says of the help."""
    try:
        rows = wait_for("the end of the load",
                        lambda: (told := rows_of(process)).get("finished") and told, 90)
    finally:
        for row in history():
            if row.get("pid") == process.pid:
                print(row["kind"], row.get("text", ""), row.get("account", ""))
    assistance = busctl("get-property", "org.tuneshift1",
                        f"/org/tuneshift1/load/{rows['finished']['load']}", "org.tuneshift1.Load",
                        "Assistance")
    print("==", assistance)
    assert b"load_ms" in process.stdout.readline()  # it was not killed
    return rows, assistance


def file_mib(group):
    return counts(f"{group}/memory.stat")["file"] // MIB


def expect_no_kill(group):
    events = counts(f"{group}/memory.events")
    assert events["oom_kill"] == 0, events


def read_ahead(path=SMALL_MODEL, uid=0, **files):
    """A load that must be read ahead of: how much its group and the daemon's grew, in MiB."""
    with control_group("reader", **files) as group:
        with reader(path=path, uid=uid, options=CLOSED, group=group) as process:
            before = file_mib(SERVICE)
            rows, assistance = loaded(process)
            assert "prefetching" in rows, rows
            assert READ_AHEAD.search(assistance), assistance
            grown = file_mib(group), file_mib(SERVICE) - before
        expect_no_kill(group)
    print("== charged to the reader's group and to the daemon's, MiB:", *grown)
    return grown, assistance


def expect_on_account_of_reader(uid):
    (readers, daemons), _ = read_ahead(uid=uid)
    assert readers >= 200, readers
    assert daemons < 50, daemons


def as_root():
    expect_on_account_of_reader(0)


def as_nobody():
    expect_on_account_of_reader(NOBODY)


def half_of_the_file():
    _, assistance = read_ahead(path=MODEL, memory_max=256 * MIB)
    # That of its end, unless the reader was at its own before.
    assert re.search("a window ahead|MiB read ahead by \\w+$", assistance), assistance


def killed_as_a_whole():
    """A kill of the worker would take the reader with it there."""
    (readers, daemons), _ = read_ahead(memory_oom_group=1)
    assert daemons >= 100, (readers, daemons)
    assert any(row.get("account") == "daemon: memory.oom.group of /reader is set"
               for row in history()), history()


def no_room():
    limit = 300
    with control_group("reader", memory_max=limit * MIB) as group:
        with full_of_shared_memory(group, limit - 20):
            with reader(path=SMALL_MODEL, options=CLOSED, group=group) as process:
                rows, assistance = loaded(process)
                assert "prefetching" not in rows, rows
                assert "memory too tight" in assistance, assistance
        expect_no_kill(group)


def resident_kib(process):
    return int(read(f"/proc/{process.pid}/status").split("RssFile:")[1].split()[0])


def private_store():
    """Root can neither open nor stat this model, and one more open would throw its pages out."""
    with slow_store(STORE, "--private", "--no-keep-cache", uid=NOBODY) as model:
        assert not os.path.exists(model)
        with reader(path=model, uid=NOBODY, options=CLOSED) as process:
            most = 0
            while "finished" not in rows_of(process):
                now = resident_kib(process)
                assert now >= most, (now, most)
                most = now
            rows, assistance = loaded(process)
            assert "through its mapping" in rows["prefetching"]["text"], rows
            assert READ_AHEAD.search(assistance), assistance


def killed_daemon():
    """Its worker is in the reader's group by then, where systemd does not look for it."""
    with slow_store(STORE, "--rate", str(20 * MIB)) as model, control_group("reader") as group:
        with reader(path=model, options=CLOSED, group=group) as process:
            worker = wait_for("a worker in the reader's group", lambda: [
                pid for pid in read(group / "cgroup.procs").split() if int(pid) != process.pid])[0]
            assert read(f"/proc/{worker}/comm") == "tuneshift-prefe"
            os.kill(int(unit("tuneshift.service", "MainPID")), signal.SIGKILL)
            wait_for("the worker's end", lambda: not os.path.exists(f"/proc/{worker}"))
            run("systemctl", "stop", "tuneshift.service")
            assert read(group / "cgroup.procs") == str(process.pid)


before = knobs()
with prefetching(), daemon("auto"):
    for step in (half_of_the_file, no_room, killed_as_a_whole, private_store, as_root, as_nobody):
        print(f"== {step.__name__}")
        step()
    assert unit("tuneshift.service", "NRestarts") == "0"
    killed_daemon()
expect_unchanged(before)
