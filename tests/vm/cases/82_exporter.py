# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 400
"""The exporter's package: a socket that answers, a text file, and nothing left behind."""

import pathlib
import urllib.request

import checks
from checks import PACKAGES, dpkg, run, unit

SERVICE = "tuneshift-exporter.service"
TEXT_FILE = pathlib.Path("/var/lib/prometheus/node-exporter/tuneshift.prom")


def metrics():
    with urllib.request.urlopen("http://127.0.0.1:9839/metrics", timeout=60) as page:
        return page.read().decode().splitlines()


dpkg("--install", *map(str, PACKAGES))
assert unit("tuneshift-exporter.socket", "ActiveState") == "active"
assert unit(SERVICE, "ActiveState") == "inactive", "nobody has asked yet"
assert unit("tuneshift-textfile.timer", "ActiveState") == "inactive"
run("dd", f"if={checks.SMALL_MODEL}", "of=/dev/null", "bs=1M", "count=4", "iflag=direct")
page = metrics()
print(run("journalctl", f"--unit={SERVICE}", "--unit=dbus.service", "--boot", "--no-pager", "--lines=40"))
assert "tuneshift_up 1" in page and 'tuneshift_mode{mode="observe"} 1' in page, page
assert any(line.startswith('tuneshift_device_latency_seconds_bucket{device="nvme0n1"')
           for line in page), page
status = pathlib.Path(f"/proc/{unit(SERVICE, 'MainPID')}/status").read_text()
assert "CapEff:\t0000000000000000" in status and "Uid:\t0\t" not in status, status
exposure = run("systemd-analyze", "security", "--no-pager", SERVICE).splitlines()[-1]
print(f"figure: {exposure.split(':', 1)[1].strip()}")

TEXT_FILE.parent.mkdir(parents=True)
run("systemctl", "start", "tuneshift-textfile.service")
assert "tuneshift_up 1" in TEXT_FILE.read_text().splitlines()
run("systemctl", "stop", "tuneshift.service")
checks.wait_for("a daemon that is down", lambda: metrics()[-1] == "tuneshift_up 0")

run("systemctl", "start", "tuneshift-textfile.timer")
dpkg("--install", str(PACKAGES[1]))  # an upgrade
assert unit("tuneshift-textfile.timer", "ActiveState") == "active"

dpkg("--purge", "tuneshift-exporter")
assert unit("tuneshift-textfile.timer", "ActiveState") == "inactive"
assert not TEXT_FILE.exists()
assert unit(SERVICE, "ActiveState") == unit("tuneshift-exporter.socket", "ActiveState") == "inactive"
dpkg("--purge", "tuneshift")
assert not checks.traces(), checks.traces()
