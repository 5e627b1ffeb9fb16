# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the cases share. A case fails by an exception; what it prints is shown then."""

import contextlib
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import time

HOME = pathlib.Path(__file__).resolve().parent
CONFIG = pathlib.Path("/etc/tuneshift/tuneshift.yaml")
PROFILES = pathlib.Path("/etc/tuneshift/profiles")
MANAGER = "org.tuneshift1.Manager"
REQUESTS = "/dev/virtio-ports/tuneshift.requests"
MODEL = "/srv/models/model.safetensors"
SMALL_MODEL = "/srv/models/small.safetensors"
PACKAGES = [HOME / "tuneshift.deb", HOME / "tuneshift-exporter.deb"]
# A bare tar archive: tests/vm/run.
PAYLOAD = "/dev/disk/by-id/virtio-payload"
READ_AHEAD = "/sys/block/nvme0n1/queue/read_ahead_kb"

KNOBS = (
    "/proc/sys/vm/*",
    "/proc/sys/kernel/*",
    "/proc/sys/net/core/*",
    "/sys/block/*/queue/*",
    "/sys/block/*/queue/iosched/*",
    "/sys/class/bdi/*/*",
    "/sys/kernel/mm/transparent_hugepage/*",
    "/sys/kernel/mm/transparent_hugepage/khugepaged/*",
)
# Counters, identities and parts of what memory is free: they change by themselves.
VOLATILE = re.compile(
    r"/(ns_last_pid|stat_refresh|pty/nr|random/.*|full_scans|pages_collapsed|bdi/.*/m(in|ax)_bytes)$")


def run(*command, check=True):
    """Runs a command and returns what it prints; its errors are part of a failure."""
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def read(path):
    return pathlib.Path(path).read_text().strip()


def knobs():
    """Every setting that tuneshift might touch, and many that it must not: path → text."""
    values = {}
    for pattern in KNOBS:
        for path in glob.glob(pattern):
            if VOLATILE.search(path) or not os.path.isfile(path):
                continue
            if not os.stat(path).st_mode & 0o200:
                continue
            with contextlib.suppress(OSError, UnicodeDecodeError):  # some are write-only
                values[path] = read(path)
    assert len(values) > 200, f"only {len(values)} knobs found"
    return values


def differences(before, after):
    return [f"{path}: {before.get(path)} → {after.get(path)}"
            for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]


def expect_unchanged(before):
    changed = differences(before, knobs())
    assert not changed, "changed:\n  " + "\n  ".join(changed)


def wait_for(what, condition, seconds=30):
    """The first true value of the condition."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)


def unit(name, prop):
    return run("systemctl", "show", "--value", f"--property={prop}", name).strip()


def set_mode(mode):
    """The mode in the installed configuration, as an administrator would edit it."""
    text, count = re.subn(r"(?m)^mode:.*$", f"mode: {mode}", CONFIG.read_text())
    assert count == 1, f"{CONFIG} has {count} lines with a mode"
    CONFIG.write_text(text)


@contextlib.contextmanager
def prefetching():
    """The installed configuration with reading ahead going on where an emulated disk is no faster
    with it."""
    original = CONFIG.read_text()
    text = original.replace("  stand_down: true\n", "  stand_down: false\n")
    assert text != original, f"{CONFIG} does not say whether reading ahead ends"
    CONFIG.write_text(text)
    try:
        yield
    finally:
        CONFIG.write_text(original)


@contextlib.contextmanager
def daemon(mode):
    """The service, running in a mode; stopped at the end, also of a failed case."""
    original = CONFIG.read_text()
    set_mode(mode)
    try:
        run("systemctl", "start", "tuneshift.service")
        assert manager("Mode") == mode
        yield
    finally:
        run("systemctl", "stop", "tuneshift.service", check=False)
        run("systemctl", "reset-failed", "tuneshift.service", check=False)
        CONFIG.write_text(original)


def busctl(*arguments, starts=False):
    """What the service answers; one that is stopped stays so unless the call is to start it."""
    start = "yes" if starts else "no"
    return json.loads(run("busctl", "--system", "--json=short", f"--auto-start={start}",
                          *arguments))["data"]


def manager(prop):
    return busctl("get-property", "org.tuneshift1", "/org/tuneshift1", MANAGER, prop)


def history():
    """The rows of the daemon's record, without the types that D-Bus wraps around the values."""
    rows = busctl("call", "org.tuneshift1", "/org/tuneshift1", MANAGER, "History", "t", "0")[0]
    return [{key: variant["data"] for key, variant in row.items()} for row in rows]


