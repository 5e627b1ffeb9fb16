# SPDX-License-Identifier: LGPL-2.1-or-later
"""One at a time on a machine: whoever writes its knobs, of any checkout."""
import contextlib
import fcntl
import os

_PATH = "/run/lock/tuneshift-knobs"


@contextlib.contextmanager
def knobs_locked():
    """Waits for its turn. A process that is killed gives its turn up."""
    descriptor = os.open(_PATH, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
