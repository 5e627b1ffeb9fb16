# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine under test: its disk, page cache and kernel values."""
import ctypes
import glob
import mmap
import os
import re
import shutil
import subprocess
import sys
import tempfile

from .processes import Failed

TOUCH = """
import mmap, sys
mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
"""


def block_device(path):
    """The disk or partition that holds `path`, or None where there is none (tmpfs, overlay)."""
    device = os.stat(path).st_dev
    link = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    if os.major(device) == 0 or not os.path.exists(link):
        return None
    return os.path.basename(os.path.realpath(link))


class Scratch:
    """A folder that is removed with everything in it."""

    def __init__(self, parent, purpose):
        self.path = tempfile.mkdtemp(prefix=f"tuneshift-{purpose}-", dir=parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def join(self, *names):
        return os.path.join(self.path, *names)

    def folder(self, *names):
        path = self.join(*names)
        os.makedirs(path, exist_ok=True)
        return path


def disk_scratch(purpose, need_bytes):
    """A scratch folder on a file system with a block device."""
    here = os.path.dirname(os.path.abspath(__file__))
    for parent in (os.environ.get("TMPDIR"), "/var/tmp", "/tmp", "/root", here):
        if not parent or not os.path.isdir(parent) or not block_device(parent):
            continue
        room = os.statvfs(parent)
        if room.f_bavail * room.f_frsize > need_bytes + (1 << 30):
            return Scratch(parent, purpose)
    raise Failed("no folder on a disk with enough room: set TMPDIR to one")


def resident_bytes(path):
    """How much of a file is in the page cache."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE,
                       prot=mmap.PROT_READ | mmap.PROT_WRITE) as area:
            pages = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE
            states = (ctypes.c_ubyte * pages)()
            start = ctypes.addressof(ctypes.c_char.from_buffer(area))
            libc = ctypes.CDLL(None, use_errno=True)
            failed = libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(size), states)
            if failed:
                raise Failed(f"mincore {path}: {os.strerror(ctypes.get_errno())}")
            return bytes(states).count(1) * mmap.PAGESIZE


def touch_free_memory(size):
    """Free memory of a virtual machine may have gone back to its host (mm/page_reporting.c), two seconds
    after it was freed: to have 2 GiB of it again takes longer than to read them, and says nothing of a
    loader. Has so much of it backed, for what begins at once; never more than half of what is free."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free = int(re.search(r"(?m)^MemFree: +(\d+) kB", file.read())[1]) << 10
    touch = [sys.executable, "-c", TOUCH, str(min(size, free // 2))]
    # A process of its own, whose end frees it.
    if subprocess.run(touch, check=False).returncode != 0:
        raise Failed("no memory to touch")


def make_cold(path):
    """Drops this file, and this one alone, from the page cache."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    warm = resident_bytes(path)
    if warm > os.stat(path).st_size // 100:
        raise Failed(f"{path}: {warm >> 20} MiB of it stay in the page cache")


def _profile_sysctls(profiles):
    names = set()
    for path in glob.glob(os.path.join(profiles, "*.yaml")):
        with open(path, encoding="utf-8") as file:
            names.update(re.findall(r"^\s+((?:vm|kernel|net|fs)\.[\w.]+):", file.read(), re.M))
    return ["/proc/sys/" + name.replace(".", "/") for name in names]


def _knob_files(profiles):
    patterns = [
        "/proc/sys/vm/*",
        "/sys/block/*/queue/*",
        "/sys/block/*/queue/iosched/*",
        "/sys/class/bdi/*/*_ahead_kb",
        "/sys/class/bdi/*/*_ratio",
        "/sys/fs/fuse/connections/*/max_background",
        "/sys/fs/fuse/connections/*/congestion_threshold",
        "/sys/kernel/mm/transparent_hugepage/*",
        "/sys/kernel/mm/transparent_hugepage/khugepaged/*",
    ]
    # What happens, not what is set.
    counters = {"pages_collapsed", "full_scans", "waiting", "stat_refresh"}
    # Loop devices belong to the other tests, and to nobody's profile.
    loop = re.compile(r"^/sys/block/loop|^/sys/class/bdi/7:")
    files = set(_profile_sysctls(profiles))
    for pattern in patterns:
        files.update(path for path in glob.glob(pattern) if not loop.match(path))
    return sorted(path for path in files
                  if os.path.isfile(path) and os.path.basename(path) not in counters
                  and os.stat(path).st_mode & 0o444)


class Snapshot:
    """Every kernel value that the profiles name or that sits beside one that they do."""

    def __init__(self, profiles):
        self.values = {}
        for path in _knob_files(profiles):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    self.values[path] = file.read().strip()
            except OSError:
                continue  # not readable on this device, or the device has gone

    def differences(self, later):
        """Lines "path: before → after" for values in both that are not equal."""
        return [f"{path}: {value} → {later.values[path]}"
                for path, value in self.values.items()
                if path in later.values and later.values[path] != value]
