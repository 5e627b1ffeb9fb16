# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernels that the machine boots beside its distribution's own: Debian's packages of them,
unpacked onto the same user land."""

import re
import shutil

import debian

SUITE = "trixie-backports"  # its kernels change from release to release, see newest()
WANTED = (r"6\.12\.\d+\+deb12", r"\d+\.\d+\.\d+\+deb13")
PARTS = ("image", "base", "binary", "modules")  # older packages have all in the first

# Nothing that the machine has; most of the megabytes.
LEFT_OUT = ("sound", "drivers/gpu", "drivers/net", "drivers/media", "drivers/infiniband",
            "drivers/iio", "drivers/staging", "drivers/usb", "drivers/hid", "net/wireless",
            "net/mac80211")


def newest(versions, pattern):
    """The newest of them that fits, or None."""
    fitting = [version for version in versions if re.fullmatch(pattern, version)]
    return max(fitting, key=lambda version: [int(number) for number in
                                             version.split("+")[0].split(".")], default=None)


def download(cache, say):
    """The packages of the kernels that there are, in the cache: version → files."""
    index = debian.Index(cache / "apt", SUITE)
    names = set(index.names("linux-"))
    versions = [match[1] for match in (re.fullmatch(r"linux-image-(\d\S*)-amd64", name)
                                       for name in names) if match]
    packages = {}
    for pattern in WANTED:
        version = newest(versions, pattern)
        if version is None:
            say(f"the mirror has no kernel like {pattern}")
            continue
        packages[version] = [name for name in (f"linux-{part}-{version}-amd64" for part in PARTS)
                             if name in names]
    directory = cache / "packages"
    index.download(sum(packages.values(), []), directory)
    shutil.rmtree(cache / "apt")
    return {version: [next(directory.glob(f"{name}_*.deb")) for name in names]
            for version, names in packages.items()}


# Newer packages leave it to a script of theirs to copy the kernel to /boot.
UNPACKED_HOOK = """
for name in vmlinuz config; do
  [ -e "$1/boot/$name-VERSION" ] ||
    cp "$1/usr/lib/modules/VERSION/$name" "$1/boot/$name-VERSION"
done
chroot "$1" depmod VERSION
chroot "$1" update-initramfs -c -k VERSION
"""


def hook(packages):
    """A hook of mmdebstrap that unpacks the kernels and makes an initramfs of each."""
    excludes = " ".join(f"--exclude='*/kernel/{path}'" for path in LEFT_OUT)
    script = "set -e\n"
    for version, files in packages.items():
        for file in files:
            script += (f"dpkg-deb --fsys-tarfile '{file}' | "
                       f"tar --extract --keep-directory-symlink --directory \"$1\" {excludes}\n")
        script += UNPACKED_HOOK.replace("VERSION", f"{version}-amd64")
    return script
