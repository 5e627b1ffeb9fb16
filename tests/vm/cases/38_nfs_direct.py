# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 150
# kernels: ends
"""O_DIRECT from NFS passes both the page cache and every disk: seen by the client's tracepoint,
which is in a module that comes with the first mount."""

from checks import daemon, knobs, manager, wait_equal, wait_for
from nfs import expect_load, mounted, server


def signal():
    return manager("Probes")["nfs_reads"]


with server():
    before = knobs()
    with daemon("observe"):
        idle = signal()
        assert idle[0] == "ok", idle
        with mounted("vers=4.2"):
            wait_for("a look at the module", lambda: signal() != idle)
            assert signal() == ["ok", "attached, not tested"], signal()
            expect_load("direct", "direct read", "keeps what it reads")
        wait_equal("the module let go", signal, idle)
    # Mounting it makes settings of its own.
    assert before.items() <= knobs().items()
