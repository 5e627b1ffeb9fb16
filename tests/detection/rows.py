# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a row of the matrix is."""
import dataclasses
from typing import Callable, Optional

# Labels, and what the daemon has to decide for each.
LOAD = "load"  # a model load: exactly so many are started
NOT = "not"  # no load, and no knob but the store's read-ahead
SERVES = "serves"  # all of it is cached: no load, but the process serves
UNSEEN = "unseen"  # a load that no signal tells of, and that needs no help
MAYBE = "maybe"  # a load that is sampled: over between two looks it may be missed, or be one a rank

Words = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Row:
    """`command` has {names} from the world and from `setup`.

    A loader prints a line when all is loaded and stays until its standard input ends. A confuser
    runs to its end with status 0. `files` are made cold before each run; a program that reads one
    of them, or a file of its own {out} folder, belongs to the row.
    """
    name: str
    label: str
    command: Words
    files: Words = ("model",)
    loads: int = 1  # of a row labelled LOAD
    processes: int = 1  # started at once
    warm: bool = False  # the files are in the page cache instead
    # (world, folder, stack) → more {names}, once for the row; undone with the stack
    setup: Optional[Callable] = None
    # (run): talks to the program, until it has loaded
    drive: Optional[Callable] = None
    lets_go: bool = False  # neither keeps its file open nor mapped
    diskless: bool = False  # its store has no disk: FUSE, btrfs
    environment: tuple[tuple[str, str], ...] = ()


def shell(text):
    """A command of several programs, in one shell."""
    return ("sh", "-e", "-c", text)
