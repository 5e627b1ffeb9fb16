# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 90
"""A new installation observes: it sees a load, says what it would do, and writes nothing."""

from checks import daemon, expect_unchanged, kinds, knobs, manager, reader, unit, wait_for

before = knobs()
with daemon("observe"):
    assert unit("tuneshift.service", "ActiveState") == "active"
    tiers = {signal: tier for signal, (tier, _) in manager("Probes").items()}
    assert tiers and set(tiers.values()) == {"ok"}, tiers
    with reader():
        wait_for("the load", lambda: "finished" in kinds(), 60)
        rows = kinds()
        assert "would-write" in rows, rows
        assert not {"written", "restored", "rewindowed"} & set(rows), rows
        expect_unchanged(before)
expect_unchanged(before)
assert unit("tuneshift.service", "Result") == "success"
