# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 120
# kernels: all
"""A load from FUSE, which has no disk: seen by the page cache's fills, helped, over."""

import os

from checks import (daemon, expect_unchanged, expect_whole, finished, history, knobs, manager, read,
                    reader, slow_store, wait_for)

STORE = "/mnt/store"

with slow_store(STORE) as model:
    device = os.stat(STORE).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    read_ahead = f"/sys/class/bdi/{number}/read_ahead_kb"
    before = knobs()
    assert before[read_ahead] == "128", before[read_ahead]
    with daemon("auto"):
        tier, why = manager("Probes")["cache_fills"]
        assert tier == "ok" and why.startswith("attached"), (tier, why)
        with reader(path=model):
            expect_whole(wait_for("the end of the load", finished, 60)[0], batched=True)
            wait_for("its read-ahead put back", lambda: read(read_ahead) == "128")
            for row in history():
                print(row["kind"], row.get("text", ""))
            raised = [row["knob"] for row in history()
                      if row["kind"] == "written" and row["knob"].endswith("read_ahead_kb")]
            assert set(raised) == {f"bdi/{number}/read_ahead_kb"}, raised
    expect_unchanged(before)
