# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk in memory: as fast one time as the next, whatever others do to the machine's own disk."""
import contextlib
import os
import subprocess

from .machine import Scratch
from .processes import Failed


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")


@contextlib.contextmanager
def memory_disk(purpose, size_bytes):
    """A scratch folder on ext4, on a loop device over a file in a tmpfs."""
    with contextlib.ExitStack() as stack:
        outer = stack.enter_context(Scratch(None, purpose))

        def mount(name, *options):
            point = outer.folder(name)
            _run("mount", *options, point)
            stack.callback(_run, "umount", point)
            return point

        image = os.path.join(mount("memory", "-t", "tmpfs", "-o", "size=90%", "tmpfs"), "image")
        with open(image, "wb") as file:
            file.truncate(size_bytes)
        _run("mkfs.ext4", "-q", "-m", "0", image)
        yield stack.enter_context(Scratch(mount("disk", "-o", "loop", image), purpose))
