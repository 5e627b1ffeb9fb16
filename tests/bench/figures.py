# SPDX-License-Identifier: LGPL-2.1-or-later
"""One function for each group of figures; all return lists of Figure."""
import dataclasses
import os
import statistics
import subprocess
import time

from bus.dbus_wire import Connection
from lib.loop_device import HangingDisk
from lib.machine import make_cold
from lib.processes import Failed, end, spawn, wait_for
from lib.programs import Reader, load, make_model
from lib.service import History
from lib.slow_rounds import MODES, SlowRounds

LOCAL_BYTES = 2 << 30
STALL_SECONDS = 5
STALLING_PROFILE = "summary: for the bench\nblock:\n  queue/scheduler: [kyber]\n"
FREEZING = ("scheduler", "nr_requests", "max_sectors_kb", "wbt_lat_usec")


@dataclasses.dataclass
class Figure:
    name: str
    value: float
    unit: str
    low: float
    high: float
    wanted: str
    definition: str


def figure(name, values, unit, wanted, definition):
    return Figure(name, statistics.median(values), unit, min(values), max(values), wanted,
                  definition)


def slow_store(stack, build, memory, daemon, rounds, say):
    store = SlowRounds(stack, build, memory, daemon)
    for number in range(1, rounds + 1):
        for mode, name in MODES.items():
            without, helped = store.stock(mode), store.helped(mode)
            say(f"slow store {number}/{rounds}, {name}: {without:.0f} → {helped:.0f} ms")
        store.measure_ceiling()
    ceiling = statistics.median(store.ceiling)
    figures = [figure("slow store, ceiling", store.ceiling, "ms", "",
                       "reader direct --threads 16 --discard: O_DIRECT, 16 × 1 MiB in flight")]
    for mode, name in MODES.items():
        series = store.series[mode]
        helped = statistics.median(series.helped)
        figures += [
            figure(f"slow store, {name}, without", series.stock, "ms", "",
                    f"reader {mode}, 512 MiB cold, no daemon"),
            figure(f"slow store, {name}, tuneshift", series.helped, "ms", "",
                    "the same, in turn, tuneshiftd in auto: "
                    f"{ceiling / helped:.2f} of the ceiling"),
            Figure(f"slow store, {name}, ratio", series.ratio, "×",
                   min(series.stock) / max(series.helped), max(series.stock) / min(series.helped),
                   "≥ 6", "of the medians; worst and best pairing beside it"),
        ]
    return figures


class _LocalSeries:
    def __init__(self):
        self.late_ms = []
        self.late_bytes = []
        self.knob_ms = []
        self.starts = []
        self.stops = []
        self.stock = []
        self.helped = []


def _freezes(row):
    return row["knob"].rsplit("/", 1)[-1] in FREEZING


def _detected_load(build, path, daemon, series):
    """One load with the daemon: what its own record says of it."""
    make_cold(path)
    series.starts.append(daemon.start() * 1000)
    history = History(daemon)
    with Reader(build, "mmap-sequential", path, "--serve") as reader:
        result = reader.loaded()
        series.helped.append(result["load_ms"])

        def detected():
            history.poll()
            return history.find("started", pid=reader.pid)

        wait_for(detected, 10)
        suspected = history.find("suspected", pid=reader.pid)
        if not suspected:
            raise Failed("a load from the local disk was not suspected")
        series.late_ms.append(suspected[0]["mono"] / 1000 - result["start_mono_ns"] / 1e6)
        series.late_bytes.append(suspected[0]["bytes"] / 2**20)
        series.knob_ms += [row["after_us"] / 1000
                           for row in history.find("written", profile="throughput")
                           if not _freezes(row)]
    series.stops.append(daemon.stop() * 1000)


def local_disk(build, disk, daemon, rounds, say):
    path = disk.join("model.safetensors")
    make_model(build, path, LOCAL_BYTES)
    series = _LocalSeries()
    for number in range(1, rounds + 1):
        # Which goes first alternates: a shared disk may be slower right after a burst.
        if number % 2 == 0:
            _detected_load(build, path, daemon, series)
        make_cold(path)
        series.stock.append(load(build, "mmap-sequential", path))
        if number % 2 == 1:
            _detected_load(build, path, daemon, series)
        say(f"local disk {number}/{rounds}: suspected after {series.late_ms[-1]:.1f} ms; "
            f"{series.stock[-1]:.0f} → {series.helped[-1]:.0f} ms")
    os.unlink(path)
    figures = [
        figure("suspected after", series.late_ms, "ms", "≤ 50",
                "History's suspected row − the reader's start, 2 GiB mmap from the local disk"),
        figure("suspected after", series.late_bytes, "MiB", "≤ 16", "bytes of the same row"),
    ]
    if series.knob_ms:
        figures.append(figure("quick knobs written after", series.knob_ms, "ms", "≤ 20",
                               "after_us of throughput's written rows that freeze no queue"))
    ratio = statistics.median(series.stock) / statistics.median(series.helped)
    figures += [
        Figure("local disk, ratio", ratio, "×", min(series.stock) / max(series.helped),
               max(series.stock) / min(series.helped), "",
               "without / with tuneshift, of the medians; this disk's figure alone"),
        figure("start", series.starts, "ms", "", "exec → READY=1"),
        figure("stop", series.stops, "ms", "", "SIGTERM → exit, everything put back, server alive"),
    ]
    return figures


