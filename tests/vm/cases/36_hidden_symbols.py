# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 120
# kernels: ends
"""With kernel.kptr_restrict=2 the kernel shows no addresses, not even to root: what needs one says
so, and the rest sees as before."""

import pathlib

from checks import daemon, expect_whole, finished, manager, read, reader, wait_for

RESTRICT = pathlib.Path("/proc/sys/kernel/kptr_restrict")

before = read(RESTRICT)
RESTRICT.write_text("2")
try:
    with daemon("observe"):
        signals = manager("Probes")
        tier, why = signals.pop("reads")
        assert tier == "fallback" and "hides the addresses" in why, (tier, why)
        assert {tier for tier, _ in signals.values()} == {"ok"}, signals
        with reader():
            expect_whole(wait_for("the load", finished, 60)[0])
finally:
    RESTRICT.write_text(before)
