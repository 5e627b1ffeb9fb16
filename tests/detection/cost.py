# SPDX-License-Identifier: LGPL-2.1-or-later
"""What watching costs: CPU time of the BPF programs and of the daemon for one cold read."""
import contextlib
import dataclasses
import json
import os
import subprocess

from lib.machine import make_cold
from lib.programs import Reader, SlowStore, make_model

BYTES = 1 << 30
_STATS = "/proc/sys/kernel/bpf_stats_enabled"


@dataclasses.dataclass
class Cost:
    name: str
    bpf_ms: float  # for one GiB
    runs: int
    daemon_ms: float
    load_ms: float


@contextlib.contextmanager
def _statistics():
    with open(_STATS, encoding="utf-8") as file:
        before = file.read()
    with open(_STATS, "w", encoding="utf-8") as file:
        file.write("1")
    try:
        yield
    finally:
        with open(_STATS, "w", encoding="utf-8") as file:
            file.write(before)


def _programs():
    """{id: (ns, runs)} of all that are loaded."""
    done = subprocess.run(["bpftool", "--json", "prog", "show"], capture_output=True, check=True)
    return {one["id"]: (one.get("run_time_ns", 0), one.get("run_cnt", 0))
            for one in json.loads(done.stdout)}


def _cpu_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _measure(world, name, mode, path, ours):
    make_cold(path)
    before, daemon = _programs(), _cpu_ms(world.daemon.process.pid)
    with Reader(world.build, mode, path, "--serve") as reader:
        took = reader.loaded()["load_ms"]
        after = _programs()
        daemon = _cpu_ms(world.daemon.process.pid) - daemon
    runs = [(after[one][0] - before[one][0], after[one][1] - before[one][1])
            for one in ours if one in after]
    return Cost(name, sum(ns for ns, _ in runs) / 1e6, sum(count for _, count in runs), daemon,
                took)


def measure_cost(world):
    """A row for a file system on a disk and one without."""
    costs = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(_statistics())
        world.daemon.stop()
        others = _programs()
        world.daemon.start()
        ours = set(_programs()) - set(others)
        folder = stack.enter_context(world.scratch("cost"))
        path = folder.join("model.safetensors")
        make_model(world.build, path, BYTES)
        for mode in ("mmap-sequential", "read", "direct"):
            costs.append(_measure(world, f"local disk, {mode}", mode, path, ours))
        store = SlowStore(world.build, folder.path, world.disk.folder("store"), "--latency-us",
                          "0", "--rate", "0")
        stack.enter_context(store)
        mounted = os.path.join(store.mount_point, "model.safetensors")
        costs.append(_measure(world, "FUSE, mmap-sequential", "mmap-sequential", mounted, ours))
    return costs
