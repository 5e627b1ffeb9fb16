# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 420
"""Installed, tuneshift observes; upgraded, it goes on and nothing moves; removed, all values are
back; purged, nothing of it is left."""

import os
import subprocess

import checks
from checks import HOME, dpkg, run, traces

PACKAGE = str(HOME / "tuneshift.deb")
SERVICE = "tuneshift.service"


def as_user(name, *command):
    return subprocess.run(["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", *command],
                          capture_output=True, text=True)


def identity():
    return checks.unit(SERVICE, "MainPID"), checks.unit(SERVICE, "InvocationID")


checks.remove_unpacked()
assert not traces(), traces()

before = checks.knobs()
dpkg("--install", PACKAGE)
assert checks.unit(SERVICE, "ActiveState") == "active"
assert run("systemctl", "is-enabled", SERVICE).strip() == "enabled"
print(run("sh", HOME / "installed"))
with checks.reader() as process:
    process.stdout.readline()
    checks.wait_for("a load that was seen to its end", checks.finished)
checks.expect_unchanged(before)

for user, groups in (("vm-member", "tuneshift"), ("vm-other", "")):
    run("useradd", "--no-create-home", "--groups", groups, user)
member, other = (as_user(user, "tuneshiftctl", "history") for user in ("vm-member", "vm-other"))
assert member.returncode == 0 and checks.MODEL in member.stdout, member
assert other.returncode == 1 and checks.MODEL not in other.stdout + other.stderr, other
assert as_user("vm-member", "tuneshiftctl", "mode", "auto").returncode == 1

exposure = run("systemd-analyze", "security", "--no-pager", SERVICE).splitlines()[-1]
print(f"figure: {exposure.split(':', 1)[1].strip()}")

# An upgrade, in the middle of a load that is read ahead of: the same process goes on, and nothing that it
# holds ends or moves.
run("tuneshiftctl", "mode", "auto")
with checks.reader() as process, checks.slow_store("/mnt/store", "--rate", str(6 << 20)) as model:
    process.stdout.readline()
    checks.wait_for("a server", lambda: checks.manager("Servers") == 1)
    dpkg("--unpack", PACKAGE)  # what takes longest
    with checks.reader(path=model, options=("--close",)) as loading:
        checks.wait_for("a load", lambda: "prefetching" in checks.rows_of(loading))
        checks.wait_equal("its state", lambda: checks.manager("State"), "loading")
        # By now: what opens the file during a hold has a window that the slow store needs seconds for.
        cookie = checks.hold("throughput")
        run("tuneshiftctl", "verify")
        in_force, process_before = checks.knobs(), identity()
        probes = checks.manager("Probes")
        dpkg("--configure", "tuneshift")
        # It has taken over by now, and is there for whoever asks next.
        assert "handover" in checks.kinds()
        assert identity() == process_before, (identity(), process_before)
        assert "deleted" not in os.readlink(f"/proc/{checks.unit(SERVICE, 'MainPID')}/exe")
        checks.expect_unchanged(in_force)
        assert (checks.manager("State"), checks.manager("Mode")) == ("loading", "auto")
        assert checks.manager("Servers") == 1
        assert checks.manager("Probes") == probes, checks.manager("Probes")
        # A request to PM QoS has to be made anew, behind which the old one ends.
        written = {row["knob"] for row in checks.history() if row["kind"] in ("written", "restored")}
        assert written <= {"pm_qos/cpu_dma_latency"}, written
        # The new program reads ahead of it as well.
        checks.wait_for("a worker", lambda: "prefetching" in checks.rows_of(loading))
        checks.wait_for("the end of the load", lambda: "finished" in checks.rows_of(loading), 60)
        assert b"load_ms" in loading.stdout.readline()
        for row in checks.history():
            print(row["kind"], row.get("text", ""))
        checks.expect_whole(checks.finished()[-1])
checks.release(cookie)
checks.wait_for("an idle daemon", lambda: checks.manager("State") == "idle")
run("tuneshiftctl", "mode", "observe")  # what loads and servers change machine-wide waits for a minute else
run("tuneshiftctl", "verify")
checks.expect_unchanged(before)

# One whose configuration is wrong goes on as it is.
checks.CONFIG.write_text("mode: nonsense\n")
running = os.stat(f"/proc/{checks.unit(SERVICE, 'MainPID')}/exe").st_ino
said = subprocess.run(["dpkg", "--install", PACKAGE], capture_output=True, text=True)
assert said.returncode == 0 and "the old daemon goes on" in said.stderr, said
assert checks.unit(SERVICE, "ActiveState") == "active"
assert os.stat(f"/proc/{checks.unit(SERVICE, 'MainPID')}/exe").st_ino == running

run("tuneshiftctl", "mode", "auto")
checks.hold("throughput")
checks.wait_for("values of the hold", lambda: checks.differences(before, checks.knobs()))
dpkg("--remove", "tuneshift")
checks.expect_unchanged(before)
assert os.path.exists("/etc/tuneshift/tuneshift.yaml"), "the configuration is the administrator's"
dpkg("--purge", "tuneshift")
assert not traces(), traces()
