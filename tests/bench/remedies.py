# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cold loads of the slow store beside what people do by hand: `tuneshiftctl compare`."""
import json
import os
import subprocess

from lib.processes import Failed

from figures import Figure
from store import Store

MODEL_BYTES = 512 << 20
MODEL = "model.safetensors"
READERS = ("mmap", "tensor", "read")


def _compare(build, daemon, path, reader, rounds):
    done = subprocess.run(
        [os.path.join(build, "client/tuneshiftctl"), "--json", "compare", path, "--reader", reader,
         "--rounds", str(rounds)],
        check=False, env=daemon.environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True)
    if done.returncode != 0:
        raise Failed(f"compare: {done.stderr}")
    return json.loads(done.stdout)


def remedies(stack, build, memory, daemon, rounds, say):
    store = Store(stack, build, memory, "remedies", {MODEL: MODEL_BYTES})
    daemon.start()
    rows = []
    for reader in READERS:
        document = _compare(build, daemon, store.path(MODEL), reader, rounds)
        for note in document["notes"]:
            say(f"remedies, {reader}: {note}")
        for row in document["variants"]:
            if "skipped" in row:
                say(f"remedies, {reader}, {row['variant']}: {row['skipped']}")
                continue
            rows.append(Figure(f"{reader}, {row['variant']}", row["median_ms"], "ms",
                               row["min_ms"], row["max_ms"], "",
                               f"tuneshiftctl compare --reader {reader}, 512 MiB cold, in turn; what "
                               "is done before the load counts"))
    daemon.stop()
    return rows
