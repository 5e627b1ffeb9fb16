# SPDX-License-Identifier: LGPL-2.1-or-later
"""Saves and loads weights by a framework of the distribution: framework.py VERB PATH.

A loader says "loaded" and stays until its input ends, as a server does.
"""
import os
import sys

ELEMENTS = 48 << 20  # of 4 bytes


def torch_save(path, zipped=True):
    import torch
    torch.save({"weight": torch.rand(ELEMENTS)}, path, _use_new_zipfile_serialization=zipped)


def torch_load(path):
    import torch
    return torch.load(path)


def torch_checkpoint(path):
    """As trainers save: under another name, then renamed."""
    torch_save(path + ".tmp")
    os.rename(path + ".tmp", path)


def torch_map(path):
    import torch
    return torch.from_file(path, size=ELEMENTS).sum()


def numpy_weights():
    import numpy
    return numpy.random.default_rng(1).random(ELEMENTS, dtype="float32")


def npy_save(path):
    import numpy
    numpy.save(path, numpy_weights())


def npy_load(path):
    import numpy
    return numpy.load(path)


def npy_map(path):
    import numpy
    weights = numpy.load(path, mmap_mode="r")
    return weights, weights.sum()


def npz_save(path):
    import numpy
    numpy.savez(path, weight=numpy_weights())


def npz_load(path):
    import numpy
    return numpy.load(path)["weight"]


def hdf5_save(path):
    import h5py
    with h5py.File(path, "w") as file:
        file["model_weights/dense/kernel"] = numpy_weights()


def hdf5_load(path):
    import h5py
    with h5py.File(path, "r") as file:
        return file["model_weights/dense/kernel"][...]


def torch_legacy_save(path):
    torch_save(path, zipped=False)


def main():
    verb, path = sys.argv[1:]
    kept = globals()[verb](path)
    if kept is not None:
        print("loaded", flush=True)
        sys.stdin.read()


main()
