# SPDX-License-Identifier: LGPL-2.1-or-later
"""The matrix with signals switched off: which rows can still be decided, and which cannot."""
import dataclasses

from rows import LOAD, MAYBE, SERVES, UNSEEN

SIGNALS = ("reads", "mappings", "cache_fills", "latency")
ALL = "all"

# What CI tries: a mapping and reads, a store without a disk, and one that is no load.
FEW = ("mmap, sequential", "read, 1 MiB", "FUSE, read", "all cached, mmap", "python, hashlib")


def off(name):
    """The signals that `--without NAME` switches off."""
    return SIGNALS if name == ALL else (name,)


def configuration(signals):
    return f"probes: {{off: [{', '.join(signals)}]}}\n" if signals else ""


def expected(row, signals):
    """The row as it may be decided without these signals."""
    if row.label == SERVES and "mappings" in signals:
        # Nothing is read: only the mapping would tell.
        return dataclasses.replace(row, label=UNSEEN)
    is_sampled = ("cache_fills" if row.diskless else "reads") in signals
    if row.label == LOAD and is_sampled and (row.lets_go or row.processes > 1):
        return dataclasses.replace(row, label=MAYBE)
    return row
