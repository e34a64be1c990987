# SPDX-License-Identifier: MIT
"""The JSON below /api/v1: as its description says, honest about mistakes, and no way to hold the daemon up."""

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from jsonschema import Draft202012Validator, RefResolver

from harness.metrics import Metrics

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURE = os.path.join(ROOT, "build", "tests", "page_fixture")
STREAMS = 32  # clients.c


class Page:
    """page_fixture: the serving half with made-up clusters."""

    def __init__(self, clusters):
        self.child = subprocess.Popen([FIXTURE, str(clusters)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        words = self.child.stdout.readline().split()
        self.port, self.pid = int(words[1]), int(words[3])
        self.url = f"http://127.0.0.1:{self.port}"

    def get(self, path, **query):
        """(status, answer)"""
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def metrics(self):
        return Metrics.scrape(self.url + "/metrics")

    def hold_still(self):
        """The counters move no more, and the snapshot is of after that."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        time.sleep(2.5)

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024

    def close(self):
        self.child.stdin.close()
        self.child.wait(10)


@pytest.fixture(scope="module")
def page():
    served = Page(3)
    yield served
    served.close()


def tighten(schema):
    """Whoever asks must accept more members than are described; the daemon may not send them."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            tighten(value)
    elif isinstance(schema, list):
        for value in schema:
            tighten(value)
    return schema


def check(description, path, status, answer):
    schema = description["paths"][path]["get"]["responses"][str(status)]["content"]["application/json"]["schema"]
    Draft202012Validator(schema, resolver=RefResolver("", description)).validate(answer)


@pytest.fixture(scope="module")
def description(page):
    status, answer = page.get("/api/v1/openapi.json")
    assert status == 200 and answer["openapi"].startswith("3.1")
    return tighten(answer)


QUERIES = {"/api/v1/status": {}, "/api/v1/cluster": {"cluster": "orders_000"}, "/api/v1/statements": {"cluster": "orders_000"},
           "/api/v1/series": {"cluster": "orders_002", "range": "24h"}, "/api/v1/openapi.json": {}}


def test_every_path_of_the_description_is_there_and_answers_as_it_says(page, description):
    for path, query in QUERIES.items():
        status, answer = page.get(path, **query)
        assert status == 200, path
        check(description, path, status, answer)
    # What is described and not asked for above needs more than made-up clusters: a class, and an endless answer.
    assert set(description["paths"]) - set(QUERIES) == {"/api/v1/statement", "/api/v1/stream"}


@pytest.mark.parametrize("path, query, expected", (
    ("/api/v1/cluster", {}, 400), ("/api/v1/cluster", {"cluster": "nobody"}, 404), ("/api/v1/series", {"cluster": "<script>"}, 404),
    ("/api/v1/series", {"cluster": "orders_000", "range": "1y"}, 400), ("/api/v1/statements", {}, 400),
    ("/api/v1/statement", {"cluster": "orders_000", "fingerprint": "12"}, 404), ("/api/v1/statement", {"cluster": "orders_000"}, 404)))
def test_a_mistake_is_answered_with_what_is_wrong(page, description, path, query, expected):
    status, answer = page.get(path, **query)
    assert status == expected
    check(description, path, status, answer)
    assert len(answer["error"]) > 10


@pytest.mark.parametrize("span, step, points", (("5m", 1, 300), ("1h", 10, 360), ("2h", 10, 720), ("24h", 60, 1440)))
def test_each_range_has_the_points_that_it_takes(page, span, step, points):
    _, answer = page.get("/api/v1/series", cluster="orders_000", range=span)
    assert answer["step"] == step and 0 <= time.time() - answer["end"] < 2 * step + 2
    assert all(len(one["values"]) == points for one in answer["series"])
    success = next(one["values"] for one in answer["series"] if one["name"] == "success")
    assert sum(value is not None for value in success) > points * 0.9


def test_status_and_metrics_say_the_same(page):
    still = Page(3)
    try:
        still.hold_still()
        status, metrics = still.get("/api/v1/status")[1], still.metrics()
        for cluster in status["clusters"]:
            for outcome, count in cluster["requests"].items():
                assert count == metrics.get("pgdog_mirror_requests_total", cluster=cluster["name"], status=outcome)
            for kind, count in cluster["failures"].items():
                assert count == metrics.get("pgdog_mirror_failures_total", cluster=cluster["name"], error_type=kind)
            rate = metrics.get("pgdog_mirror_success_rate", cluster=cluster["name"])
            shown = cluster["success_rate"]["value"]
            assert (shown is None and rate != rate) or abs(shown - rate) < 1e-3
    finally:
        still.close()


# --------------------------------------------------------------------------------------------------- stream

def connect(page, path="/api/v1/stream"):
    stream = socket.create_connection(("127.0.0.1", page.port), timeout=10)
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return stream


def everything(stream):
    return b"".join(iter(lambda: stream.recv(65536), b""))


def events(stream, seconds):
    """[(arrival, name, data)] of what comes within that time."""
    end, text, found = time.monotonic() + seconds, b"", []
    while time.monotonic() < end:
        stream.settimeout(max(0.05, end - time.monotonic()))
        try:
            data = stream.recv(65536)
        except socket.timeout:
            break
        if not data:
            break
        text += re.sub(rb"(?:^|\r\n)[0-9a-f]+\r\n", b"", data)
        found += [time.monotonic()] * data.count(b"event: status")
    return found, text.decode(errors="replace")


def test_the_stream_pushes_status_and_cluster_each_second(page):
    with connect(page, "/api/v1/stream?cluster=orders_000") as stream:
        arrivals, text = events(stream, 4.5)
    assert "Content-Type: text/event-stream" in text and text.count("event: cluster") == len(arrivals)
    assert 4 <= len(arrivals) <= 6
    steps = [b - a for a, b in zip(arrivals[1:], arrivals[2:])]
    assert all(0.8 < step < 1.2 for step in steps), steps


def test_more_streams_than_allowed_cost_the_oldest_and_no_scrape(page):
    streams = [connect(page) for _ in range(STREAMS + 20)]
    try:
        time.sleep(1.5)
        begun = time.monotonic()
        page.metrics()
        assert time.monotonic() - begun < 0.5
        ended = 0
        for stream in streams:
            stream.settimeout(0.2)
            try:
                while stream.recv(65536):
                    pass
                ended += 1
            except socket.timeout:
                pass
            except ConnectionResetError:
                ended += 1
        assert ended == 20
    finally:
        for stream in streams:
            stream.close()


def test_one_who_never_reads_does_not_grow_the_daemon(page):
    """Frames are not queued for a slow reader: its socket fills, then it misses them."""
    before = page.rss()
    streams = [connect(page, "/api/v1/stream?cluster=orders_000") for _ in range(STREAMS)]
    try:
        time.sleep(6)
        assert page.rss() - before < STREAMS * 200 * 1024
        assert page.get("/api/v1/status")[0] == 200
    finally:
        for stream in streams:
            stream.close()


def test_the_daemon_ends_while_streams_are_open():
    served = Page(1)
    streams = [connect(served) for _ in range(5)]
    time.sleep(0.3)
    begun = time.monotonic()
    served.close()
    assert time.monotonic() - begun < 2 and served.child.returncode == 0
    for stream in streams:
        assert everything(stream).endswith(b"\r\n0\r\n\r\n")  # an answer that is whole: a browser complains of any other
        stream.close()
