# SPDX-License-Identifier: LGPL-2.1-or-later
"""Part 1: one real load from the machine's disk, from the first byte to the last knob."""
import os
import time

from lib import terminal
from lib.machine import Snapshot, block_device, make_cold
from lib.programs import Reader, make_model
from lib.processes import Failed, wait_for
from lib.service import History
from lib.terminal import paint, say

from story import Story

MODEL_BYTES = 2 << 30
POLL_SECONDS = 0.15
PROGRESS_STEP = 0.1  # of the file, between two lines
SERVE_SECONDS = 2


def monotonic_us():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class LocalLoad:
    def __init__(self, build, scratch, daemon, checks):
        self.build = build
        self.daemon = daemon
        self.checks = checks
        self.path = scratch.join("model.safetensors")
        self.story = None
        self.history = None

    def run(self):
        device = block_device(os.path.dirname(self.path))
        say(f"writing {terminal.size(MODEL_BYTES)} of safetensors to {device}, then dropping it "
            "from the page cache")
        make_model(self.build, self.path, MODEL_BYTES)
        make_cold(self.path)
        before = Snapshot(self.daemon.profiles)
        ready = self.daemon.start()
        say(f"tuneshiftd is ready after {ready * 1000:.0f} ms; "
            f"{len(before.values)} kernel values noted")
        self.history = History(self.daemon)
        self.history.poll()
        self.story = Story(monotonic_us(), 0)
        with Reader(self.build, "mmap-sequential", self.path, "--serve") as reader:
            self.story.pid = reader.pid
            say(f"reader ({reader.pid}) maps the file and touches every page, then serves")
            self._follow_load(reader)
            self._follow_serving()
            wait_for(self._tell_news, SERVE_SECONDS, POLL_SECONDS)
            self.story.line(monotonic_us(), "bold", "server ends", f"reader ({reader.pid})")
            reader.leave()
        self._follow_return(before)
        self.daemon.stop()
        self.checks.add("every kernel value is back after the daemon ended",
                        not before.differences(Snapshot(self.daemon.profiles)))
        os.unlink(self.path)

    def _tell_news(self):
        # In the order of their times: rows of one decision are recorded when it is complete.
        for row in sorted(self.history.poll(), key=lambda row: row["mono"]):
            self.story.tell(row)

    def _follow_load(self, reader):
        deadline = time.monotonic() + 120
        shown = 0
        while reader.result is None:
            loads = self.daemon.ask("loads")
            now_us = monotonic_us()
            self._tell_news()
            for load in loads:
                part = load["bytes_loaded"] / max(1, load["bytes_total"])
                if load["state"] == "loading" and part >= shown + PROGRESS_STEP:
                    shown = part
                    self.story.progress(now_us, load)
            if reader.has_loaded(POLL_SECONDS):
                reader.loaded()
            elif time.monotonic() > deadline:
                raise Failed("the reader did not finish in two minutes")
        self._tell_news()
        result = reader.result
        took = result["load_ms"]
        end_us = result["start_mono_ns"] // 1000 + int(took * 1000)
        self.story.line(end_us, "bold", "reader is done",
                        f"{terminal.size(result['bytes'])} in {took:.0f} ms, "
                        f"{terminal.rate(result['bytes'] / took * 1000)}")
        self._check_detection(reader)

    def _check_detection(self, reader):
        def started():
            self._tell_news()
            return (self.history.find("started", pid=reader.pid)
                    or self.history.find("rejected", pid=reader.pid))

        wait_for(started, 10, POLL_SECONDS)
        suspected = self.history.find("suspected", pid=reader.pid)
        found = self.history.find("started", pid=reader.pid)
        detail = "no such record"
        if suspected:
            first = suspected[0]
            late_ms = first["mono"] / 1000 - reader.result["start_mono_ns"] / 1e6
            detail = (f"{late_ms:.1f} ms after its start, by {first['evidence']}, "
                      f"{terminal.size(first['bytes'])} read")
        self.checks.add("load suspected", bool(suspected), detail)
        self.checks.add("load detected", bool(found),
                        found[0]["evidence"] if found else "no such record")
        self._check_help(reader)

    def _check_help(self, reader):
        written = self.history.find("written", profile="throughput")
        waits = [row["after_us"] / 1000 for row in written]
        detail = (f"{len(written)} knobs, {min(waits):.1f} to {max(waits):.1f} ms after the "
                  "suspicion" if written else "no such record")
        self.checks.add("throughput applied", bool(written), detail)
        raised = any(row["knob"].endswith("read_ahead_kb") for row in written)
        rows = self.history.find("rewindowed", pid=reader.pid)
        if rows or raised:
            self.checks.add("reader re-windowed", bool(rows),
                            f"{rows[0]['descriptors']} descriptor" if rows else "no such record")
        else:
            say(paint("dim", " " * 13 + "this disk's read-ahead was large enough already: nothing "
                                        "to re-window here"))

    def _follow_serving(self):
        if not self.history.find("started"):
            return

        def serving():
            self._tell_news()
            return (self.history.find("finished") and self.history.find("serving")
                    and self.history.find("written", profile="latency"))

        wait_for(serving, 20, POLL_SECONDS)
        rows = self.history.find("finished")
        self.checks.add("load finished", bool(rows),
                        f"{terminal.size(rows[0]['bytes'])} seen, {terminal.rate(rows[0]['rate'])}"
                        if rows else "no such record")
        written = self.history.find("written", profile="latency")
        self.checks.add("latency applied", bool(written),
                        f"{len(written)} knobs" if written else "no such record")

    def _follow_return(self, before):
        def back():
            self._tell_news()
            return not before.differences(Snapshot(self.daemon.profiles))

        good = wait_for(back, 20, POLL_SECONDS)
        self._tell_news()
        left = before.differences(Snapshot(self.daemon.profiles))
        self.checks.add("every kernel value is back after the server ended", bool(good),
                        f"{len(before.values)} compared" if good else "; ".join(left[:4]))