def kinds():
    return [row["kind"] for row in history()]


def rows_of(process):
    """What the record has of a reader: kind → its last row."""
    return {row["kind"]: row for row in history() if row.get("pid") == process.pid}


def nvme_disks():
    return {name for name in os.listdir("/sys/block") if name.startswith("nvme")}


def host(**request):
    """Has the host do what only a hand at the machine could: plug=NAME, unplug=NAME (a disk), and
    cut_power=True, behind which nothing comes."""
    with open(REQUESTS, "r+b", buffering=0) as port:
        port.write(json.dumps(request).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            line += port.read(4096)
    assert "error" not in json.loads(line), line


def hold(profile, *devices):
    """A hold for ten minutes, of the whole machine where no device is named; its cookie."""
    options = ["2" if devices else "1", "ttl", "t", "600"]
    if devices:
        options += ["devices", "as", str(len(devices)), *devices]
    return busctl("call", "org.tuneshift1", "/org/tuneshift1", MANAGER, "Hold", "ssa{sv}", profile,
                  "a test", *options)[0]


def release(cookie, check=True):
    run("busctl", "--system", "--auto-start=no", "call", "org.tuneshift1", "/org/tuneshift1", MANAGER,
        "Release", "u", str(cookie), check=check)


@contextlib.contextmanager
def profile(name, text):
    """A profile of the administrator's, there while it is needed; the daemon reads it at start."""
    path = PROFILES / f"{name}.yaml"
    PROFILES.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    try:
        yield
    finally:
        path.unlink()


@contextlib.contextmanager
def held(name, *devices):
    """A hold of the profile, released at the end."""
    cookie = hold(name, *devices)
    try:
        yield
    finally:
        release(cookie, check=False)  # the daemon may have gone


def wait_equal(what, value, expected, seconds=30):
    """Waits until the value is as expected; tells what it is instead."""
    with contextlib.suppress(AssertionError):
        wait_for(what, lambda: value() == expected, seconds)
    assert value() == expected, f"{what}: {value()} instead of {expected}"


@contextlib.contextmanager
def loop_device(megabytes):
    """A block device of so many MiB of zeros."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as image:
        image.truncate(megabytes << 20)
        device = run("losetup", "--find", "--show", image.name).strip()
        try:
            yield device
        finally:
            run("losetup", "--detach", device)


@contextlib.contextmanager
def mount(what, directory, *options):
    """The directory, which is made where it is not there."""
    os.makedirs(directory, exist_ok=True)
    run("mount", *options, what, directory)
    try:
        yield directory
    finally:
        run("umount", directory)


@contextlib.contextmanager
def mapped(name, *rows):
    """A device-mapper map with these rows as its table; its kernel name."""
    subprocess.run(["dmsetup", "create", name], input="\n".join(rows), text=True, check=True)
    try:
        yield os.path.basename(os.path.realpath(f"/dev/mapper/{name}"))
    finally:
        run("dmsetup", "remove", "--retry", name)


@contextlib.contextmanager
def reader(mode="mmap-sequential", path=MODEL, uid=0, options=(), group=None, wrapper=()):
    """A program that reads all of a cold model and stays alive, as a server does; in a control
    group where one is named, executed by a wrapper where there is one."""
    run("sync")
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    # It serves until its standard input ends.
    with in_group([*wrapper, HOME / "reader", mode, path, "--serve", *options], group, uid,
                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def in_group(command, group=None, uid=0, **pipes):
    """Starts a command as a user and in a control group, which it joins before it runs."""
    user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
    join = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', group] if group else []
    return subprocess.Popen([*join, *user, *command], **pipes)


@contextlib.contextmanager
def control_group(name, **files):
    """A control group of our own, with memory_max=N its file memory.max written; its directory."""
    path = pathlib.Path("/sys/fs/cgroup") / name
    path.mkdir()
    try:
        for file, value in files.items():
            (path / file.replace("_", ".")).write_text(str(value))
        yield path
    finally:
        # A process that was killed is in it until the kernel is done with it.
        wait_for(f"{name} to be empty", lambda: not read(path / "cgroup.procs"))
        path.rmdir()


@contextlib.contextmanager
def full_of_shared_memory(group, mebibytes):
    """So many MiB on tmpfs that are charged to the group."""
    path = "/dev/shm/filling"
    try:
        with in_group(["dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={mebibytes}"], group,
                      stderr=subprocess.DEVNULL) as process:
            assert process.wait() == 0
        yield
    finally:
        os.unlink(path)


def counts(path):
    """A file of "NAME NUMBER" lines, like memory.stat."""
    return {name: int(number) for name, number in map(str.split, read(path).splitlines())}


@contextlib.contextmanager
def slow_store(mount_point, *options, uid=0):
    """A model on FUSE, its path. Its own store is memory, so that nothing is seen of that one."""
    os.makedirs(mount_point, exist_ok=True)
    os.chown(mount_point, uid, uid)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        os.chmod(directory, 0o755)
        shutil.copy(SMALL_MODEL, directory)
        with in_group([HOME / "slowstore", directory, mount_point, *options], uid=uid,
                      stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout.readline() == b"ready\n"
                yield os.path.join(mount_point, os.path.basename(SMALL_MODEL))
            finally:
                process.terminate()


@contextlib.contextmanager
def loading():
    """While a load goes on, under its profile; for half a minute if nobody ends it."""
    before = knobs()
    with slow_store("/mnt/store", "--rate", str(8 << 20)) as model, reader(path=model) as process:
        wait_equal("the load", lambda: manager("State"), "loading")
        now = knobs()  # with those of the store's mount
        assert any(now[path] != value for path, value in before.items())
        yield process


def finished():
    """What the daemon says of the loads that it saw to their end."""
    return [row["text"] for row in history() if row["kind"] == "finished"]


def expect_whole(text, batched=False):
    """Bytes that were seen are all bytes there are; of page-cache fills each CPU may keep a batch,
    less than 1 MiB, that its reader left behind there."""
    match = re.search(r"finished: (\d+) MiB of (\d+) MiB", text)
    assert match, text
    assert 0 <= int(match[2]) - int(match[1]) <= (os.cpu_count() if batched else 0), text


# What the test's machine has of that name, and what machines write down of whatever was on them.
NO_TRACES = (str(HOME), "/run/udev", "/etc/initramfs-tools", "/usr/share/initramfs-tools",
             "/proc", "/sys", "/dev", "/var/log", "/var/lib/dpkg", "/var/lib/systemd")


def traces():
    """Every path with tuneshift in its name but those of the tests."""
    pruned = [word for path in NO_TRACES for word in ("-path", path, "-o")][:-1]
    found = run("find", "/", "(", *pruned, ")", "-prune", "-o", "-name", "*tuneshift*",
                "-print").split()
    return [path for path in found if "tuneshift-vm" not in path]


def remove_unpacked():
    """What cases run that no package manager has put there."""
    with tarfile.open(PAYLOAD) as archive:
        paths = ["/" + member.name for member in archive if not member.isdir()]
    run("systemctl", "disable", "tuneshift.service")
    for path in paths:
        if not path.startswith(str(HOME)):
            os.unlink(path)
    for path in filter(os.path.isdir, traces()):
        shutil.rmtree(path)
    run("systemctl", "daemon-reload")


def dpkg(*arguments):
    """dpkg, which must succeed and warn of nothing."""
    done = subprocess.run(["dpkg", *arguments], capture_output=True, text=True,
                          env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C"))
    assert done.returncode == 0, f"dpkg {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    said = [line for line in done.stderr.splitlines() if "warning" in line]
    assert not said, said
