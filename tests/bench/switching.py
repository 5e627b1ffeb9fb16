# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a switch of many knobs takes: ours, beside tuned's of the same knobs."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

from bus.dbus_wire import Connection
from figures import Figure
from lib.loop_device import HangingDisk
from lib.processes import Failed

ROUNDS = 11
TUNED_ROUNDS = 5
# One more than what this machine shows in the first profile, two more in the second.
COUNTED = """vm.swappiness vm.vfs_cache_pressure vm.watermark_scale_factor vm.watermark_boost_factor
vm.extfrag_threshold vm.stat_interval vm.page_lock_unfairness vm.max_map_count vm.min_unmapped_ratio
vm.min_slab_ratio vm.laptop_mode vm.dirty_ratio vm.dirty_background_ratio
vm.dirty_expire_centisecs vm.dirty_writeback_centisecs kernel.sched_cfs_bandwidth_slice_us
kernel.hung_task_timeout_secs net.core.rmem_max net.core.rmem_default net.core.wmem_max
net.core.wmem_default net.core.optmem_max net.core.netdev_max_backlog net.core.netdev_budget
net.core.netdev_budget_usecs net.core.dev_weight net.core.somaxconn net.core.busy_read
net.core.busy_poll net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_fin_timeout fs.aio-max-nr""".split()
# 0 in the first, 1 in the second.
TOGGLED = """vm.compact_unevictable_allowed vm.page-cluster kernel.timer_migration
kernel.sched_autogroup_enabled net.ipv4.tcp_slow_start_after_idle net.ipv4.tcp_autocorking
net.ipv4.tcp_no_metrics_save net.ipv4.tcp_mtu_probing""".split()
TRIPLES = {"net.ipv4.tcp_rmem": ("4096 131072 7000000", "4096 131072 8000000"),
           "net.ipv4.tcp_wmem": ("4096 16384 5000000", "4096 16384 6000000")}
FREEZING = ("block:\n  queue/scheduler: [{scheduler}]\n  queue/nr_requests: {requests}\n"
            "  queue/max_sectors_kb: {sectors}\n")


def _read(knob):
    try:
        with open("/proc/sys/" + knob.replace(".", "/"), encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return None


def _profiles():
    first, second = {}, {}
    for knob in COUNTED:
        now = _read(knob)
        if now is not None:
            first[knob], second[knob] = str(int(now) + 1), str(int(now) + 2)
    for knob in TOGGLED:
        if _read(knob) is not None:
            first[knob], second[knob] = "0", "1"
    for knob, (one, other) in TRIPLES.items():
        if _read(knob) is not None:
            first[knob], second[knob] = one, other
    return {"one": first, "two": second}


def _write_profile(daemon, name, text):
    path = os.path.join(daemon.profiles, name + ".yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("summary: for the bench\n" + text)
    os.chmod(path, 0o644)
    return path


class _Manager:
    def __init__(self, stack, daemon):
        address = daemon.environment["DBUS_SYSTEM_BUS_ADDRESS"]
        self.connection = stack.enter_context(Connection(address))

    def call(self, method, signature="", arguments=()):
        return self.connection.call("org.tuneshift1", "/org/tuneshift1", "org.tuneshift1.Manager",
                                    method, signature, arguments)

    def timed(self, method, signature, arguments):
        """ms until all that it led to is written: Verify is answered behind it."""
        started = time.monotonic()
        self.call(method, signature, arguments)
        self.call("Verify")
        return (time.monotonic() - started) * 1000


def _tuned(daemon, profiles, say):
    if shutil.which("tuned-adm") is None or shutil.which("unshare") is None:
        say("no tuned here")
        return []
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tuned_switches.py")
    order = {"bus": daemon.environment["DBUS_SYSTEM_BUS_ADDRESS"], "rounds": TUNED_ROUNDS,
             "profiles": profiles}
    done = subprocess.run(["unshare", "--mount", sys.executable, script], input=json.dumps(order),
                          capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise Failed("tuned: " + done.stderr[-1000:])
    return json.loads(done.stdout)


def _figure(name, values, wanted, definition):
    return Figure(name, statistics.median(values), "ms", min(values), max(values), wanted,
                  definition)


def _freezing(manager, daemon, build, memory):
    """The same of knobs that freeze a queue: three of an idle loop device."""
    with HangingDisk(build, memory) as disk:
        times = []
        devices = {"devices": ("as", [disk.name])}
        for number in range(ROUNDS):
            _write_profile(daemon, "freezing", FREEZING.format(
                scheduler=("mq-deadline", "kyber")[number % 2], requests=64 + 4 * number,
                sectors=512 + 4 * number))
            manager.call("Reload")
            started = time.monotonic()
            cookie = manager.call("Hold", "ssa{sv}", ("freezing", "bench", devices))
            manager.call("Verify")
            times.append((time.monotonic() - started) * 1000)
            manager.call("Release", "u", (cookie,))
            manager.call("Verify")
        return times


def switching(stack, build, memory, daemon, say):
    profiles = _profiles()
    for name, knobs in profiles.items():
        _write_profile(daemon, name,
                       "sysctl:\n" + "".join(f"  {knob}: {value}\n" for knob, value in knobs.items()))
    _write_profile(daemon, "freezing", "sysctl:\n")
    daemon.start()
    manager = _Manager(stack, daemon)
    count = len(profiles["one"])
    say(f"switches of {count} knobs")
    manager.timed("SwitchProfile", "s", ("one",))
    times = [manager.timed("SwitchProfile", "s", (("two", "one")[number % 2],))
             for number in range(ROUNDS)]
    rows = [row for row in daemon.ask("history") if row["kind"] in ("written", "restored")]
    nothing = [manager.timed("SwitchProfile", "s", ("two" if ROUNDS % 2 else "one",))
               for _ in range(ROUNDS)]
    after = [row for row in daemon.ask("history") if row["kind"] in ("written", "restored")]
    manager.timed("SwitchProfile", "s", ("",))
    say("three knobs that freeze a queue")
    frozen = _freezing(manager, daemon, build, memory)
    daemon.stop()
    say("tuned's switches of the same knobs")
    tuned = _tuned(daemon, profiles, say)
    figures = [
        _figure(f"switch of {count} quick knobs", times, "≤ 20",
                "SwitchProfile, until Verify behind it is answered"),
        Figure("writes of a switch", len(rows) / (ROUNDS + 1), "", len(rows) / (ROUNDS + 1),
               len(rows) / (ROUNDS + 1), str(count), "knobs in History a switch"),
        _figure("switch to the same", nothing, "", "the same profile again"),
        Figure("writes of that", len(after) - len(rows), "", len(after) - len(rows),
               len(after) - len(rows), "0", "knobs in History"),
        _figure("three freezing knobs", frozen, "",
                "scheduler, nr_requests, max_sectors_kb of an idle loop device, held"),
    ]
    if tuned:
        figures.append(_figure("tuned, the same knobs", tuned, "", "tuned-adm profile"))
        figures.append(Figure("tuned / tuneshift", statistics.median(tuned) / statistics.median(times),
                              "×", min(tuned) / max(times), max(tuned) / min(times), "",
                              "of the medians"))
    return figures
