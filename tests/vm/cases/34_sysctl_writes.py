# SPDX-License-Identifier: LGPL-2.1-or-later
# kernels: all
"""Somebody else's write of a sysctl that is ours is seen while it happens, and by whom."""

from checks import (daemon, expect_unchanged, held, history, knobs, manager, profile, read, run,
                    unit, wait_for)

SWAPPINESS = "/proc/sys/vm/swappiness"

before = knobs()
own = before[SWAPPINESS]
with profile("vm-sysctl", "summary: a test's\nsysctl:\n  vm.swappiness: 33\n"):
    with daemon("manual"):
        assert manager("Probes")["sysctl_writes"][0] == "ok", manager("Probes")
        with held("vm-sysctl"):
            run("tuneshiftctl", "verify")  # behind its writes: until then it is they that find another value
            assert read(SWAPPINESS) == "33"
            run("sysctl", "--quiet", "--write", "vm.swappiness=44")
            row = wait_for("their write", lambda: next(
                (row for row in history() if row["kind"] == "yielded"), None))
            assert row["knob"] == "vm.swappiness" and row["to"] == "44", row
            assert row["writer"].startswith("sysctl"), row
        assert read(SWAPPINESS) == "44"
    assert unit("tuneshift.service", "Result") == "success"
run("sysctl", "--quiet", "--write", f"vm.swappiness={own}")
expect_unchanged(before)
