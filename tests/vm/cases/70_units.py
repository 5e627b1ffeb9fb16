# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 180
"""A unit's control group while a profile is held, and its settings as before afterwards: after a
release, a SIGKILL and a stop of the unit; nothing is left that would override its own file later."""

import contextlib
import os
import pathlib

from checks import daemon, held, history, profile, read, run, unit, wait_equal, wait_for

UNIT = "vm-models.service"
FILE = pathlib.Path("/etc/systemd/system") / UNIT
GROUP = f"/sys/fs/cgroup/system.slice/{UNIT}"
DROP_INS = pathlib.Path("/run/systemd/system.control") / f"{UNIT}.d"
TRACES = pathlib.Path("/run/tuneshift/units")
PODS = "kubepods-vm.slice"
NVME = read("/sys/block/nvme0n1/dev")

PROFILE = f"""summary: while a test holds it
cgroup:
  {UNIT}:
    cpu.weight: 500
    io.weight: 700
    memory.low: 67108864
    io.latency: 50000
    io.max.rbps: 104857600
  {PODS}:
    cpu.weight: 500
"""


def settings():
    """What is in force, in the order of the profile."""
    limits = [line for line in read(f"{GROUP}/io.max").splitlines() if line.startswith(NVME)]
    # Debian's kernel has no io.latency: what systemd was told must do. It keeps what is unset.
    target = unit(UNIT, "IODeviceLatencyTargetUSec").replace("/dev/nvme0n1 infinity", "")
    return [read(f"{GROUP}/cpu.weight"), read(f"{GROUP}/io.weight").splitlines()[0],
            read(f"{GROUP}/memory.low"), target, limits]


def write_unit(weight):
    FILE.write_text("[Service]\nExecStart=/bin/sleep infinity\nIOAccounting=yes\n"
                    f"MemoryAccounting=yes\nCPUWeight={weight}\n")
    run("systemctl", "daemon-reload")


def revert():
    """Systemd 257 leaves the values of a running unit as they were set."""
    run("systemctl", "revert", UNIT)
    run("systemctl", "restart", UNIT)


def expect_no_trace():
    left = list(DROP_INS.glob("*")) + list(TRACES.glob("*"))
    assert not left, left


@contextlib.contextmanager
def units():
    write_unit(300)
    run("systemctl", "start", UNIT, PODS)
    try:
        yield
    finally:
        run("systemctl", "stop", UNIT, PODS, check=False)
        FILE.unlink()
        run("systemctl", "daemon-reload")


before = ["300", "default 100", "0", "", []]
during = ["500", "default 700", "67108864", "/dev/nvme0n1 50ms",
          [f"{NVME} rbps=104857600 wbps=max riops=max wiops=max"]]
with units(), profile("vm-units", PROFILE):
    wait_equal("the unit as it is", settings, before)
    with daemon("manual"):
        # Held and released.
        with held("vm-units", "nvme0n1"):
            wait_equal("the settings", settings, during)
            assert sorted(path.name for path in DROP_INS.iterdir()) == [
                f"50-{name}.conf" for name in ("CPUWeight", "IODeviceLatencyTargetUSec",
                                               "IOReadBandwidthMax", "IOWeight", "MemoryLow")]
            assert unit(PODS, "CPUWeight") == "[not set]"
            assert any("the kubelet owns it" in str(row) for row in history())
        wait_equal("the settings after the release", settings, before)
        wait_for("no trace", lambda: not DROP_INS.exists() and not list(TRACES.glob("*")))

        # The administrator's own change of the unit's file counts afterwards, as if nothing was.
        write_unit(250)
        assert unit(UNIT, "CPUWeight") == "250" and unit(UNIT, "NeedDaemonReload") == "no"
        write_unit(300)

        # One that was set for this boot stays as it was set.
        run("systemctl", "set-property", "--runtime", UNIT, "CPUWeight=123")
        drop_in = read(DROP_INS / "50-CPUWeight.conf")
        with held("vm-units", "nvme0n1"):
            wait_equal("the weight", lambda: read(f"{GROUP}/cpu.weight"), "500")
        wait_equal("the weight set before", lambda: read(f"{GROUP}/cpu.weight"), "123")
        wait_equal("its drop-in", lambda: [path.name for path in DROP_INS.iterdir()],
                   ["50-CPUWeight.conf"])
        assert read(DROP_INS / "50-CPUWeight.conf") == drop_in
        revert()
        wait_equal("the unit's own again", settings, before)

        # Somebody else's change meanwhile is theirs.
        with held("vm-units", "nvme0n1"):
            wait_equal("the settings", settings, during)
            run("systemctl", "set-property", "--runtime", UNIT, "CPUWeight=77")
        wait_equal("the others", settings, ["77"] + before[1:])
        revert()

    # Killed, and put back by ExecStopPost=.
    with daemon("manual"):
        with held("vm-units", "nvme0n1"):
            wait_equal("the settings", settings, during)
            first = unit("tuneshift.service", "MainPID")
            run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "tuneshift.service")
            wait_for("a new daemon", lambda: unit("tuneshift.service", "MainPID") not in ("0", first)
                     and unit("tuneshift.service", "ActiveState") == "active")
            wait_equal("the settings after the kill", settings, before)
            expect_no_trace()

    # The unit stops while it is held; the next start is its own.
    with daemon("manual"):
        with held("vm-units", "nvme0n1"):
            wait_equal("the settings", settings, during)
            run("systemctl", "stop", UNIT)
        wait_for("no trace", lambda: not DROP_INS.exists() and not list(TRACES.glob("*")))
        run("systemctl", "start", UNIT)
        wait_equal("the unit as it is", settings, before)
    assert unit("tuneshift.service", "Result") == "success"
    assert not os.path.exists("/run/tuneshift/units") or not os.listdir("/run/tuneshift/units")
