# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 120
"""SIGKILL in the middle of a load: ExecStopPost= puts every value back, and the service is back."""

import pathlib

from checks import (READ_AHEAD, daemon, differences, expect_unchanged, knobs, read, reader, run,
                    unit, wait_for)

DROP_IN = pathlib.Path("/run/systemd/system/tuneshift.service.d/no-restart.conf")

before = knobs()
with daemon("auto"):
    # After the kill nothing may apply the profile anew before it is compared.
    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text("[Service]\nRestart=no\n")
    run("systemctl", "daemon-reload")
    try:
        with reader():
            wait_for("read-ahead raised", lambda: read(READ_AHEAD) != before[READ_AHEAD], 60)
            assert differences(before, knobs())
            run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "tuneshift.service")
            wait_for("its end", lambda: unit("tuneshift.service", "ActiveState") == "failed")
            assert unit("tuneshift.service", "Result") == "signal"
            expect_unchanged(before)
    finally:
        DROP_IN.unlink()
        DROP_IN.parent.rmdir()
        run("systemctl", "daemon-reload")

with daemon("auto"):
    first = unit("tuneshift.service", "MainPID")
    run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "tuneshift.service")
    wait_for("a new daemon", lambda: unit("tuneshift.service", "MainPID") not in ("0", first)
             and unit("tuneshift.service", "ActiveState") == "active")
expect_unchanged(before)
run("systemctl", "is-active", "tuned.service")
