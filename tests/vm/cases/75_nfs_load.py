# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 300
"""Loads from NFS, where root may not read the model: seen, inspected as the reader, confirmed."""

from checks import daemon, read, wait_equal
from nfs import expect_load, mounted, server

MODES = (
    ("mmap-sequential", "mapping", "maps a safetensors file"),
    ("read", "cache fill", "keeps what it reads of a safetensors file"),
    ("direct", "direct read", "keeps what it reads of a safetensors file"),
)

with server():
    for options, modes in (("vers=3,nolock", MODES[:1]), ("vers=4.2", MODES)):
        with mounted(options) as read_ahead:
            before = read(read_ahead)
            with daemon("auto"):
                for mode, first_sign, confirmed_by in modes:
                    print(f"-- {options}, {mode}")
                    expect_load(mode, first_sign, confirmed_by)
                    wait_equal("its read-ahead put back", lambda: read(read_ahead), before)
