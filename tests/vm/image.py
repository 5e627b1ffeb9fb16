# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cached disk image of the virtual machine: a release of Debian with what a target machine has, and
the kernels that it can be booted with."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

import debian
import kernels
import machine

PACKAGES = """
    systemd systemd-sysv dbus polkitd udev kmod linux-image-amd64 initramfs-tools tuned
    e2fsprogs iproute2 procps python3 fuse3 dmsetup nfs-kernel-server
    ansible-core python3-apt liburing2
""".split()
SIZE = "4G"
DEADLINE_S = 900
HERE = pathlib.Path(__file__).resolve().parent

# Installed by the image; everything that changes from run to run comes with the payload drive, so
# that a change of the sources does not make a new image.
HOOK_UNIT = """\
[Unit]
Description=tuneshift machine tests
After=multi-user.target

[Service]
ExecStart=/bin/sh -ec 'cd /opt/tuneshift-vm 2>/dev/null && [ -e resume.json ] || \\
  tar -xf /dev/disk/by-id/virtio-payload --keep-directory-symlink -C /; \\
  exec /usr/bin/python3 -u /opt/tuneshift-vm/runner.py'
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
"""

# Before the packages: a small initramfs (the defaults carry drivers of every disk there is).
INITRAMFS_HOOK = """set -e
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
echo MODULES=list > "$1/etc/initramfs-tools/conf.d/tuneshift"
printf 'virtio_pci\\nvirtio_blk\\next4\\n' > "$1/usr/share/initramfs-tools/modules.d/tuneshift"
"""

# tuned is held on a profile that leaves read-ahead alone: what changes it in a test is tuneshift.
CUSTOMIZE_HOOK = """set -e
echo tuneshift-vm > "$1/etc/hostname"
printf '127.0.0.1 localhost tuneshift-vm\\n' > "$1/etc/hosts"
rm -f "$1/etc/resolv.conf"
echo balanced > "$1/etc/tuned/active_profile"
echo manual > "$1/etc/tuned/profile_mode"
chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
  e2scrub_reap.service fstrim.timer dpkg-db-backup.timer getty@tty1.service
chroot "$1" systemctl disable nfs-server.service nfs-client.target rpcbind.service rpcbind.socket
chroot "$1" systemctl enable tuneshift-vm.service
"""


class ImageError(Exception):
    pass


def recipe_key(libraries):
    """Names the image by all that it is made from: these files and packages are the recipe."""
    recipe = b"".join((HERE / name).read_bytes() for name in ("debian.py", "image.py", "kernels.py"))
    return hashlib.sha256(recipe + " ".join(libraries).encode()).hexdigest()[:16]


def debootstrap(directory, log, suite, libraries, packages):
    """Fills `directory`, in a mount name space of its own: whatever happens, none of its mounts is
    seen here, and so nothing of this machine lies in what is deleted afterwards."""
    sources = directory.with_name("sources.list")
    sources.write_text("\n".join(debian.sources(suite)) + "\n")
    unit = directory.with_name("tuneshift-vm.service")
    unit.write_text(HOOK_UNIT)
    command = ["unshare", "--mount", "mmdebstrap", "--mode=root", "--variant=minbase",
               "--format=directory", *debian.options(),
               *(f"--dpkgopt=path-exclude=/usr/share/{what}/*"
                 for what in ("man", "doc", "locale")),
               "--include=" + ",".join(PACKAGES + libraries),
               "--essential-hook=" + INITRAMFS_HOOK,
               f"--customize-hook=copy-in {unit} /etc/systemd/system",
               "--customize-hook=" + CUSTOMIZE_HOOK,
               "--customize-hook=" + kernels.hook(packages),
               suite, str(directory), str(sources)]
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   preexec_fn=machine.die_with_parent)
        try:
            status = process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise ImageError(f"mmdebstrap took more than {DEADLINE_S} s, see {log}") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if status != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ImageError(f"mmdebstrap failed ({status}):\n{tail}")


def take_kernels(root, directory):
    """Moves what QEMU boots from out of the root: DIRECTORY/VERSION/vmlinuz and initrd."""
    for kernel in (root / "boot").glob("vmlinuz-*"):
        version = kernel.name.removeprefix("vmlinuz-")
        place = directory / version.removesuffix("-amd64")
        place.mkdir(parents=True)
        shutil.move(kernel, place / "vmlinuz")
        shutil.move(root / f"boot/initrd.img-{version}", place / "initrd")


def build(image, log, suite, libraries, packages):
    work = image.with_name(image.name + ".new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        root = work / "root"
        debootstrap(root, log, suite, libraries, packages)
        take_kernels(root, work / "kernels")
        make_ext4(work / "root.img", SIZE, root, "tuneshift-root")
        for scrap in ("sources.list", "tuneshift-vm.service"):
            (work / scrap).unlink()
        shutil.rmtree(root)
        work.rename(image)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def make_ext4(path, size, content, label):
    """A sparse file with an ext4 that holds `content`; needs no mount."""
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", label, "-d", str(content),
                    "-E", "lazy_itable_init=0,lazy_journal_init=0", str(path), size],
                   check=True, stdout=subprocess.DEVNULL)


def ensure(cache, suite, libraries, say):
    """The directory of the image (root.img, kernels/) with these packages beside those that all
    machines have, made when the cache lacks it. Only this machine's own suite has more kernels than
    its own."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        image = cache / f"image-{recipe_key(libraries)}"
        if not image.is_dir():
            say("making the image (once, two to three minutes)")
            begin = time.monotonic()
            for old in cache.glob("image-*"):
                shutil.rmtree(old)
            more = kernels.download(cache, say) if suite == debian.SUITE else {}
            build(image, cache / "image.log", suite, libraries, more)
            used = os.stat(image / "root.img").st_blocks * 512 >> 20
            say(f"image made in {time.monotonic() - begin:.0f} s, {used} MiB")
        return image
