# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 90
# kernels: all
"""A new installation observes: it sees a load, says what it would do, and writes nothing."""

from checks import daemon, expect_unchanged, kinds, knobs, manager, reader, unit, wait_for

before = knobs()
with daemon("observe"):
    assert unit("tuneshift.service", "ActiveState") == "active"
    signals = manager("Probes")
    assert signals and {tier for tier, _ in signals.values()} == {"ok"}, signals
    for signal in ("reads", "mappings", "latency"):
        assert signals[signal][1].startswith("tested"), signals
    with reader():
        wait_for("the load", lambda: "finished" in kinds(), 60)
        rows = kinds()
        assert "would-write" in rows, rows
        assert not {"written", "restored", "rewindowed"} & set(rows), rows
        expect_unchanged(before)
expect_unchanged(before)
assert unit("tuneshift.service", "Result") == "success"
