# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that load a model: each has to be one confirmed load."""
import os
import shutil

import places
from lib.machine import make_cold
from rows import LOAD, SERVES, UNSEEN, Row


def reader(name, *words, files=("model",), label=LOAD, place=None, **more):
    """The tests' own reader: a mode and its options."""
    paths = ["{" + file + "}" for file in files]
    return Row(name, label, ("{reader}", words[0], *paths, *words[1:], "--serve"), files,
               setup=place, **more)


def framework(name, verb, file):
    """A library of the distribution, on a file that the library itself wrote."""
    save, suffix = file

    def setup(world, folder, _stack):
        path = os.path.join(folder, "weights" + suffix)
        world.run_program(world.names()["python"], os.path.join(world.programs, "framework.py"),
                          save, path)
        return {"weights": path}

    return Row(name, LOAD, ("{python}", "{programs}/framework.py", verb, "{weights}"), ("weights",),
               setup=setup, lets_go=True)


def made_up(name, file, magic, *beside, holds_gpu=False):
    """A format without a writer at hand: its first bytes, or its name beside another's."""
    def setup(_world, folder, _stack):
        path = os.path.join(folder, file)
        with open(path, "wb") as weights:
            weights.write(magic)
            for _ in range(_MADE_UP_MIB):
                weights.write(os.urandom(1 << 20))
        for other in beside:
            with open(os.path.join(folder, other), "wb") as graph:
                graph.write(bytes(64))
        return {"weights": path}

    command = ("{reader}", "read", "{weights}", "--serve")
    return Row(name, LOAD, places.with_gpu_node(*command) if holds_gpu else command, ("weights",),
               setup=setup)


def _as_llama_server(world, folder, _stack):
    """The reader under a name that a process rule knows."""
    path = os.path.join(folder, "llama-server")
    os.symlink(world.names()["reader"], path)
    return {"server": path}


def phased(name, how, part, between, **more):
    """Says when a part is in, and goes on when `between` is done."""
    def drive(run):
        run.hear()
        between(run)
        run.say("\n")
        run.hear()

    return Row(name, LOAD, ("{python}", "{programs}/phased.py", how, part, "{copy}"), ("copy",),
               setup=_copy, drive=drive, **more)


def _copy(world, folder, _stack):
    """A model of the row's own, because it is replaced."""
    path = os.path.join(folder, "model.safetensors")
    shutil.copyfile(world.files["model"], path)
    return {"copy": path}


def _replace(run):
    path = run.files["copy"]
    os.link(run.names["other"], path + ".new")
    os.rename(path + ".new", path)


def _nothing(_run):
    pass


def _cold_again(run):
    make_cold(run.files["copy"])


_MADE_UP_MIB = 128
_SHARDS = ("shard1", "shard2", "shard3")
_READER_AT = ("{reader}", "mmap-sequential", "/mnt/model.safetensors", "--serve")

