# SPDX-License-Identifier: LGPL-2.1-or-later
# deadline: 2400
# when: named
"""The role of Ansible installs, configures and removes. On an emulated machine that takes half an hour, so
it is not one of all cases."""

import json
import os
import pathlib
import subprocess

import checks
from checks import HOME, PACKAGES, run

SEEN = pathlib.Path("/tmp/seen.json")


def role(**variables):
    return {"role": "tuneshift", "vars": variables}


# What there is between the two: as a person would look at it.
LOOK = ("tuneshiftctl --json status; systemctl is-active tuneshift-exporter.socket; "
        f"cat {checks.CONFIG}; echo; "
        'started=$(date -d "$(systemctl show --value -p ActiveEnterTimestamp tuneshift)" +%s); '
        f"[ $started -ge $(stat -c %Y {checks.CONFIG}) ] && echo started with it")
PLAY = {"hosts": "localhost", "connection": "local", "gather_facts": False}
before = checks.knobs()
playbook = HOME / "play.json"


def play(*plays, options=()):
    playbook.write_text(json.dumps([{**PLAY, **one} for one in plays]))
    done = subprocess.run(
        ["ansible-playbook", "--inventory", "localhost,", *options, str(playbook)],
        capture_output=True, text=True,
        env=dict(os.environ, ANSIBLE_ROLES_PATH=str(HOME / "roles"), LC_ALL="C.UTF-8",
                 ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3", ANSIBLE_NOCOLOR="1",
                 ANSIBLE_PIPELINING="1"))
    print(done.stdout, done.stderr)
    return done


INSTALLED = {
    "tuneshift_package_files": [str(package) for package in PACKAGES], "tuneshift_mode": "auto",
    "tuneshift_update_cache": False, "tuneshift_config": {"detection": {"size_floor": "64MiB"}},
    "tuneshift_exporter": True}
MISTAKE = {**INSTALLED, "tuneshift_profiles": {"thruput": "knobs: nonsense\n"}}
checks.remove_unpacked()
dry = play({"roles": [role(**INSTALLED)]}, options=["--check"])
assert dry.returncode == 0
assert not [path for path in checks.traces() if "tuneshift-staged" not in path], checks.traces()
assert play({"roles": [role(**MISTAKE)]}).returncode != 0
# What was staged of the mistake is not checked again, and what is read at a start only is in force.
done = play({"roles": [role(**INSTALLED)]},
            {"tasks": [{"ansible.builtin.shell": f"({LOOK}) >{SEEN}"}]},
            {"roles": [role(tuneshift_state="absent")]})
assert done.returncode == 0
seen = SEEN.read_text()
SEEN.unlink()
assert '"mode": "auto"' in seen and "size_floor: 64MiB" in seen and "\nactive\n" in seen, seen
assert "\nstarted with it\n" in seen, seen
checks.expect_unchanged(before)
assert not checks.traces(), checks.traces()
assert run("dpkg-query", "--show", "--showformat=${db:Status-Status}", "tuneshift", check=False) != "installed"
