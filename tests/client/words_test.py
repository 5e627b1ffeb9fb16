#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every verb and option that the programs offer is in their manuals and completions."""
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
CLIENT, DAEMON = sys.argv.pop(1), sys.argv.pop(1)
COMPLETIONS = {"bash": "tuneshiftctl.bash", "zsh": "_tuneshiftctl", "fish": "tuneshiftctl.fish"}


def help_of(program, *verbs):
    return subprocess.run([program, *verbs, "--help"], check=True, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL).stdout


def options_of(text):
    return {option for line in re.findall(r"^ +(-\S+)", text, re.MULTILINE)
            for option in line.split(",") if option.startswith("--")}


def verbs_of(text):
    block = re.search(r"^(?:Verbs|Subcommands):\n((?:  .*\n)+)", text, re.MULTILINE | re.IGNORECASE)
    return re.findall(r"^  (\S+)", block[1], re.MULTILINE) if block else []


def read_manual(name):
    return (SOURCE / "docs/man" / name).read_text(encoding="utf-8").replace("\\-", "-")


def offered():
    """(verb, its options); '' for the program's own."""
    top = help_of(CLIENT)
    yield "", options_of(top)
    for verb in verbs_of(top):
        text = help_of(CLIENT, verb)
        yield verb, options_of(text)
        for second in verbs_of(text):
            yield second, options_of(help_of(CLIENT, verb, second))


class Words(unittest.TestCase):
    def test_client(self):
        words = list(offered())
        self.assertGreater(len(words), 20)
        texts = {name: (SOURCE / "client/completion" / name).read_text(encoding="utf-8")
                 for name in COMPLETIONS.values()}
        texts["tuneshiftctl.1"] = read_manual("tuneshiftctl.1")
        for name, text in texts.items():
            for verb, options in words:
                with self.subTest(file=name, verb=verb):
                    if verb:
                        self.assertRegex(text, rf"(?<![\w-]){re.escape(verb)}(?![\w-])")
                    for option in options:
                        # fish names them without their dashes.
                        pattern = rf"-l {option[2:]}\b" if name.endswith("fish") else rf"{option}\b"
                        self.assertRegex(text, pattern)

    def test_daemon(self):
        options = options_of(help_of(DAEMON))
        self.assertIn("--restore", options)
        manual = read_manual("tuneshiftd.8")
        for option in options:
            self.assertRegex(manual, rf"{option}\b")

    def test_configuration(self):
        """Every key of tuneshift.yaml has a line of its own in its manual."""
        manual = read_manual("tuneshift.yaml.5")
        section = ""
        keys = 0
        for line in (SOURCE / "systemd/tuneshift.yaml").read_text(encoding="utf-8").splitlines():
            match = re.match(r"( *)(\w+):(.*)", line)
            if not match:
                continue
            if not match[1]:
                section = match[2]
            name = f"{section}.{match[2]}" if match[1] else match[2]
            if match[3].strip():
                keys += 1
                self.assertRegex(manual, rf"\b{re.escape(name)} \" *\(\" {re.escape(match[3].strip())} ")
        self.assertGreaterEqual(keys, 12)

    def test_shells(self):
        for shell, name in COMPLETIONS.items():
            if shutil.which(shell) is None:
                continue
            with self.subTest(shell=shell):
                done = subprocess.run([shell, "-n", SOURCE / "client/completion" / name],
                                      capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipIf(shutil.which("man") is None, "no man")
    def test_manuals(self):
        for manual in (SOURCE / "docs/man").iterdir():
            with self.subTest(manual=manual.name):
                done = subprocess.run(["man", "--warnings", "--local-file", manual],
                                      capture_output=True, text=True, stdin=subprocess.DEVNULL)
                self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
