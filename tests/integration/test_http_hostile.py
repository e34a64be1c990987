# SPDX-License-Identifier: MIT
"""Clients that mean harm: floods, slow senders and readers, oversized and malformed requests. A scrape must answer."""

import contextlib
import os
import re
import resource
import select
import socket
import subprocess
import time

import pytest

from harness import wait_for
from harness.exposition import Exposition

FLOOD = 2000
GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module", autouse=True)
def built():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FLOOD + 500:
        pytest.skip(f"needs {FLOOD + 500} open files, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FLOOD + 500), hard))
    Exposition.build()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def served():
    with Exposition("--add", 9, "app") as it:
        yield it
        assert it.process.poll() is None, it.log


@pytest.fixture
def connect(served):
    with contextlib.ExitStack() as stack:
        def one(send=b"", receive_buffer=None):
            it = stack.enter_context(socket.socket())
            if receive_buffer:
                it.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            it.settimeout(10)
            it.connect(("127.0.0.1", served.port))
            with contextlib.suppress(OSError):
                it.sendall(send)
            return it
        yield one


def scrape_within(served, seconds):
    start = time.monotonic()
    status, _, text = served.get("/metrics")
    took = time.monotonic() - start
    assert status == 200 and text.endswith("# EOF\n")
    assert took < seconds, f"the scrape took {took:.2f} s"


def answer(connection):
    """Everything until the server closes; a reset ends it too."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def status(connection):
    return int(answer(connection).split(b" ", 2)[1])


def is_closed(connection):
    return bool(select.select([connection], [], [], 0)[0]) and answer(connection) == b""


def open_fds(served):
    return len(os.listdir(f"/proc/{served.pid}/fd"))


def cpu_seconds(served):
    with open(f"/proc/{served.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_2000_idle_connections_do_not_starve_a_scrape(served, connect):
    before = open_fds(served)
    for _ in range(FLOOD):
        connect()
    for _ in range(5):
        scrape_within(served, 1)
    assert open_fds(served) - before <= 512 + 128, "idle connections are bounded"
    wait_for(lambda: open_fds(served) == before, "the idle connections to be closed", timeout=10)
    scrape_within(served, 1)


def test_a_scrape_in_the_middle_of_a_flood_is_answered(served, connect):
    for _ in range(40):
        for _ in range(FLOOD // 40):
            connect()
        scrape_within(served, 1)


def test_idle_connections_that_have_made_a_request_do_not_starve_a_scrape(served, connect):
    for _ in range(1000):
        idle = connect(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")
    scrape_within(served, 1)


def test_slow_senders_are_cut_although_they_go_on_sending(served, connect):
    slow = [connect(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") for _ in range(300)]

    def all_cut():
        for one in slow:
            with contextlib.suppress(OSError):
                one.send(b"x")
        scrape_within(served, 1)
        return all(is_closed(one) for one in slow)

    start = time.monotonic()
    wait_for(all_cut, "slow senders to be cut", timeout=12, interval=0.3)
    assert time.monotonic() - start > 4, "an honest client has its 5 seconds"


def test_slow_readers_neither_block_nor_hold_much_memory(served, connect):
    for _ in range(300):
        connect(GET * 20, receive_buffer=4096)
    scrape_within(served, 1)
    assert served.metrics().get("process_resident_memory_bytes") < 64 << 20


def test_closing_at_any_byte_of_a_request_is_survived(served, connect):
    for cut in range(len(GET) + 1):
        connect(GET[:cut]).close()
    scrape_within(served, 1)


def test_pipelined_requests_are_all_answered_in_order(served, connect):
    pages = [b"healthy", b"ready"] * 100
    pipeline = b"".join(b"GET /-/%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % page for page in pages)
    received = answer(connect(pipeline + LAST))
    bodies = [part.rsplit(b"\r\n\r\n", 1)[1] for part in received.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [page + b"\n" for page in pages] + [b"healthy\n"]


def test_a_flood_of_scrapes_costs_less_than_rendering_each(served, connect):
    start, used = time.monotonic(), cpu_seconds(served)
    for _ in range(20):
        assert answer(connect(GET * 100 + LAST)).count(b"# EOF\n") == 100
    scrape_within(served, 1)
    assert cpu_seconds(served) - used < 0.9 * (time.monotonic() - start) + 0.5


@pytest.mark.parametrize("request_line, expected", [
    (b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 20000 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999999\r\n\r\nabc", 405),
    (b"PUT /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", 405),
    (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", 413),
    (b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com\r\n\r\n", 405),
    (b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
    (b"GET /metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 421),
    (b"GET http://rebound.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 421),
    (b"GET http://localhost/metrics HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n", 421),
    (b"GET http://localhost:9/nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
    (b"POST http://localhost/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
], ids=lambda value: value[:24].decode() if isinstance(value, bytes) else None)
def test_what_is_not_served_is_refused(served, connect, request_line, expected):
    assert status(connect(request_line)) == expected
    scrape_within(served, 1)


@pytest.mark.parametrize("target", [b"http://localhost/-/healthy", b"HTTP://127.0.0.1:1/-/healthy?a=b", b"http://[::1]"])
def test_a_target_in_absolute_form_is_served(served, connect, target):
    """RFC 9112, 3.2.2: every server has to understand it; forward proxies and some libraries send it."""
    assert status(connect(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) == 200


@pytest.mark.parametrize("garbage", [b"\0" * 10000, b"\xff\xfe" * 5000, b"\r\n" * 10000, b"\x16\x03\x01\x02\x00\x01\x00",
                                     b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
                         ids=["zeros", "no UTF-8", "empty lines", "TLS", "HTTP 9.9", "no path", "HTTP 2"])
def test_garbage_is_answered_with_an_error_or_not_at_all(served, connect, garbage):
    connection = connect(garbage)
    with contextlib.suppress(OSError):  # it may be cut already
        connection.shutdown(socket.SHUT_WR)
    assert not answer(connection).startswith(b"HTTP/1.1 200")
    scrape_within(served, 1)


def test_a_large_upload_is_refused_without_being_read(served, connect):
    connection = connect(b"PUT /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 200 << 20:
            sent += connection.send(b"x" * 65536)
    assert sent < 200 << 20, "the connection was closed while the body was sent"
    assert served.metrics().get("process_resident_memory_bytes") < 64 << 20


def test_no_answer_lets_other_sites_read_it(served):
    for path in ("/", "/metrics", "/-/ready", "/nothing"):
        _, headers, _ = served.get(path, headers={"Origin": "https://evil.example"})
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_ready_says_503_and_why_while_nothing_is_attached():
    with Exposition("app", env={"NOT_READY": "no program is attached"}) as served:
        assert served.get("/-/ready")[::2] == (503, "not ready: no program is attached\n")
        assert served.get("/-/healthy")[0] == 200
        assert "no program is attached" in served.get("/")[2]


def test_the_page_needs_nothing_from_elsewhere(served):
    _, headers, text = served.get("/")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<td>app</td>" in text and "http" not in text
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "*" not in policy
    parts = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(part.startswith(("/", "#")) and not part.startswith("//") for part in parts)
    assert "<script>" not in text and " style=" not in text and not re.search(r"\son\w+=", text)
    files = {part for part in parts if part.endswith((".js", ".css", ".svg"))}
    assert len(files) >= 5
    for file in files:
        status, file_headers, content = served.get(file)
        assert status == 200 and content
        kind = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
        assert file_headers["Content-Type"] == kind[file.rsplit(".", 1)[1]]
        # The one address in them is a name, that of SVG; nothing is loaded from it.
        assert set(re.findall(r"https?:[^\"' ]+", content)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("files", (24, 40, 64, 420))
def test_few_open_files_mean_fewer_connections_not_a_failure(files):
    """What the process has open already counts: idle connections never take the last descriptor from a scrape."""
    binary = Exposition("app")
    binary.stop()
    limited = subprocess.Popen(["prlimit", f"--nofile={files}:{files}", binary.process.args[0], "app"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        port = int(limited.stdout.readline().split()[1])
        idle = []
        for _ in range(500 if files > 64 else 100):  # at once, then one after the other
            idle.append(socket.create_connection(("127.0.0.1", port)))
        for _ in range(20):
            idle.append(socket.create_connection(("127.0.0.1", port), timeout=2))
            idle[-1].sendall(LAST.replace(b"Connection: close\r\n", b""))
            assert idle[-1].recv(100).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.1", port), timeout=2) as scrape:
            scrape.sendall(GET)
            assert scrape.recv(100).startswith(b"HTTP/1.1 200")
        for connection in idle:
            connection.close()
    finally:
        _, errors = limited.communicate(timeout=10)
    assert "RLIMIT_NOFILE" in errors
