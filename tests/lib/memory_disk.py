# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk in memory: as fast one time as the next, whatever others do to the machine's own disk."""
import contextlib
import os
import subprocess

from .machine import Scratch
from .processes import Failed, wait_for


def _call(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)


def _run(*command):
    done = _call(*command)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")


def _unmount(point):
    """The loop device lets go of its file only after the unmount of what was on it."""
    if not wait_for(lambda: _call("umount", point).returncode == 0, 10):
        _run("umount", point)


@contextlib.contextmanager
def memory_disk(purpose, size_bytes):
    """A scratch folder on ext4, on a loop device over a file in a tmpfs."""
    with contextlib.ExitStack() as stack:
        outer = stack.enter_context(Scratch(None, purpose))

        def mount(name, *options):
            point = outer.folder(name)
            _run("mount", *options, point)
            stack.callback(_unmount, point)
            return point

        image = os.path.join(mount("memory", "-t", "tmpfs", "-o", "size=90%", "tmpfs"), "image")
        with open(image, "wb") as file:
            file.truncate(size_bytes)
        _run("mkfs.ext4", "-q", "-m", "0", image)
        yield stack.enter_context(Scratch(mount("disk", "-o", "loop", image), purpose))
