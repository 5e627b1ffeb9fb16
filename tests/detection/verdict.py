# SPDX-License-Identifier: LGPL-2.1-or-later
"""From the daemon's history to what it decided about one run. Pure."""
import dataclasses

from rows import LOAD, MAYBE, NOT, SERVES


@dataclasses.dataclass
class Verdict:
    decided: str  # load, serving, rejected, suspected only, not seen
    reason: str = ""
    loads: int = 0
    end: str = ""  # of the load: finished or abandoned
    suspected_ms: float = 0.0  # from the first miss or mapping
    load_ms: float = 0.0  # the same, 0: never
    knobs: tuple = ()  # written for it, beside the read-ahead of its store
    owners: frozenset = frozenset()  # as whom it may have knobs
    pending: bool = False  # something is yet to be decided


def pids_of(history, inodes, pids):
    """Of the run: the processes that were started for it, and who reads one of its files."""
    readers = {row["pid"] for row in history if row["kind"] == "suspected"
               and int(row["file"].rsplit(":", 1)[1]) in inodes}
    return readers | set(pids)


def _owners(pids, loads):
    return frozenset([f"{kind} {pid}" for pid in pids for kind in ("suspect", "server")]
                     + [f"load {number}" for number in loads])


def _ends(history, numbers):
    return [row["kind"] for row in history if row["kind"] in ("finished", "abandoned")
            and row["load"] in numbers]


def judge(history, inodes, pids):
    pids = pids_of(history, inodes, pids)
    rows = [row for row in history if row.get("pid") in pids]
    by_kind = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)
    suspected = by_kind.get("suspected", [])
    started = by_kind.get("started", [])
    rejected = by_kind.get("rejected", [])
    serving = by_kind.get("serving", [])
    numbers = [row["load"] for row in started]
    owners = _owners(pids, numbers)
    knobs = {row["knob"] for row in history if row["kind"] == "written"
             and row.get("owner") in owners and not row["knob"].endswith("/read_ahead_kb")}
    verdict = Verdict("not seen", loads=len(started), knobs=tuple(sorted(knobs)),
                      owners=owners)
    if suspected:
        verdict.decided = "suspected only"
        verdict.suspected_ms = suspected[0]["after_us"] / 1000
        known = {(row["pid"], row["file"]) for row in rejected if "file" in row}
        verdict.pending = any((row["pid"], row["file"]) not in known for row in suspected)
    if rejected:
        verdict.decided = "rejected"
        verdict.reason = "; ".join(dict.fromkeys(row["reason"] for row in rejected))
    if serving and not started:
        verdict.decided = "serving"
        verdict.reason = serving[0].get("reason", "")
        verdict.pending = False
    if started:
        first = started[0]
        verdict.decided = "load"
        verdict.reason = first["evidence"]
        verdict.load_ms = (first["mono"] - suspected[0]["mono"]) / 1000 + verdict.suspected_ms
        ends = _ends(history, numbers)
        verdict.end = "abandoned" if "abandoned" in ends else "".join(ends[:1])
        verdict.pending = len(ends) < len(started)
    return verdict


def wrong(row, verdict):
    """What is wrong with a verdict, or an empty text."""
    wanted = row.loads if row.label == LOAD else 0
    if row.label == MAYBE:
        # Each rank of it may be told of when the one before is done.
        wanted = min(max(row.loads, row.processes), verdict.loads)
    if verdict.loads != wanted:
        return f"{verdict.loads} loads, expected {wanted}"
    if row.label == SERVES and verdict.decided != "serving":
        return f"{verdict.decided}, expected serving"
    if row.label == NOT and verdict.decided not in ("rejected", "not seen"):
        return f"{verdict.decided}, expected a rejection"
    if row.label == NOT and verdict.knobs:
        return "wrote " + ", ".join(verdict.knobs[:3])
    return ""


def score(results):
    """(recall, precision) of confirmed loads over [(row, verdict)], each None without one."""
    # What a row may miss counts as missed all the same.
    loads = [(row, verdict) for row, verdict in results if row.label in (LOAD, MAYBE)]
    expected = sum(row.loads for row, _ in loads)
    found = sum(min(row.loads, verdict.loads) for row, verdict in loads)
    confirmed = sum(verdict.loads for _, verdict in results)
    return (found / expected if expected else None, found / confirmed if confirmed else None)
