# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 120
"""Two disks under one map: the read-ahead is the map's, the queue's settings are the disks'. A
cache's migration threshold is a message, and goes back by one."""

from checks import daemon, held, loop_device, mapped, profile, read, run, unit, wait_equal

PROFILE = """summary: while a test holds it
block:
  queue/read_ahead_kb: 3072
  queue/nomerges: 2
  dm/migration_threshold: 20480
"""


def queue(device, name):
    return read(f"/sys/block/{device.rsplit('/', 1)[-1]}/queue/{name}")


def sectors(device):
    return int(run("blockdev", "--getsz", device))


def threshold():
    words = run("dmsetup", "status", "vm-cache").split()
    return words[words.index("migration_threshold") + 1]


with profile("vm-maps", PROFILE), loop_device(64) as one, loop_device(32) as two:
    with mapped("vm-linear", f"0 {sectors(one)} linear {one} 0",
                f"{sectors(one)} {sectors(two)} linear {two} 0") as name, daemon("manual"):
        def settings():
            return [(queue(device, "read_ahead_kb"), queue(device, "nomerges"))
                    for device in (name, one, two)]

        before = settings()
        (_, of_map), (ahead, _), _ = before
        with held("vm-maps", name):
            wait_equal("the settings", settings, [("3072", of_map), (ahead, "2"), (ahead, "2")])
        wait_equal("the settings put back", settings, before)
    assert unit("tuneshift.service", "Result") == "success"

    run("modprobe", "dm_cache_smq")
    with loop_device(8) as metadata, mapped(
            "vm-cache", f"0 {sectors(one)} cache {metadata} {two} {one} 128 1 writethrough default 0"
    ) as name:
        before = threshold()
        assert before != "20480", before
        with daemon("manual"):
            with held("vm-maps", name):
                wait_equal("the threshold", threshold, "20480")
            wait_equal("the threshold put back", threshold, before)
            with held("vm-maps", name):
                wait_equal("the threshold", threshold, "20480")
                run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "tuneshift.service")
                wait_equal("the threshold after the kill", threshold, before)
    run("systemctl", "is-active", "tuned.service")