LOADERS = (
    reader("mmap, sequential", "mmap-sequential"),
    reader("mmap, tensor order", "mmap-tensor"),
    reader("mmap, random", "mmap-random"),
    reader("mmap, MAP_POPULATE", "mmap-sequential", "--populate"),
    reader("mmap, MADV_RANDOM", "mmap-sequential", "--madvise", "random"),
    reader("mmap, MADV_WILLNEED", "mmap-sequential", "--madvise", "willneed"),
    reader("mmap, MADV_POPULATE_READ", "mmap-sequential", "--madvise", "populate-read"),
    reader("mmap, hinted address", "mmap-sequential", "--hint"),
    reader("mmap, descriptor closed", "mmap-tensor", "--close"),
    reader("mmap, GGUF without a suffix", "mmap-sequential", "--populate", files=("gguf",)),
    reader("mmap, torch archive", "mmap-sequential", files=("torch",)),
    reader("read, 64 KiB", "read"),
    reader("read, 1 MiB", "read", "--step", "1M"),
    reader("read, GGUF without a suffix", "read", "--step", "1M", files=("gguf",)),
    reader("pread, 1 thread", "pread"),
    reader("pread, 4 threads", "pread", "--threads", "4"),
    reader("pread, 16 threads of 2 MiB", "pread", "--threads", "16", "--step", "2M"),
    reader("O_DIRECT, pread", "direct"),
    reader("O_DIRECT, 16 threads", "direct", "--threads", "16"),
    reader("O_DIRECT, libaio", "aio"),
    reader("O_DIRECT, io_uring", "uring-direct"),
    reader("io_uring, inline", "uring"),
    reader("io_uring, forced async", "uring-async"),
    reader("io_uring, SQPOLL", "uring-sqpoll"),
    reader("ranks (4) map one file", "mmap-tensor", processes=4),
    reader("ranks (4) read one file", "read", "--step", "1M", processes=4),
    reader("shards (3) in turn, mmap", "mmap-tensor", files=_SHARDS),
    reader("shards (3) in turn, read", "read", "--step", "1M", files=_SHARDS),
    phased("header first, body later", "mmap", str(64 << 10), _nothing),
    phased("replaced by rename, mmap", "mmap", "0.5", _replace),
    phased("replaced by rename, read", "read", "0.5", _replace),
    phased("fault storm after the load", "again", "1.0", _cold_again),
    framework("torch.load, zip", "torch_load", ("torch_save", ".pt")),
    framework("torch.load, legacy", "torch_load", ("torch_legacy_save", ".bin")),
    framework("numpy.load, npz", "npz_load", ("npz_save", ".npz")),
    framework("h5py", "hdf5_load", ("hdf5_save", ".h5")),
    made_up("TensorFlow variables", "variables.data-00000-of-00001", b"", "variables.index"),
    made_up("ONNX external data", "model.onnx_data", b"", "model.onnx"),
    made_up("TensorRT engine", "model.engine", b"ftrt"),
    made_up("GGML before GGUF", "ggml-model.bin", b"lmgg"),
    Row("llama-server, read", LOAD, ("{server}", "read", "{model}", "--serve"),
        setup=_as_llama_server),
    Row("as another user", LOAD, ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                  "{reader}", "mmap-sequential", "{model}", "--serve")),
    Row("in another mount namespace", LOAD, places.in_namespace(*_READER_AT)),
    Row("holding a GPU node", LOAD,
        places.with_gpu_node("{reader}", "read", "{model}", "--serve")),
    Row("to a GPU through a small buffer", LOAD,
        places.with_gpu_node("{reader}", "read", "{model}", "--discard", "--serve")),
    made_up("unknown format, holding a GPU", "weights.dat", b"", holds_gpu=True),
    reader("ext4 on a loop device", "mmap-sequential", place=places.loop("ext4")),
    reader("xfs on a loop device", "mmap-sequential", place=places.loop("xfs")),
    reader("btrfs on a loop device", "mmap-sequential", place=places.loop("btrfs"), diskless=True),
    reader("btrfs, read", "read", place=places.loop("btrfs"), diskless=True),
    reader("overlayfs, mmap", "mmap-sequential", place=places.overlay),
    reader("overlayfs, read", "read", place=places.overlay),
    reader("FUSE, mmap", "mmap-sequential", place=places.fuse(), diskless=True),
    reader("FUSE, read", "read", place=places.fuse(), diskless=True),
    reader("FUSE, no keep_cache", "mmap-sequential", place=places.fuse("--no-keep-cache"), diskless=True),
    reader("all cached, mmap", "mmap-sequential", label=SERVES, warm=True),
    Row("all cached, llama-server maps", SERVES, ("{server}", "mmap-random", "{model}", "--serve"),
        warm=True, setup=_as_llama_server),
    reader("tmpfs", "mmap-sequential", label=UNSEEN, place=places.tmpfs, warm=True),
)
