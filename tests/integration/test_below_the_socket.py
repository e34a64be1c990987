# SPDX-License-Identifier: MIT
"""What lies between the proxy's socket and TCP: Multipath TCP, and sockmaps that redirect its bytes past TCP.

Attach modes that see the socket read it as any other; those that see TCP say that they do not.
"""

import os
import subprocess

import psycopg
import pytest
from conftest import lone_server, mirror_alone
from counted import counted, eventually, lost
from harness import ForeignRelay, free_port, pgbench_init
from harness.observer import BINARY

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODE = os.environ.get("MO_ATTACH", "tracepoint")
ROUNDS, STATEMENTS = 2, 40


@pytest.fixture(scope="module")
def server():
    with lone_server() as it:
        if not os.environ.get("MO_NO_BUILD"):
            subprocess.run(["make", "-s", "-C", ROOT, "test-programs"], check=True)
        pgbench_init(it)
        yield it


def connected(relay):
    return psycopg.connect(host=relay.host, port=relay.port, dbname="app", user="postgres", autocommit=True)


def ask(client):
    """STATEMENTS that succeed, with answers of many sizes, and one that fails."""
    for number in range(STATEMENTS):
        client.execute("SELECT repeat('x', %s)", (number * 1000,)).fetchall()
    with pytest.raises(psycopg.Error):
        client.execute("SELECT nonsense")


def observed(observe_comm, port):
    return observe_comm("foreign_relay", mirror_alone(f"127.0.0.1:{port}"), attach=MODE)


def check_all_is_read(server, observer, relay):
    server.reset_counts()
    for _ in range(ROUNDS):
        with connected(relay) as client:
            ask(client)
            assert counted(observer.settled())["connections"] == {"plain": 1}
    metrics = eventually(observer, lambda m: "connections" not in counted(m), "the end of the connection")
    assert counted(metrics)["statements"] == {"success": ROUNDS * STATEMENTS, "failure": ROUNDS}
    assert server.counts() >= ROUNDS * STATEMENTS
    assert counted(metrics)["attempts"] == {"ok": ROUNDS}
    assert lost(metrics) == {}
    assert metrics.sum("mirror_observer_decoding_errors_total") == 0


def check_it_is_told(observer, relay, reason):
    """Nothing is read, nothing is guessed, and the reason is named: in the figures, by --check, in the log."""
    with connected(relay) as client:
        ask(client)
        checked = subprocess.run([BINARY, "--check", "--config", observer.path], capture_output=True, text=True, check=False)
        metrics = observer.settled()
        assert "plain" not in counted(metrics)["connections"]
    assert reason in checked.stdout and checked.returncode == 1, checked.stdout
    metrics = eventually(observer, lambda m: "connections" not in counted(m), "the end of the connection")
    assert not counted(metrics).get("statements")
    assert reason in observer.process.output()
    return metrics


@pytest.mark.parametrize("way", ["mptcp", "mptcp-both"])
def test_multipath_tcp_is_read_or_told(server, observe_comm, way):
    with ForeignRelay(way, server.port) as relay:
        observer = observed(observe_comm, relay.connects_to)
        if MODE == "tracepoint":
            check_all_is_read(server, observer, relay)
        else:
            metrics = check_it_is_told(observer, relay, "use Multipath TCP, which this attach mode cannot follow")
            assert set(lost(metrics)) == {"mptcp"}
            assert lost(metrics)["mptcp"] > STATEMENTS * STATEMENTS / 2 * 1000 * 0.9


def test_what_a_sockmap_redirects_is_read_or_told(server, observe_comm):
    with ForeignRelay("sockmap", server.port) as relay:
        observer = observed(observe_comm, relay.connects_to)
        if MODE == "tracepoint":
            check_all_is_read(server, observer, relay)
        else:
            check_it_is_told(observer, relay, "are redirected past TCP by a sockmap")


def test_a_multipath_tcp_connection_that_was_there_before_is_read(server, observe_comm):
    if MODE != "tracepoint":
        pytest.skip("this attach mode does not follow Multipath TCP")
    with ForeignRelay("mptcp", server.port) as relay, connected(relay) as client:
        observer = observed(observe_comm, relay.connects_to)
        ask(client)
        ask(client)
        statements = counted(observer.settled())["statements"]
        assert statements.get("unknown", 0) <= 2, "the first of a connection of which the beginning was not seen"
        assert sum(statements.values()) == 2 * (STATEMENTS + 1)


def test_a_refused_connect_by_multipath_tcp_is_a_failed_connection(observe_comm):
    if MODE != "tracepoint":
        pytest.skip("this attach mode does not follow Multipath TCP")
    port = free_port()
    with ForeignRelay("mptcp", port) as relay:
        observer = observed(observe_comm, relay.connects_to)
        with pytest.raises(psycopg.OperationalError):
            connected(relay)
        metrics = eventually(observer, lambda m: counted(m).get("attempts"), "the attempt")
        assert counted(metrics)["attempts"] == {"refused": 1}
        assert counted(metrics)["failures"] == {"connection": 1}
