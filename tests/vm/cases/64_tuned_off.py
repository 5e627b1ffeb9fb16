# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 200
# suite: trixie
"""A tuned that is told to leave what it wrote (rollback = not_on_exit, which 2.25 knows and 2.20 does
not) is switched off in the middle of a load: what it left is what the load's end puts back."""

import pathlib

from checks import daemon, differences, expect_unchanged, knobs, loading, manager, run, wait_equal

TUNED = pathlib.Path("/etc/tuned/tuned-main.conf")


def write_back(values):
    now = knobs()
    for path, value in values.items():
        if now[path] != value:
            pathlib.Path(path).write_text(value)


configuration = TUNED.read_text()
before = knobs()
TUNED.write_text(configuration + "\nrollback = not_on_exit\n")
try:
    run("systemctl", "restart", "tuned.service")
    run("tuned-adm", "profile", "throughput-performance")
    with_it = knobs()
    assert differences(before, with_it)
    with daemon("auto"):
        with loading() as process:
            run("tuned-adm", "off")
            assert process.poll() is None and manager("State") == "loading"
        wait_equal("its end", lambda: manager("State"), "idle")
        # What loads change of the machine stays for a while else.
        run("tuneshiftctl", "mode", "observe")
        run("tuneshiftctl", "verify")
        expect_unchanged(with_it)
    expect_unchanged(with_it)
finally:
    TUNED.write_text(configuration)
    run("systemctl", "restart", "tuned.service")
    run("tuned-adm", "profile", "balanced")
    write_back(before)
expect_unchanged(before)
