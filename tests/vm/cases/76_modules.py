# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 120
"""The modules that a profile names are there before the daemon is; it never loads one itself."""

import os
import pathlib
import subprocess

from checks import daemon, profile, run, unit

PROGRAM = "/usr/lib/tuneshift/tuneshift-modules"
SERVICE = "tuneshift-modules.service"
BLACKLIST = pathlib.Path("/etc/modprobe.d/vm-tuneshift.conf")
MODULE = "cachefiles"
# Any of this kernel's.
BUILT_IN = pathlib.Path(pathlib.Path(f"/lib/modules/{os.uname().release}/modules.builtin")
                        .read_text().split()[0]).stem


def is_loaded():
    return pathlib.Path("/sys/module", MODULE).exists()


def load(*names):
    done = subprocess.run([PROGRAM, *names], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def stop():
    run("systemctl", "stop", SERVICE)
    run("systemctl", "reset-failed", SERVICE, check=False)


verify = subprocess.run(["systemd-analyze", "verify", "--man=no", SERVICE],
                        capture_output=True, text=True)
assert verify.returncode == 0 and not verify.stderr, verify.stderr

assert load("ext4") == (0, "ext4: already loaded\n"), load("ext4")
assert load("no_such_module") == (1, "no_such_module: unknown\n")
assert load("ext4", "no_such_module")[0] == 1
status, output = load("../ext4")
assert status == 1 and "no name of a kernel module" in output, output
assert load(BUILT_IN) == (0, f"{BUILT_IN}: built in\n"), load(BUILT_IN)

stop()
assert not is_loaded()
with profile("vm-modules", f"summary: a test's\nmodules: [{MODULE}, ext4]\n"):
    # Nothing is changed while the daemon observes.
    with daemon("observe"):
        assert unit(SERVICE, "Result") == "success" and unit(SERVICE, "ActiveState") == "active"
        assert not is_loaded()
    stop()

    BLACKLIST.write_text(f"blacklist {MODULE}\n")
    try:
        assert load(MODULE) == (1, f"{MODULE}: blacklisted\n")
        assert not is_loaded()
        # What cannot be loaded does not keep the daemon from starting.
        with daemon("manual"):
            assert unit(SERVICE, "Result") == "exit-code"
            assert unit("tuneshift.service", "ActiveState") == "active"
    finally:
        BLACKLIST.unlink()
    stop()

    with daemon("manual"):
        assert unit(SERVICE, "Result") == "success" and unit(SERVICE, "ActiveState") == "active"
        assert is_loaded()
    # Never unloaded.
    stop()
    assert is_loaded()
run("modprobe", "--remove", MODULE)
