# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every setting that a machine shows, to be compared with those of its twin."""

import contextlib
import os
import re

ROOTS = ("/proc/sys", "/sys/block", "/sys/class/bdi", "/sys/kernel/mm")
# What two boots of one machine never share, with the reason.
REASONS = {
    "drawn at each boot": r"/random/(boot_id|uuid)$|/stable_secret$",
    "counters": (r"/ns_last_pid$|/stat$|/stats/|/inflight$|-(nr|state)$|/pty/nr$|/entropy_avail$"
                 r"|/fs/quota/|/(full_scans|pages_collapsed)$"),
    "a share of what memory was free at boot, or is": (r"/vm/user_reserve_kbytes$"
                                                      r"|/bdi/[^/]+/m(in|ax)_bytes$"),
}
LEFT_OUT = re.compile("|".join(REASONS.values()))
MOST_BYTES = 65536


def text_of(path):
    """None for what cannot be read."""
    with contextlib.suppress(OSError):
        if os.stat(path).st_mode & 0o400:
            with open(path, "rb") as file:
                return file.read(MOST_BYTES).decode(errors="replace")
    return None


def all_settings():
    """Path → text."""
    values = {}
    for root in ROOTS:
        # Those of /sys are links to directories that have links themselves, which are not followed.
        for top in [root, *(entry.path for entry in os.scandir(root) if entry.is_symlink())]:
            for directory, _, files in os.walk(os.path.realpath(top)):
                for path in (os.path.join(directory, name) for name in files):
                    if not os.path.islink(path) and not LEFT_OUT.search(path):
                        values[path] = text_of(path)
    assert len(values) > 1000, f"only {len(values)} settings found"
    return values
