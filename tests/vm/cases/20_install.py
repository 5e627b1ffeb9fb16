# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything is where it belongs and finds its libraries; systemd has nothing to complain about."""

import os
import subprocess

from checks import run

PROGRAMS = ("/usr/sbin/tuneshiftd", "/usr/bin/tuneshiftctl", "/usr/lib/tuneshift/tuneshift-inspect",
            "/usr/lib/tuneshift/tuneshift-modules", "/usr/lib/tuneshift/tuneshift-prefetch",
            "/usr/lib/tuneshift/tuneshift-follow", "/usr/lib/tuneshift/tuneshift-drop")
FILES = (
    "/usr/lib/systemd/system/tuneshift.service",
    "/usr/lib/systemd/system/tuneshift-modules.service",
    "/usr/lib/systemd/system-preset/90-tuneshift.preset",
    "/usr/lib/tuneshift/profiles/throughput.yaml",
    "/usr/lib/tuneshift/profiles/latency.yaml",
    "/usr/lib/tuneshift/rules/formats.yaml",
    "/usr/lib/tuneshift/rules/processes.yaml",
    "/usr/share/dbus-1/system.d/org.tuneshift1.conf",
    "/usr/share/dbus-1/system-services/org.tuneshift1.service",
    "/etc/tuneshift/tuneshift.yaml",
)

missing = [path for path in PROGRAMS + FILES if not os.path.isfile(path)]
assert not missing, f"not installed: {' '.join(missing)}"
for program in PROGRAMS:
    libraries = run("ldd", program)
    assert "not found" not in libraries, libraries

verify = subprocess.run(["systemd-analyze", "verify", "--man=no", "tuneshift.service"],
                        capture_output=True, text=True)
assert verify.returncode == 0 and not verify.stderr, verify.stderr
assert run("systemctl", "is-enabled", "tuneshift.service", check=False).strip() == "disabled"
run("systemctl", "preset", "tuneshift.service")
assert run("systemctl", "is-enabled", "tuneshift.service").strip() == "enabled"
