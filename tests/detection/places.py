# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a model may lie: file systems and mount namespaces, each with its own copy of the model."""
import os
import shutil
import subprocess

from lib.processes import Failed
from lib.programs import SlowStore

_IMAGE_BYTES = 512 << 20
_NAME = "model.safetensors"


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")


def _mounted(stack, point, *command):
    os.makedirs(point, exist_ok=True)
    _run("mount", *command, point)
    stack.callback(_run, "umount", point)


def _copy(world, folder):
    target = os.path.join(folder, _NAME)
    shutil.copyfile(world.files["model"], target)
    os.sync()
    return {"model": target}


def loop(file_system):
    """A file system of its own on a loop device."""
    def setup(world, folder, stack):
        image, point = os.path.join(folder, "image"), os.path.join(folder, "mount")
        with open(image, "wb") as file:
            file.truncate(_IMAGE_BYTES)
        _run(f"mkfs.{file_system}", "-q", image)
        _mounted(stack, point, "-t", file_system, "-o", "loop", image)
        return _copy(world, point)
    return setup


def overlay(world, folder, stack):
    parts = {name: os.path.join(folder, name) for name in ("lower", "upper", "work")}
    for path in parts.values():
        os.makedirs(path)
    _copy(world, parts["lower"])
    options = "lowerdir={lower},upperdir={upper},workdir={work}".format(**parts)
    point = os.path.join(folder, "mount")
    _mounted(stack, point, "-t", "overlay", "-o", options, "overlay")
    return {"model": os.path.join(point, _NAME)}


def tmpfs(world, folder, stack):
    point = os.path.join(folder, "mount")
    _mounted(stack, point, "-t", "tmpfs", "-o", "size=512m", "tmpfs")
    return _copy(world, point)


def fuse(*options):
    """The slow store, 2 ms a request."""
    def setup(world, folder, stack):
        source, point = os.path.join(folder, "source"), os.path.join(folder, "mount")
        for path in (source, point):
            os.makedirs(path)
        _copy(world, source)
        stack.enter_context(SlowStore(world.build, source, point, "--latency-us", "2000", "--rate",
                                      "0", *options))
        return {"model": os.path.join(point, _NAME)}
    return setup


def with_gpu_node(*command):
    """The command in a mount namespace whose /dev has a file named like a GPU's node, held open."""
    return ("unshare", "--mount", "--propagation", "private", "sh", "-e", "-c",
            "mount -t tmpfs tmpfs /dev; : >/dev/nvidiactl; exec 9</dev/nvidiactl; exec \"$@\"",
            "sh", *command)


def in_namespace(*command):
    """The command in a mount namespace that alone has the models at /mnt."""
    return ("unshare", "--mount", "--propagation", "private", "sh", "-e", "-c",
            "mount --bind \"$0\" /mnt; exec \"$@\"", "{models}", *command)
