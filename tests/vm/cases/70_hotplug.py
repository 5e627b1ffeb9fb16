# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 240
"""A disk comes and goes while a profile is in force: taken in, forgotten, and taken in again."""

from checks import (READ_AHEAD, daemon, expect_unchanged, history, hold, host, knobs, manager,
                    nvme_disks, read, release, unit, wait_for)


def plug():
    """A new disk; its name."""
    there = nvme_disks()
    host(plug="hot")
    return wait_for("the new disk", lambda: nvme_disks() - there, 60).pop()


def read_ahead(disk):
    return int(read(f"/sys/block/{disk}/queue/read_ahead_kb"))


def unplug(disk):
    host(unplug="hot")
    wait_for("the end of the disk", lambda: disk not in nvme_disks(), 60)


def texts_of(kind):
    return [row["text"] for row in history() if row["kind"] == kind]


before = knobs()
with daemon("auto"):
    whole = hold("throughput")
    wait_for("the profile", lambda: read(READ_AHEAD) != before[READ_AHEAD])
    disk = plug()
    wait_for("the profile on the new disk", lambda: read_ahead(disk) >= 4096)
    first = unit("tuneshift.service", "MainPID")
    unplug(disk)
    # Its value may still be put back while it goes.
    wait_for("its end in the record",
             lambda: any(disk in text for text in texts_of("absent") + texts_of("restored")))
    release(whole)
    wait_for("all put back", lambda: read(READ_AHEAD) == before[READ_AHEAD])

    disk = plug()
    own = read_ahead(disk)
    named = hold("throughput", disk)
    wait_for("the profile on the named disk", lambda: read_ahead(disk) >= 4096)
    unplug(disk)
    again = plug()
    assert again == disk, f"{disk} came back as {again}"
    wait_for("the profile on the disk that came back", lambda: read_ahead(disk) >= 4096)
    release(named)
    wait_for("its own read-ahead", lambda: read_ahead(disk) == own)
    unplug(disk)

    for row in history():
        print(row["kind"], row.get("text", ""))
    assert not texts_of("failed") + texts_of("yielded"), texts_of("failed") + texts_of("yielded")
    assert unit("tuneshift.service", "MainPID") == first
    assert manager("Probes")["sysctl_writes"][0] == "ok", manager("Probes")
expect_unchanged(before)
