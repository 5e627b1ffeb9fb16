# SPDX-License-Identifier: LGPL-2.1-or-later
# kernels: all
"""The machine is what the other cases take it for."""

import pathlib

from checks import read, run

state = run("systemctl", "is-system-running", check=False).strip()
failed = run("systemctl", "list-units", "--failed", "--plain", "--no-legend")
assert state == "running" and not failed, f"{state}:\n{failed}"

assert run("stat", "--file-system", "--format=%T", "/sys/fs/cgroup").strip() == "cgroup2fs"
assert {"io", "memory", "cpu"} <= set(read("/sys/fs/cgroup/cgroup.controllers").split())
assert pathlib.Path("/sys/kernel/btf/vmlinux").exists()

run("systemctl", "is-active", "tuned.service", "dbus.service", "polkit.service")
assert "balanced" in run("tuned-adm", "active")

mounted = run("findmnt", "--noheadings", "--output=SOURCE,FSTYPE", "/srv/models").split()
assert mounted == ["/dev/nvme0n1", "ext4"], mounted
assert read("/sys/block/nvme0n1/queue/read_ahead_kb") == "128"
