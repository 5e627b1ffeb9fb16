#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics of a daemon: over HTTP and as a file, as promtool wants them, and of the names that the
dashboard, the alerts and the documentation use."""
import http.client
import os
import re
import signal
import socket
import subprocess
import threading

import bus_case
from bus_case import NOBODY, BusCase
from lib.processes import end, spawn, wait_for
from lib.programs import Reader

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
MODEL_BYTES = 300 << 20
HISTOGRAM_PARTS = ("_bucket", "_count", "_sum")


def samples(text):
    """{name{labels}: value}."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def names_in(path):
    """Names of metrics; in a document those of the table."""
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        lines = [line for line in file
                 if not path.endswith(".md") or re.search(r"\| (gauge|counter|histogram) \|", line)]
    return set(re.findall(r"\btuneshift_\w+\b", "".join(lines)))


class Exporter:
    """As systemd starts it: as nobody, with a listening socket."""

    def __init__(self, environment):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        number = self.listener.fileno()

        def become():
            os.dup2(number, 3)
            os.set_inheritable(3, True)
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.environ.update(environment, LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))

        self.process = spawn([program()], become, stdin=subprocess.DEVNULL, close_fds=False)
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)

    def get(self, path="/metrics", method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def metrics(self):
        status, _, text = self.get()
        assert status == 200, (status, text)
        return samples(text)


def program():
    return os.path.join(bus_case.BUILD, "client/exporter/tuneshift-exporter")


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, **options)


class Metrics(BusCase):
    def setUp(self):
        super().setUp()
        self.environment = {"DBUS_SYSTEM_BUS_ADDRESS": self.daemon.environment[
            "DBUS_SYSTEM_BUS_ADDRESS"], "SYSTEMD_BUS_TIMEOUT": "1s"}
        self.exporter = self.enter(Exporter(self.environment))

    def wait_metric(self, name, wanted):
        self.assertTrue(wait_for(lambda: wanted(self.exporter.metrics().get(name, 0)), 20), name)

    def test_page(self):
        status, headers, text = self.exporter.get()
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        checked = run("promtool", "check", "metrics", input=text)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))
        self.assertEqual(self.exporter.get("/")[0], 404)
        self.assertEqual(self.exporter.get("/metrics?x=1")[0], 200)
        self.assertEqual(self.exporter.get(method="POST")[0], 405)
        self.assertEqual(self.exporter.get(method="HEAD")[2], "")

    def test_what_the_daemon_does_is_counted(self):
        self.hold("throughput")
        self.wait_metric('tuneshift_knobs{state="ours"}', lambda value: value >= 2)
        bus_case.write("/proc/sys/vm/swappiness", "44")
        self.wait_metric('tuneshift_knobs{state="yielded"}', lambda value: value == 1)
        seen = self.exporter.metrics()
        self.assertEqual(seen["tuneshift_holds"], 1)
        self.assertEqual(seen['tuneshift_mode{mode="auto"}'], 1)
        self.assertEqual(seen['tuneshift_events_total{kind="yielded"}'], 1)
        bus_case.write("/proc/sys/vm/swappiness", bus_case.BASE["/proc/sys/vm/swappiness"])

    def test_load(self):
        model = self.cold_model("exporter", MODEL_BYTES)
        with Reader(bus_case.BUILD, "mmap-sequential", model, "--serve"):
            self.wait_history("finished")
            # A page of its header may have been in the cache still.
            self.wait_metric("tuneshift_loaded_bytes_total",
                             lambda value: value > MODEL_BYTES - (1 << 20))
            self.wait_metric('tuneshift_state{state="serving"}', lambda value: value == 1)
        seen = self.exporter.metrics()
        self.assertLessEqual(seen["tuneshift_helped_bytes_total"],
                             seen["tuneshift_loaded_bytes_total"])
        labels = f'device="{bus_case.DISK}",operation="read"'
        self.assertGreater(seen[f"tuneshift_device_latency_seconds_count{{{labels}}}"], 0)
        self.every_name_that_is_used(seen)

    def every_name_that_is_used(self, seen):
        there = {re.sub(r"\{.*", "", name) for name in seen}
        for path in ("packaging/grafana/tuneshift.json", "packaging/prometheus/tuneshift.rules.yml",
                     "docs/fleet.md"):
            used = names_in(path)
            self.assertTrue(used, path)
            missing = {name for name in used - there
                       if not any(name + part in there for part in HISTOGRAM_PARTS)}
            self.assertLessEqual(missing, {"tuneshift_device_queue_latency_seconds",
                                           "tuneshift_device_queue_latency_seconds_bucket"}, path)
        told = names_in("docs/fleet.md")
        self.assertEqual({name for name in there - told if not name.endswith(HISTOGRAM_PARTS)}, set())

    def test_daemon_that_goes_and_hangs(self):
        self.assertEqual(self.exporter.metrics()["tuneshift_up"], 1)
        self.daemon.stop()
        self.wait_metric("tuneshift_up", lambda value: value == 0)
        self.assertEqual(self.exporter.metrics(), {"tuneshift_up": 0})
        self.daemon.start()
        self.wait_metric("tuneshift_up", lambda value: value == 1)
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        try:
            self.wait_metric("tuneshift_up", lambda value: value == 0)
        finally:
            os.kill(self.daemon.process.pid, signal.SIGCONT)
        self.wait_metric("tuneshift_up", lambda value: value == 1)

    def test_many_at_once_and_some_that_say_nothing(self):
        with socket.create_connection(("127.0.0.1", self.exporter.port)) as silent:
            silent.sendall(b"GET /metrics HTTP/1.1\r\n")
            with socket.create_connection(("127.0.0.1", self.exporter.port)) as endless:
                endless.sendall(b"GET /" + b"a" * (64 << 10))
                self.assertEqual(self.exporter.get()[0], 200)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.exporter.get()[0]))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [200] * 8)

    def test_text_file(self):
        environment = dict(os.environ, **self.environment)
        path = os.path.join(self.scratch.path, "tuneshift.prom")
        done = run(program(), "--textfile", path, env=environment)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        with open(path, encoding="utf-8") as file:
            self.assertEqual(samples(file.read())["tuneshift_up"], 1)
        done = run(program(), "--textfile", "/nonexistent/file", env=environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/file", done.stderr)
        done = run(program(), env=environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn("socket", done.stderr)
        self.assertEqual(run(program(), "--nonsense").returncode, 2)


class Rules(bus_case.unittest.TestCase):
    def test_alerts(self):
        folder = os.path.join(SOURCE, "packaging/prometheus")
        for words in (("check", "rules", "tuneshift.rules.yml"),
                      ("test", "rules", "tuneshift.rules_test.yml")):
            done = run("promtool", *words, cwd=folder)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    bus_case.main()
