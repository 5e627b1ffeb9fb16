# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 300
"""Installed, tuneshift observes; installed anew, its values are back before it goes on; removed, all
are; purged, nothing of it is left."""

import contextlib
import os
import subprocess

import checks
from checks import HOME, run

PACKAGE = str(HOME / "tuneshift.deb")
SERVICE = "tuneshift.service"
# What the test's machine has of that name, and what machines write down of whatever was on them.
OTHERS = (str(HOME), "/run/udev", "/etc/initramfs-tools", "/usr/share/initramfs-tools",
          "/proc", "/sys", "/dev", "/var/log", "/var/lib/dpkg", "/var/lib/systemd")


def traces():
    """Every path with tuneshift in its name but those of this test."""
    pruned = [word for path in OTHERS for word in ("-path", path, "-o")][:-1]
    found = run("find", "/", "(", *pruned, ")", "-prune", "-o", "-name", "*tuneshift*", "-print").split()
    return [path for path in found if "tuneshift-vm" not in path]


def dpkg(*arguments):
    done = subprocess.run(["dpkg", *arguments], capture_output=True, text=True,
                          env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C"))
    assert done.returncode == 0, f"dpkg {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    said = [line for line in done.stderr.splitlines() if "warning" in line]
    assert not said, said


def as_user(name, *command):
    return subprocess.run(["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", *command],
                          capture_output=True, text=True)


# The other cases' profiles are gone; and their files, which no package manager put there.
with contextlib.suppress(FileNotFoundError):
    checks.PROFILES.rmdir()
dpkg("--install", PACKAGE)
dpkg("--purge", "tuneshift")
assert not traces(), traces()

before = checks.knobs()
dpkg("--install", PACKAGE)
assert checks.unit(SERVICE, "ActiveState") == "active"
assert run("systemctl", "is-enabled", SERVICE).strip() == "enabled"
print(run("sh", HOME / "installed"))
with checks.reader() as process:
    process.stdout.readline()
    checks.wait_for("a load that was seen to its end", checks.finished)
checks.expect_unchanged(before)

for user, groups in (("vm-member", "tuneshift"), ("vm-other", "")):
    run("useradd", "--no-create-home", "--groups", groups, user)
member, other = (as_user(user, "tuneshiftctl", "history") for user in ("vm-member", "vm-other"))
assert member.returncode == 0 and checks.MODEL in member.stdout, member
assert other.returncode == 1 and checks.MODEL not in other.stdout + other.stderr, other
assert as_user("vm-member", "tuneshiftctl", "mode", "auto").returncode == 1

exposure = run("systemd-analyze", "security", "--no-pager", SERVICE).splitlines()[-1]
print(f"figure: {exposure.split(':', 1)[1].strip()}")

run("tuneshiftctl", "mode", "auto")
checks.hold("throughput")
checks.wait_for("values of the hold", lambda: checks.differences(before, checks.knobs()))
invocation = checks.unit(SERVICE, "InvocationID")
dpkg("--install", PACKAGE)
assert checks.unit(SERVICE, "ActiveState") == "active"
assert checks.unit(SERVICE, "InvocationID") != invocation, "an old daemon goes on"
checks.expect_unchanged(before)

run("tuneshiftctl", "mode", "auto")
checks.hold("throughput")
checks.wait_for("values of the hold", lambda: checks.differences(before, checks.knobs()))
dpkg("--remove", "tuneshift")
checks.expect_unchanged(before)
assert os.path.exists("/etc/tuneshift/tuneshift.yaml"), "the configuration is the administrator's"
dpkg("--purge", "tuneshift")
assert not traces(), traces()
