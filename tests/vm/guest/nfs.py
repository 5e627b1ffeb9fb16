# SPDX-License-Identifier: LGPL-2.1-or-later
"""Models on a server that squashes root, in files that their user alone may read."""

import contextlib
import os
import pathlib

from checks import SMALL_MODEL, expect_whole, history, reader, run, wait_for

EXPORT = os.path.dirname(SMALL_MODEL)
MOUNT = "/mnt/nfs-models"
USER = 1500


@contextlib.contextmanager
def server():
    model = pathlib.Path(SMALL_MODEL)
    os.makedirs(MOUNT, exist_ok=True)
    run("systemctl", "start", "nfs-server.service")
    try:
        os.chown(model, USER, USER)
        model.chmod(0o600)
        run("exportfs", "-o", "ro,root_squash,insecure,no_subtree_check", f"127.0.0.1:{EXPORT}")
        yield
    finally:
        run("exportfs", "-u", f"127.0.0.1:{EXPORT}", check=False)
        run("systemctl", "stop", "nfs-server.service")
        os.chown(model, 0, 0)
        model.chmod(0o644)


@contextlib.contextmanager
def mounted(options):
    """The path of its read-ahead."""
    run("mount", "-t", "nfs", "-o", f"{options},noresvport", f"127.0.0.1:{EXPORT}", MOUNT)
    device = os.stat(MOUNT).st_dev
    try:
        yield f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb"
    finally:
        run("umount", MOUNT)


def expect_load(mode, first_sign, confirmed_by):
    """A load by its reader's own user, from its first sign to its last byte."""
    before = len(history())

    def text_of(kind):
        return next((row["text"] for row in history()[before:] if row["kind"] == kind), "")

    with reader(mode, f"{MOUNT}/{os.path.basename(SMALL_MODEL)}", USER):
        wait_for("the end of the load", lambda: text_of("finished"), 60)
        for row in history()[before:]:
            print(row["kind"], row.get("text", ""))
        assert text_of("suspected").endswith(f": {first_sign}"), text_of("suspected")
        assert "is a model file: safetensors" in text_of("inspected"), text_of("inspected")
        assert confirmed_by in text_of("started"), text_of("started")
        expect_whole(text_of("finished"), batched=mode != "direct")
