# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 120
# kernels: all
"""A load from FUSE, which has no disk: seen by the page cache's fills, helped, over."""

import os

from checks import (READ_AHEAD, daemon, expect_unchanged, expect_whole, finished, history, knobs,
                    manager, read, reader, slow_store, wait_for)

STORE = "/mnt/store"

with slow_store(STORE, "/srv/models"):
    device = os.stat(STORE).st_dev
    read_ahead = f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb"
    before = knobs()
    assert before[read_ahead] == "128", before[read_ahead]
    with daemon("auto"):
        tier, why = manager("Probes")["cache_fills"]
        assert tier == "ok" and why.startswith("attached"), (tier, why)
        with reader(path=f"{STORE}/model.safetensors"):
            wait_for("its read-ahead raised", lambda: read(read_ahead) != "128", 60)
            assert read(READ_AHEAD) == before[READ_AHEAD]
            expect_whole(wait_for("the end of the load", finished, 60)[0])
            wait_for("its read-ahead put back", lambda: read(read_ahead) == "128")
            for row in history():
                print(row["kind"], row.get("text", ""))
    expect_unchanged(before)
