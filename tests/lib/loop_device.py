# SPDX-License-Identifier: LGPL-2.1-or-later
"""A loop device over a file that can be told to answer no reads: its queue cannot be frozen then."""
import fcntl
import os
import re
import struct

from .processes import Failed, end, spawn, wait_for
from .programs import SlowStore

_LOOP_CONFIGURE = 0x4C0A  # linux/loop.h
_LOOP_CTL_GET_FREE = 0x4C82
_READ_ONLY_AUTOCLEAR = 1 | 4
_INFO_BYTES = 232
_DISK_BYTES = 256 << 20
# Those that move others come first.
_SETTINGS = ("scheduler", "max_sectors_kb", "iostats", "nr_requests", "read_ahead_kb", "rq_affinity",
             "nomerges")
_STEP_BYTES = 4 << 20  # what was read once is in the page cache: the next request is behind it
_FLAGS_AT = 8 + 8 + 8 + 8 + 8 + 4 + 4 + 4  # of struct loop_info64's lo_flags


def _attach(path):
    """A descriptor of a loop device over `path`, and its name. The device goes with its users."""
    with open("/dev/loop-control", "rb") as control:
        number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
    name = f"loop{number}"
    device = os.open(f"/dev/{name}", os.O_RDONLY | os.O_CLOEXEC)
    backing = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        info = bytearray(_INFO_BYTES)
        struct.pack_into("<I", info, _FLAGS_AT, _READ_ONLY_AUTOCLEAR)
        configuration = struct.pack("<II", backing, 0) + bytes(info) + bytes(64)
        fcntl.ioctl(device, _LOOP_CONFIGURE, configuration)
    except OSError as error:
        os.close(device)
        raise Failed(f"no loop device over {path}: {error.strerror}") from error
    finally:
        os.close(backing)
    return device, name


class HangingDisk:
    """A read-only loop device whose reads hang between hang() and release()."""

    def __init__(self, build, memory):
        source = os.path.join(memory.folder("disk-source"), "disk")
        with open(source, "wb") as file:
            file.truncate(_DISK_BYTES)
        self.reader = None
        self.at = 0
        self.store = SlowStore(build, memory.join("disk-source"), memory.folder("disk-mount"),
                               "--latency-us", "0", "--rate", "0")
        try:
            self.device, self.name = _attach(memory.join("disk-mount", "disk"))
        except BaseException:
            self.store.__exit__()
            raise
        self.queue = f"/sys/block/{self.name}/queue/"
        # They outlive the disk: the number's next one has them too.
        self.settings = {name: self._read(name) for name in _SETTINGS}

    def _read(self, name):
        with open(self.queue + name, encoding="utf-8") as file:
            text = file.read()
        chosen = re.search(r"\[(.+)\]", text)
        return chosen[1] if chosen else text.strip()

    def _put_back(self):
        for name, value in self.settings.items():
            if self._read(name) != value:
                with open(self.queue + name, "w", encoding="utf-8") as file:
                    file.write(value)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Ending the store fails what hangs on it, whatever state the test left.
        end(self.store.process)
        if self.reader is not None:
            end(self.reader)
        self._put_back()
        os.close(self.device)
        self.store.__exit__()

    def hang(self):
        """From now on a request is in flight, and stays so."""
        self.store.hold()
        self.at += _STEP_BYTES
        self.reader = spawn(["dd", f"if=/dev/{self.name}", "of=/dev/null", "bs=4096", "count=1",
                             f"skip={self.at // 4096}", "iflag=direct", "status=none"])
        in_flight = f"/sys/block/{self.name}/inflight"

        def busy():
            with open(in_flight, encoding="utf-8") as file:
                return file.read().split()[0] != "0"

        if not wait_for(busy, 10, 0.005):
            raise Failed(f"no request of {self.name} hangs")

    def release(self):
        """Lets the request through."""
        self.store.let_go()
        reader, self.reader = self.reader, None
        if reader.wait(10) != 0:
            raise Failed(f"dd on {self.name} failed")
