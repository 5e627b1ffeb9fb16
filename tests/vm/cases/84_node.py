# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 400
"""What the DaemonSet's pod does on its node: installs, again, with a mistake, and removes."""

import os
import subprocess

import checks
from checks import HOME, PACKAGES, manager, unit

before = checks.knobs()
packages, configuration = HOME / "packages", HOME / "configuration.yaml"
packages.mkdir()
for package in PACKAGES:
    os.link(package, packages / package.name)
configuration.write_text("mode: manual\n")
environment = dict(os.environ, PACKAGES=str(packages), CONFIGURATION=str(configuration), ONCE="1")


def on_node(verb):
    return subprocess.run([str(HOME / "install-on-node"), verb], env=environment, text=True,
                          capture_output=True)


done = on_node("install")
assert done.returncode == 0, done
assert manager("Mode") == "manual"
process = unit("tuneshift.service", "MainPID")
done = on_node("install")
assert done.returncode == 0 and unit("tuneshift.service", "MainPID") == process, done
configuration.write_text("mode: nonsense\n")
done = on_node("install")
assert done.returncode != 0 and "unknown mode" in done.stdout + done.stderr, done
assert manager("Mode") == "manual" and "manual" in checks.CONFIG.read_text()
done = on_node("remove")
assert done.returncode == 0, done
checks.expect_unchanged(before)
