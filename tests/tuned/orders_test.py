#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The distribution's tuned beside tuneshift: start, switch, off, stop and SIGKILL in every order with
holds coming and going. The final values are those that the same order has without tuneshift."""
import contextlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

# pylint: disable=wrong-import-position
from lib.lock import knobs_locked
from lib.machine import Scratch
from lib.processes import cleanup, wait_for
from lib.service import PrivateBus, Tuneshiftd
from lib.tuned import Tuned, private_settings, read, write

KNOBS = {  # what they show before each order
    "vm.swappiness": "51",
    "vm.dirty_ratio": "21",
    "vm.vfs_cache_pressure": "99",
    "vm.stat_interval": "2",
}
PROFILES = {  # tuned's: the first knob in both, one in each, one that a hold wants as well
    "one": {"vm.swappiness": "10", "vm.dirty_ratio": "31", "vm.stat_interval": "7"},
    "two": {"vm.swappiness": "30", "vm.vfs_cache_pressure": "60"},
}
HOLDS = {  # ours
    "p": {"vm.swappiness": "37", "vm.dirty_ratio": "25", "vm.vfs_cache_pressure": "50",
          "vm.stat_interval": "7"},
    "q": {"vm.swappiness": "23", "vm.dirty_ratio": "27", "vm.vfs_cache_pressure": "70",
          "vm.stat_interval": "5"},
}
# 1 and 2: tuned's profiles; p and q: our holds; "-": the hold ends; "reap": SIGKILL under systemd;
# "down" and "up": tuneshift itself; KNOB=VALUE: an administrator.
ON_BUS = ["p 1 -", "p 1 - stop", "1 p stop -", "p 1 2 - stop", "p 1 off - stop", "p 1 kill - 1 stop",
          "1 p 2 stop -", "p 1 q - 2 stop", "1 p kill 1 - stop", "p 1 - 2 p stop -",
          "1 p reap -", "p 1 reap -", "p 1 down stop up",
          "1 p vm.swappiness=10 -", "p - vm.stat_interval=7 1 stop",
          "p 1 stop q 2 - stop", "1 p off 2 - stop", "p 2 kill q 1 stop -", "p 1 - off q 2 - kill"]
OFF_BUS = ["p 1 -", "p 1 - stop", "1 p 2 stop -", "p 1 2 - stop", "p 1 kill - 1 stop",
           "1 p kill 1 - stop", "p 1 q - 2 stop", "p 2 stop q 1 - stop", "p 1 off - stop"]
LOOKS_S = 0.5  # the first ones after a write
OURS = ("p", "q", "-", "down", "up")
# With a tuned whose file is empty while it writes its first knobs.
LATE = ["p 1 - stop", "p 1 q - 2 stop", "p 2 kill q 1 stop -"]


def path_of(knob):
    return "/proc/sys/" + knob.replace(".", "/")


def values():
    return {knob: read(path_of(knob)) for knob in KNOBS}


class Shift:
    """tuneshift with its holds, and the wait for what it makes of a step."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.held = None
        self.cookie = 0
        self.theirs = {}  # an administrator's values

    def hold(self, name):
        before, self.held = self.cookie, name
        rows = self.daemon.ask("hold", name, "--for", "10m")
        self.cookie = rows["cookie"]
        if before:
            self.daemon.ask("release", str(before))

    def release(self):
        if self.held:
            self.daemon.ask("release", str(self.cookie))
        self.held, self.cookie = None, 0

    def settle(self, expected):
        """Until the values are what the hold, or else the order alone, makes them."""
        wanted = dict(expected, **(HOLDS[self.held] | self.theirs if self.held else {}))
        wait_for(lambda: values() == wanted, 12, 0.02)
        return wanted


@contextlib.contextmanager
def stopped(daemon):
    """What happens meanwhile it sees all at once."""
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)


