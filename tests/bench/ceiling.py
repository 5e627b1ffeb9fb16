# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tuneshiftctl bench` beside fio: both read the same disk with io_uring, O_DIRECT, in turn."""
import json
import os
import statistics
import subprocess

from figures import Figure
from lib.memory_disk import memory_disk

PATTERNS = (("4KiB", 1, "random"), ("4KiB", 64, "random"), ("1MiB", 1, "sequential"),
            ("1MiB", 16, "sequential"))
SECONDS = 2
DISK_BYTES = 512 << 20


def _ours(build, path, pattern):
    block, depth, order = pattern
    done = subprocess.run(
        [os.path.join(build, "client/tuneshiftctl"), "--json", "bench", path, "--block", block,
         "--depth", str(depth), "--order", order, "--seconds", str(SECONDS)],
        check=True, capture_output=True, text=True)
    row = json.loads(done.stdout)["rows"][0]
    return row["rate"], row["p50_us"]


def _fio(path, pattern):
    block, depth, order = pattern
    done = subprocess.run(
        ["fio", "--name=beside", f"--filename={path}", "--readonly", "--direct=1",
         "--ioengine=io_uring", f"--bs={block.replace('iB', '').lower()}", f"--iodepth={depth}",
         f"--rw={'randread' if order == 'random' else 'read'}", "--time_based",
         f"--runtime={SECONDS}", "--norandommap", "--randrepeat=1", "--output-format=json"],
        check=True, capture_output=True, text=True)
    read = json.loads(done.stdout)["jobs"][0]["read"]
    return read["bw_bytes"], read["clat_ns"]["percentile"]["50.000000"] / 1000


def beside_fio(stack, build, rounds, say):
    disk = stack.enter_context(memory_disk("bench-ceiling", DISK_BYTES))
    path = disk.join("beside-fio")
    with open(path, "wb") as file:
        for _ in range(256):
            file.write(os.urandom(1 << 20))
    rows = []
    for pattern in PATTERNS:
        block, depth, order = pattern
        ratios, latencies = [], []
        for number in range(rounds):
            say(f"bench and fio, {block}, depth {depth}, round {number + 1} of {rounds}")
            rate, latency = _ours(build, path, pattern)
            rate_of_fio, latency_of_fio = _fio(path, pattern)
            ratios.append(rate / rate_of_fio)
            latencies.append(latency / latency_of_fio)
        rows.append(Figure(f"bench / fio, {block} {order}, depth {depth}",
                           statistics.median(ratios), "×", min(ratios), max(ratios), "0.95 … 1.05",
                           f"bytes a second, {rounds} rounds in turn on a disk in memory; median "
                           f"latency {statistics.median(latencies):.2f} of fio's"))
    return rows
