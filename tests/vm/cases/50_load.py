# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 120
# kernels: all
"""One cold mmap load: seen, helped, over; and `systemctl stop` puts back what still differs."""

from checks import (READ_AHEAD, daemon, differences, expect_unchanged, history, kinds, knobs,
                    manager, read, reader, run, wait_for)

before = knobs()
with daemon("auto"):
    with reader():
        wait_for("read-ahead raised", lambda: read(READ_AHEAD) != before[READ_AHEAD], 60)
        assert int(read(READ_AHEAD)) >= 4096
        wait_for("the end of the load", lambda: "finished" in kinds(), 60)
        wait_for("read-ahead put back", lambda: read(READ_AHEAD) == before[READ_AHEAD])
        assert manager("State") == "serving"
        for row in history():
            print(row["kind"], row.get("text", ""))
        wait_for("the serving profile", lambda: differences(before, knobs()))
        run("systemctl", "stop", "tuneshift.service")
        expect_unchanged(before)
run("systemctl", "is-active", "tuned.service")
