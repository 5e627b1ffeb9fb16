# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 200
"""Loads from what is no plain disk: a null_blk of 2 ms a request, an overlay, and a container that
sees its model under a name of its own. And a neighbour in another control group keeps its cache."""

import contextlib
import os
import pathlib
import shutil
import subprocess

from checks import (MODEL, READ_AHEAD, SMALL_MODEL, control_group, counts, daemon, expect_unchanged,
                    expect_whole, in_group, knobs, mount, read, reader, rows_of, run, wait_for)

MIB = 1 << 20
NULL_BLK = pathlib.Path("/sys/kernel/config/nullb/nullb0")
NULL_BLK_SETTINGS = {"size": 400, "memory_backed": 1, "queue_mode": 2, "irqmode": 2,
                     "completion_nsec": 2_000_000}


@contextlib.contextmanager
def null_blk():
    """A disk in memory that takes 2 ms for every request; its device."""
    run("modprobe", "null_blk", "nr_devices=0")
    NULL_BLK.mkdir()
    try:
        for name, value in NULL_BLK_SETTINGS.items():
            (NULL_BLK / name).write_text(str(value))
        (NULL_BLK / "power").write_text("1")
        run("udevadm", "settle")
        yield "/dev/nullb0"
    finally:
        (NULL_BLK / "power").write_text("0")
        NULL_BLK.rmdir()
        run("modprobe", "--remove", "null_blk")


def expect_load(path, read_ahead, wrapper=()):
    """A load to its end, during which the read-ahead of its disk is another."""
    before = read(read_ahead)
    with reader(path=path, wrapper=wrapper) as process:
        wait_for("read-ahead raised", lambda: read(read_ahead) != before, 60)
        rows = wait_for("the end of the load", lambda: (told := rows_of(process)).get("finished")
                        and told, 60)
        print(rows["started"]["text"], rows["finished"]["text"], sep="\n")
        assert path in rows["started"]["text"], rows["started"]
        expect_whole(rows["finished"]["text"])
        wait_for("read-ahead put back", lambda: read(read_ahead) == before)


def on_null_blk():
    with null_blk() as device:
        run("mkfs.ext4", "-q", device)
        with mount(device, "/mnt/null") as directory:
            shutil.copy(SMALL_MODEL, directory)
            expect_load(f"{directory}/small.safetensors",
                        f"/sys/block/{os.path.basename(device)}/queue/read_ahead_kb")


def on_an_overlay():
    """Its files have a device that no disk has."""
    layers = [pathlib.Path("/dev/shm", name) for name in ("upper", "work")]
    for layer in layers:
        layer.mkdir()
    options = f"lowerdir=/srv/models,upperdir={layers[0]},workdir={layers[1]}"
    with mount("overlay", "/mnt/overlay", "-t", "overlay", "-o", options) as directory:
        expect_load(f"{directory}/small.safetensors", READ_AHEAD)
    for layer in layers:
        shutil.rmtree(layer)


def in_a_container():
    """The host has no such path, and the container does not have the host's."""
    os.makedirs("/mnt/pod", exist_ok=True)
    script = ("mount -t tmpfs none /mnt/pod && mkdir /mnt/pod/weights && "
              "mount --bind /srv/models /mnt/pod/weights && umount /srv/models && exec \"$@\"")
    expect_load("/mnt/pod/weights/small.safetensors", READ_AHEAD,
                wrapper=("unshare", "--mount", "--net", "--ipc", "sh", "-c", script, "sh"))
    assert not os.path.exists("/mnt/pod/weights")


def beside_a_neighbour():
    """A load of twice its own group's memory costs nothing of what another group has cached."""
    with control_group("neighbour", memory_low=100 * MIB) as neighbour, control_group(
            "reader", memory_max=256 * MIB) as group:
        path = "/srv/models/neighbour"
        with in_group(["dd", "if=/dev/urandom", f"of={path}", "bs=1M", "count=64"], neighbour,
                      stderr=subprocess.DEVNULL) as process:
            assert process.wait() == 0
        with reader(path=MODEL, group=group, options=("--close",)) as process:
            # The reader's start has dropped all that was cached.
            with in_group(["cat", path], neighbour, stdout=subprocess.DEVNULL) as cat:
                assert cat.wait() == 0
            cached = counts(f"{neighbour}/memory.stat")
            wait_for("the end of the load", lambda: "finished" in rows_of(process), 60)
            after = counts(f"{neighbour}/memory.stat")
        os.unlink(path)
        assert cached["file"] >= 64 * MIB, cached["file"]
        assert after["file"] >= cached["file"] - MIB, (cached["file"], after["file"])
        assert after["workingset_refault_file"] == cached["workingset_refault_file"]


before = knobs()
with daemon("auto"):
    for step in (on_null_blk, on_an_overlay, in_a_container, beside_a_neighbour):
        print(f"== {step.__name__}", flush=True)
        step()
expect_unchanged(before)
