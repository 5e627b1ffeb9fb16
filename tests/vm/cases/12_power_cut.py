# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 500
"""Its power cut while a profile is in force, the machine comes up with the kernel's own values and
nothing to repair. Removed after a hold and a load, tuneshift leaves a machine that equals its twin: the
one that it was at its first boot, before any case has run tuneshift."""

import json
import os
import sys

import checks
from checks import HOME, differences, dpkg, host, run, unit
from settings import all_settings

PACKAGE = str(HOME / "tuneshift.deb")
RESUME = HOME / "resume.json"
SERVICE = "tuneshift.service"


def cut_power(**state):
    """Goes on in this case after the boot, with `state`."""
    RESUME.write_text(json.dumps({"case": os.path.basename(__file__), **state}))
    run("sync")
    host(cut_power=True)
    sys.exit("its power was not cut")


def unpack():
    """For the cases behind this one, as before the first."""
    run("tar", "-xf", checks.PAYLOAD, "--keep-directory-symlink", "-C", "/")
    run("systemctl", "daemon-reload")
    run("systemctl", "reload", "dbus.service")


def modules():
    return {line.split()[0] for line in checks.read("/proc/modules").splitlines()}


def of_the_twin():
    """What the other cases need was unpacked only: nothing of it has run yet."""
    assert unit(SERVICE, "ActiveEnterTimestampMonotonic") == "0", unit(SERVICE, "ActiveEnterTimestamp")
    twin = all_settings()
    before = checks.knobs()
    dpkg("--install", PACKAGE)
    checks.set_mode("auto")
    run("systemctl", "restart", SERVICE)
    checks.hold("throughput")
    run("tuneshiftctl", "verify")
    assert differences(before, checks.knobs())
    cut_power(twin=twin, modules=sorted(modules()))


def after_the_cut(twin, twin_modules):
    assert unit(SERVICE, "ActiveState") == "active" and checks.manager("Mode") == "auto"
    assert run("tuneshiftctl", "knobs", "--json").strip() in ("", "[]"), run("tuneshiftctl", "knobs")
    repaired = {"restored", "failed", "warning"} & set(checks.kinds())
    assert not repaired, checks.history()
    with checks.held("throughput"), checks.reader() as process:
        process.stdout.readline()
        checks.wait_for("a load that was seen to its end", checks.finished)
    dpkg("--purge", "tuneshift")
    assert not checks.traces(), checks.traces()
    assert modules() == set(twin_modules), modules() ^ set(twin_modules)
    after = all_settings()
    changed = differences(twin, after)
    print(f"figure: {len(after)} settings, {len(changed)} unlike the twin's")
    assert not changed, "\n".join(changed)
    unpack()


state = json.loads(RESUME.read_text()) if RESUME.exists() else {}
RESUME.unlink(missing_ok=True)
if state:
    after_the_cut(state["twin"], state["modules"])
else:
    of_the_twin()
