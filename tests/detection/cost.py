# SPDX-License-Identifier: LGPL-2.1-or-later
"""What watching costs: CPU time of the BPF programs and of the daemon for one cold load."""
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess

from lib.machine import make_cold
from lib.programs import Reader, SlowStore, make_model

BYTES = 1 << 30
ROUNDS = 3
SLOW_SECONDS = 10
_STATS = "/proc/sys/kernel/bpf_stats_enabled"


@dataclasses.dataclass
class Cost:
    """Of one GiB: medians, and of bpf_ms the least and the most as well."""
    name: str
    bpf_ms: float
    bpf_least_ms: float
    bpf_most_ms: float
    runs: int
    programs: dict  # name → ms
    daemon_ms: float  # without its helper, which looks at a file once
    load_ms: float

    @property
    def daemon_part(self):
        """Of one core, while the load runs."""
        return self.daemon_ms / self.load_ms


@dataclasses.dataclass
class _Round:
    programs: dict  # name → (ns, runs)
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
    """{id: (name, ns, runs)} of all that are loaded."""
    done = subprocess.run(["bpftool", "--json", "prog", "show"], capture_output=True, check=True)
    return {one["id"]: (one["name"], one.get("run_time_ns", 0), one.get("run_cnt", 0))
            for one in json.loads(done.stdout)}


def _cpu_ms(pid):
    """Of all its threads: /proc/PID/schedstat is that of the first alone."""
    total_ns = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as file:
            total_ns += int(file.read().split()[0])
    return total_ns / 1e6


def _run(world, mode, path, ours):
    make_cold(path)
    before, daemon = _programs(), _cpu_ms(world.daemon.process.pid)
    with Reader(world.build, mode, path, "--serve") as reader:
        took = reader.loaded()["load_ms"]
        daemon = _cpu_ms(world.daemon.process.pid) - daemon
        after = _programs()
    return _Round({after[one][0]: (after[one][1] - before[one][1], after[one][2] - before[one][2])
                   for one in ours if one in after}, daemon, took)


def _measure(world, name, mode, path, ours, rounds=ROUNDS):
    done = [_run(world, mode, path, ours) for _ in range(rounds)]
    sums = [sum(ns for ns, _ in one.programs.values()) / 1e6 for one in done]
    programs = {program: statistics.median(one.programs[program][0] for one in done) / 1e6
                for program in done[0].programs}
    return Cost(name, statistics.median(sums), min(sums), max(sums),
                round(statistics.median(sum(runs for _, runs in one.programs.values())
                                        for one in done)),
                {program: ms for program, ms in programs.items() if ms >= 0.005},
                statistics.median(one.daemon_ms for one in done),
                statistics.median(one.load_ms for one in done))


def measure_cost(world):
    """Rows for a file system on a disk and for one without, fast and slow."""
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
        for name, rate, rounds in (("FUSE", 0, ROUNDS), ("slow FUSE", BYTES // SLOW_SECONDS, 1)):
            with SlowStore(world.build, folder.path, world.disk.folder("store"), "--latency-us",
                           "0", "--rate", str(rate)) as store:
                mounted = os.path.join(store.mount_point, "model.safetensors")
                costs.append(_measure(world, f"{name}, mmap-sequential", "mmap-sequential",
                                      mounted, ours, rounds))
    return costs
