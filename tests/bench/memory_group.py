# SPDX-License-Identifier: LGPL-2.1-or-later
"""A control group with little memory, of either version."""
import contextlib
import os
import subprocess
import time

ROOT = "/sys/fs/cgroup"
KINDS = (("memory", "memory.limit_in_bytes"), ("", "memory.max"))


def _parents():
    for folder, limit in KINDS:
        parent = os.path.join(ROOT, folder)
        controllers = os.path.join(parent, "cgroup.controllers")
        if folder and os.path.isdir(parent):
            yield parent, limit
        elif not folder and os.path.exists(controllers):
            with open(controllers, encoding="ascii") as file:
                if "memory" in file.read().split():
                    yield parent, limit


@contextlib.contextmanager
def memory_group(name, limit_bytes):
    """The group's folder; None where the machine has no control groups of memory."""
    parent, limit = next(_parents(), (None, None))
    if parent is None:
        yield None
        return
    folder = os.path.join(parent, f"tuneshift-{name}-{os.getpid()}")
    os.mkdir(folder)
    try:
        with open(os.path.join(folder, limit), "w", encoding="ascii") as file:
            file.write(str(limit_bytes))
        yield folder
    finally:
        # Busy until its last process is reaped.
        for _ in range(100):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
                break
            time.sleep(0.05)


@contextlib.contextmanager
def full_group(memory, name, size, room):
    """The same with `size` bytes on tmpfs in it and room for so many more."""
    with memory_group(name, size + room) as folder:
        if folder is None:
            yield None
            return
        path = os.path.join(memory.folder(name), "filling")
        join = 'echo $$ > "$0/cgroup.procs" && exec head -c "$1" /dev/zero > "$2"'
        subprocess.run(["sh", "-c", join, folder, str(size), path], check=True)
        try:
            yield folder
        finally:
            os.unlink(path)