def step(tuned, name, daemon=None):
    if name in ("1", "2"):
        tuned.profile("one" if name == "1" else "two")
    elif "=" in name:
        knob, value = name.split("=")
        write(path_of(knob), value)
        time.sleep(LOOKS_S if daemon else 0)
    elif name == "reap":
        time.sleep(LOOKS_S if daemon else 0)
        with stopped(daemon) if daemon else contextlib.nullcontext():
            tuned.reap()
    elif name not in OURS:
        getattr(tuned, name)()


def tuned_part(order):
    return [name for name in order.split() if name not in OURS]


def begin():
    for knob, value in KNOBS.items():
        write(path_of(knob), value)
    for file in ("active_profile", "profile_mode", "post_loaded_profile"):
        write("/etc/tuned/" + file, "")


def references(orders, tuned):
    """The values after each step of tuned's alone, for each order of them."""
    known = {}
    for order in orders:
        steps = tuple(tuned_part(order))
        if all(steps[:n] in known for n in range(1, len(steps) + 1)):
            continue
        begin()
        known[()] = values()
        for number, name in enumerate(steps, 1):
            step(tuned, name)
            known[steps[:number]] = values()
        tuned.kill()
    return known


def run_order(order, known, tuned, daemon):
    begin()
    daemon.start()
    shift = Shift(daemon)
    done = ()
    wrong = []
    final = ""
    try:
        for name in order.split() + ["-"]:
            if name in ("p", "q"):
                shift.hold(name)
            elif name == "-":
                shift.release()
            elif name == "down":
                daemon.stop()
                shift = Shift(daemon)
            elif name == "up":
                daemon.start()
            else:
                if "=" in name:
                    shift.theirs |= dict([name.split("=")])
                step(tuned, name, daemon)
                done += (name,)
            if daemon.process is None:
                continue  # what tuned puts back now may be ours
            wanted = shift.settle(known[done])
            final = ""
            if values() != wanted:
                shown = {k: v for k, v in values().items() if v != wanted[k]}
                final = (f"{order}: after {name}: {shown}, not "
                         f"{ {k: wanted[k] for k in shown} }\n{daemon.log_tail(40)}")
                wrong.append(final)
    finally:
        daemon.stop()
        tuned.kill()
    return wrong, bool(final)


def main():
    build, where = os.path.abspath(sys.argv[1]), sys.argv[2]
    if not os.path.exists("/usr/sbin/tuned"):
        print("no tuned here")
        return 77
    orders = {"on_bus": ON_BUS, "off_bus": OFF_BUS, "late": LATE}[where]
    with knobs_locked(), cleanup() as stack:
        private_settings(PROFILES)
        for knob in KNOBS:
            stack.callback(write, path_of(knob), read(path_of(knob)))
        scratch = stack.enter_context(Scratch("/var/tmp", "tuned"))
        os.chmod(scratch.path, 0o755)
        bus = stack.enter_context(PrivateBus(scratch.path))
        daemon = Tuneshiftd(build, bus, scratch.path, "mode: auto\n")
        for name in os.listdir(daemon.profiles):
            if name not in ("throughput.yaml", "latency.yaml"):
                os.unlink(os.path.join(daemon.profiles, name))
        for name, knobs in HOLDS.items():
            path = os.path.join(daemon.profiles, name + ".yaml")
            write(path, "summary: test\nsysctl:\n"
                  + "".join(f"  {knob}: {value}\n" for knob, value in knobs.items()))
            os.chmod(path, 0o644)
        late_in = os.path.join(scratch.path, "late") if where == "late" else None
        if late_in:
            os.mkdir(late_in)
        tuned = Tuned(bus, where != "off_bus", late_in)
        stack.callback(tuned.stop)
        stack.callback(daemon.stop)
        known = references(orders, tuned)
        wrong = []
        for order in orders:
            started = time.monotonic()
            found, is_final = run_order(order, known, tuned, daemon)
            if found and not is_final:
                # A hold's value that waited: steps this fast may fall into one look.
                print(f"again {order}", flush=True)
                found, is_final = run_order(order, known, tuned, daemon)
            wrong += found
            print(f"{'WRONG' if found else 'ok':5} {order} ({time.monotonic() - started:.1f} s)",
                  flush=True)
        for text in wrong:
            print(text)
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
