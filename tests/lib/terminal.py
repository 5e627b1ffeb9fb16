# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text for people: colours on a terminal, plain elsewhere."""
import os
import sys

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34",
            "cyan": "36"}
_COLOURFUL = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(colour, text):
    return f"\033[{_COLOURS[colour]}m{text}\033[0m" if _COLOURFUL and colour else text


def say(text=""):
    print(text, flush=True)


def title(text):
    say()
    say(paint("bold", text))


def size(count):
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return ""


def rate(bytes_a_second):
    return f"{bytes_a_second / 1e9:.2f} GB/s"


def milliseconds(value):
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def table(header, rows):
    """Prints rows of text under a header; numbers to the right."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for number, line in enumerate(lines):
        cells = []
        for column, cell in enumerate(line):
            right = cell[:1].isdigit() and number > 0
            cells.append(cell.rjust(widths[column]) if right else cell.ljust(widths[column]))
        text = "  ".join(cells).rstrip()
        say("  " + (paint("bold", text) if number == 0 else text))
