# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tells the daemon's record of one load as it grows."""
from lib import terminal
from lib.terminal import paint, say

_LABELS = {
    "suspected": ("yellow", "load suspected"),
    "inspected": ("dim", "file looked at"),
    "started": ("green", "load detected"),
    "finished": ("green", "load finished"),
    "abandoned": ("yellow", "load abandoned"),
    "rejected": ("yellow", "rejected"),
    "rewindowed": ("cyan", "re-windowed"),
    "serving": ("green", "serving"),
    "idle": ("green", "idle"),
    "yielded": ("red", "yielded"),
    "failed": ("red", "failed"),
}


def _knob_text(row):
    late = f"  {row['after_us'] / 1000:.1f} ms after its cause" if row.get("after_us") else ""
    return f"{row['knob']:<36} {row['from']} → {row['to']}" + paint("dim", late)


class Story:
    """Prints each row with the time since `origin_us`, a CLOCK_MONOTONIC time."""

    def __init__(self, origin_us, pid):
        self.origin_us = origin_us
        self.pid = pid

    def line(self, mono_us, colour, label, text):
        since = paint("dim", f"{(mono_us - self.origin_us) / 1e6:+9.3f} s")
        say(f"{since}  {paint(colour, f'{label:<15}')} {text}")

    def tell(self, row):
        kind = row.get("kind")
        if "pid" in row and row["pid"] not in (0, self.pid):
            return  # another program's
        if kind == "written":
            self.line(row["mono"], "blue", row["profile"], _knob_text(row))
        elif kind == "restored":
            self.line(row["mono"], "blue", "put back", _knob_text(row))
        elif kind == "suspected":
            bytes_read = terminal.size(row["bytes"])
            self.line(row["mono"], "yellow", "load suspected",
                      f"{row['command']} ({row['pid']}): {row['evidence']}, {bytes_read} read")
        elif kind in _LABELS:
            self.line(row["mono"], *_LABELS[kind], row.get("text", ""))

    def progress(self, mono_us, load):
        done, total = load["bytes_loaded"], max(1, load["bytes_total"])
        filled = min(20, round(20 * done / total))
        bar = "█" * filled + "░" * (20 - filled)
        self.line(mono_us, "cyan", "progress",
                  f"{bar} {terminal.size(done)} of {terminal.size(total)}, "
                  f"{terminal.rate(load['rate'])}")
