# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's packages, from where this machine's own apt gets its packages."""

import re
import subprocess

SUITE = "bookworm"  # this machine's own


class AptError(Exception):
    pass


def sources(suite=SUITE):
    """A suite's sources as lines of a sources.list: of its own as this machine has them configured."""
    if suite != SUITE:
        return [f"deb {archive()} {suite} main"]
    command = ["apt-get", "indextargets", "--format",
               "$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)", "Created-By: Packages"]
    for attempt in (1, 2):
        lines = []
        targets = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for row in targets.splitlines():
            match = re.fullmatch(rf"Debian main ({SUITE}(?:-updates|-security)?) (\S+)", row)
            if match:
                lines.append(f"deb {match[2]} {match[1]} main")
        if any(line.endswith(f" {SUITE} main") for line in lines):
            return lines
        # Without downloaded indexes apt does not know the origins.
        if attempt == 1:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
    raise AptError(f"apt on this machine has no sources of Debian {SUITE}")


def archive():
    """Where the suites lie."""
    return next(line.split()[1] for line in sources() if line.endswith(f" {SUITE} main"))


def dependencies(package):
    """The names of what a package file depends on, of alternatives the first."""
    text = subprocess.run(["dpkg-deb", "--field", str(package), "Depends"], check=True,
                          capture_output=True, text=True).stdout
    return [item.split("|")[0].split("(")[0].strip() for item in text.split(",")]


def options():
    """The proxies and date checks of this machine: what its apt needs, the image's needs too."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], check=True, capture_output=True,
                          text=True).stdout
    pattern = re.compile(r"Acquire::(https?::Proxy\b|Check-Valid-Until|Check-Date)", re.IGNORECASE)
    return [f"--aptopt={line}" for line in dump.splitlines() if pattern.match(line)]


class Index:
    """Packages of the suite and of another one, without touching what this machine's apt knows."""

    def __init__(self, directory, other_suite):
        self.directory_ = directory
        (directory / "lists").mkdir(parents=True, exist_ok=True)
        lines = [*sources(), *sources(other_suite)]
        (directory / "sources.list").write_text("\n".join(lines) + "\n")
        self.run_("apt-get", "update", "-qq")

    def run_(self, program, *arguments, **more):
        places = (f"Dir::Etc::sourcelist={self.directory_}/sources.list",
                  "Dir::Etc::sourceparts=/dev/null", f"Dir::State::lists={self.directory_}/lists",
                  "Dir::State::status=/dev/null", f"Dir::Cache={self.directory_}",
                  "APT::Sandbox::User=root")
        command = [program, *(f"--option={place}" for place in places), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, **more)
        if done.returncode != 0:
            raise AptError(f"{program} {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def names(self, prefix):
        return self.run_("apt-cache", "pkgnames", prefix).split()

    def download(self, names, directory):
        """What is there already is not downloaded again."""
        directory.mkdir(exist_ok=True)
        self.run_("apt-get", "-qq", "download", *names, cwd=directory)