def _status_numbers(path, *names):
    total = 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in names:
                total += int(rest.split()[0])
    return total


def _switches(pid):
    """Context switches of all threads: one for each time that a thread was woken."""
    return sum(_status_numbers(f"/proc/{pid}/task/{task}/status", "voluntary_ctxt_switches",
                               "nonvoluntary_ctxt_switches")
               for task in os.listdir(f"/proc/{pid}/task"))


def _wake_ups(pid, seconds):
    before = _switches(pid)
    time.sleep(seconds)
    return _switches(pid) - before


def idle(build, daemon, seconds, say):
    daemon.start()
    pid = daemon.process.pid
    time.sleep(3)  # what starting left to do is over
    say(f"idle: counting for {seconds} s")
    alone = _wake_ups(pid, seconds)
    resident = _status_numbers(f"/proc/{pid}/status", "VmRSS") / 1024
    peak = _status_numbers(f"/proc/{pid}/status", "VmHWM") / 1024
    busy = spawn([os.path.join(build, "tests/tools/spawn_threads")], stdin=subprocess.PIPE)
    try:
        say(f"idle beside a program that starts 10 threads a second: counting for {seconds} s")
        beside = _wake_ups(pid, seconds)
    finally:
        end(busy)
        busy.stdin.close()
    daemon.stop()
    how = f"context switches of all its threads in {seconds} s"
    return [
        Figure("wake-ups, idle", alone, "", alone, alone, "0", how),
        Figure("wake-ups, beside new threads", beside, "", beside, beside, "0",
               how + "; spawn_threads: one every 100 ms"),
        Figure("resident memory", resident, "MiB", resident, resident, "≤ 16", "VmRSS while idle"),
        Figure("resident memory, peak", peak, "MiB", peak, peak, "", "VmHWM"),
    ]


def _ask_state(connection):
    started = time.monotonic()
    connection.call("org.tuneshift1", "/org/tuneshift1", "org.freedesktop.DBus.Properties", "Get",
                    "ss", ("org.tuneshift1.Manager", "State"))
    return (time.monotonic() - started) * 1000


def _ask_for(connection, seconds):
    answers = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answers.append(_ask_state(connection))
        time.sleep(0.002)
    return answers


def stalled_knob(stack, build, memory, daemon, say):
    """How the bus answers while the kernel does not take a write."""
    profile = os.path.join(daemon.profiles, "stalling.yaml")
    with open(profile, "w", encoding="utf-8") as file:
        file.write(STALLING_PROFILE)
    os.chmod(profile, 0o644)
    daemon.start()
    with HangingDisk(build, memory) as disk:
        connection = stack.enter_context(
            Connection(daemon.environment["DBUS_SYSTEM_BUS_ADDRESS"]))
        say(f"the bus for {STALL_SECONDS} s")
        quiet = _ask_for(connection, STALL_SECONDS)
        disk.hang()
        say(f"a scheduler write that hangs for {STALL_SECONDS} s")
        connection.call("org.tuneshift1", "/org/tuneshift1", "org.tuneshift1.Manager", "Hold",
                        "ssa{sv}", ("stalling", "bench", {"devices": ("as", [disk.name])}))
        answers = _ask_for(connection, STALL_SECONDS)
        knob = f"block/{disk.name}/queue/scheduler"

        def has(state):
            return any(row["knob"] == knob and row["state"] == state for row in daemon.ask("knobs"))

        if not has("failed"):
            raise Failed("the write did not hang")
        disk.release()
        wait_for(lambda: has("ours"), 10)
        daemon.stop()
    os.unlink(profile)
    tail, quiet_tail = (statistics.quantiles(times, n=100)[98] for times in (answers, quiet))
    how = f"Properties.Get of State, {len(answers)} calls in {STALL_SECONDS} s while a write hangs"
    return [
        figure("Get beside a stalled knob", answers, "ms", "≤ 20 at most", how),
        Figure("Get beside a stalled knob, p99", tail, "ms", tail, tail, "", "of the same calls"),
        figure("Get beside none", quiet, "ms", "",
                f"the same before it: what the machine itself does; p99 {quiet_tail:.1f} ms"),
    ]
