# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 120
"""NFS has no disk: its read-ahead is its own. Unmounted while it is held it leaves nothing open."""

import contextlib
import os
import pathlib

from checks import daemon, held, history, profile, read, run, unit, wait_equal, wait_for

EXPORT = "/srv/export"
MOUNT = "/mnt/nfs"
PROFILE = """summary: while a test holds it
bdi:
  read_ahead_kb: 1024
"""


@contextlib.contextmanager
def server():
    for directory in (EXPORT, MOUNT):
        os.makedirs(directory, exist_ok=True)
    pathlib.Path(EXPORT, "model").write_text("model")
    run("systemctl", "start", "nfs-server.service")
    try:
        run("exportfs", "-o", "rw,no_root_squash,insecure,no_subtree_check", f"127.0.0.1:{EXPORT}")
        yield
    finally:
        run("umount", "--lazy", MOUNT, check=False)
        run("exportfs", "-u", f"127.0.0.1:{EXPORT}", check=False)
        run("systemctl", "stop", "nfs-server.service")


def mount():
    """The number of its bdi."""
    run("mount", "-t", "nfs", "-o", "vers=4.2,noresvport", f"127.0.0.1:{EXPORT}", MOUNT)
    device = os.stat(MOUNT).st_dev
    return f"{os.major(device)}:{os.minor(device)}"


with server(), profile("vm-nfs", PROFILE):
    bdi = mount()
    path = f"/sys/class/bdi/{bdi}/read_ahead_kb"
    before = read(path)
    assert before != "1024", before
    with daemon("manual"):
        for devices in ((bdi,), ()):
            with held("vm-nfs", *devices):
                wait_equal("its read-ahead", lambda: read(path), "1024")
            wait_equal("its read-ahead put back", lambda: read(path), before)
        with held("vm-nfs", bdi):
            wait_equal("its read-ahead", lambda: read(path), "1024")
            run("umount", MOUNT)
            wait_for("its end", lambda: not os.path.exists(path))
        wait_for("its knob gone", lambda: any(row["kind"] == "absent" for row in history()))
        bdi = mount()
        path = f"/sys/class/bdi/{bdi}/read_ahead_kb"
        assert read(path) == before
        with held("vm-nfs"):
            wait_equal("the read-ahead of the next one", lambda: read(path), "1024")
        wait_equal("its read-ahead put back", lambda: read(path), before)
    assert unit("tuneshift.service", "Result") == "success"
