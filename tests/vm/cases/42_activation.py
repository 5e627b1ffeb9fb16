# SPDX-License-Identifier: LGPL-2.1-or-later
"""A message starts the service where it is enabled; no question of ours does, nor one that is disabled."""

import subprocess

from checks import MANAGER, busctl, run, unit

SERVICE = "tuneshift.service"
MODE = ("get-property", "org.tuneshift1", "/org/tuneshift1", MANAGER, "Mode")


def is_running():
    return unit(SERVICE, "ActiveState") != "inactive"


enabled = run("systemctl", "is-enabled", SERVICE, check=False).strip()
try:
    run("systemctl", "enable", SERVICE)
    asked = subprocess.run(["tuneshiftctl", "status"], capture_output=True, text=True)
    assert asked.returncode == 3 and "is not running" in asked.stderr, asked
    assert not is_running()
    assert busctl(*MODE, starts=True) == "observe"
    assert is_running()
    run("systemctl", "stop", SERVICE)

    run("systemctl", "disable", SERVICE)
    try:
        answer = busctl(*MODE, starts=True)
    except AssertionError as error:
        assert not is_running(), error
    else:
        raise AssertionError(f"a disabled service answers {answer}")
finally:
    run("systemctl", "stop", SERVICE)
    run("systemctl", enabled.removesuffix("d"), SERVICE)
