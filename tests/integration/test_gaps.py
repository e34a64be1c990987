# SPDX-License-Identifier: MIT
"""What the observer does not see: exact lost bytes with their reason, outcomes that are unknown, and none that is wrong."""

import os
import signal
import subprocess
import time

import psycopg
import pytest
from conftest import lone_server, mirror_alone
from counted import NAME, assert_identities, counted, eventually, lost, series
from harness import ForeignRelay, MirrorProxy, Pgbench, pgbench, pgbench_init, wait_for
from harness.observer import BINARY

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server():
    with lone_server() as it:
        subprocess.run(["make", "-s", "-C", ROOT, "test-programs", f"{BUILD}/tests/mirror-proxy"], check=True)
        pgbench_init(it)
        yield it


@pytest.fixture
def watch(server, observe_comm):
    """watch(comm, ...): an observer that takes the server for the mirror of the proxy of that name."""
    def start(comm, request_timeout="30s", **keys):
        return observe_comm(comm, mirror_alone(server, request_timeout=request_timeout), **keys)
    return start


# ------------------------------------------------------------------------------------------------ foreign system calls


@pytest.mark.parametrize("how", ["splice", "uring"])
def test_what_foreign_system_calls_move_is_lost_to_the_byte_and_nothing_is_guessed(server, watch, how):
    observer = watch("foreign_relay", request_timeout="1s")
    relay = ForeignRelay(how, server.port)
    try:
        with psycopg.connect(host=relay.host, port=relay.port, dbname="app", user="postgres", autocommit=True) as client:
            for number in range(20):
                client.execute("SELECT repeat('x', %s)", (number * 1000,)).fetchall()
            with pytest.raises(psycopg.Error):
                client.execute("SELECT nonsense")
            moved = relay.moved()

            def most_is_counted():
                client.execute("SELECT 1")  # what is spliced from a socket shows at its next send
                return sum(lost(observer.metrics()).values()) >= moved
            wait_for(most_is_counted, "the losses to be counted", interval=0.2)
            last = relay.moved()
        metrics = eventually(observer, lambda m: "connections" not in counted(m), "the end of the connection")
        found = lost(metrics)
        assert set(found) == {"foreign_syscall"}
        assert last <= found["foreign_syscall"] <= last + 5, "and Terminate"
        assert metrics.get("mirror_observer_bytes_total") == 0
        assert counted(metrics) == {"requests": {"unknown": 1}}
    finally:
        relay.close()


# ------------------------------------------------------------------------------------------------ a full ring


def relayed(server, tmp_path, **options):
    return MirrorProxy(str(tmp_path), server, mode="relay", **options)


def statements(metrics):
    return series(metrics, "pgdog_mirror_statements_total", "status", cluster="app_mirror", target="mirror")


def test_under_load_with_a_ring_of_64_kib_nothing_is_wrong_and_what_is_lost_is_unknown(server, watch, tmp_path):
    observer = watch("mirror-proxy", ring_bytes="64KiB", request_timeout="2s")
    with relayed(server, tmp_path) as proxy:
        server.reset_counts()
        with Pgbench(proxy, str(tmp_path / "load.log"), mode="simple", clients=8, seconds=300) as load:
            for _ in range(5):
                before = server.counts()
                observer.process.signal(signal.SIGSTOP)  # nobody drains the ring
                wait_for(lambda b=before: server.counts() > b + 1000, "load that finds the ring full")
                observer.process.signal(signal.SIGCONT)
                before = server.counts()
                wait_for(lambda b=before: server.counts() > b + 300, "load that is seen")
                assert_identities(observer.metrics())
            load.signal(signal.SIGALRM)
            assert load.wait() == 0
        truth = server.counts()
        metrics = eventually(observer, lambda m: "connections" not in counted(m), "the connections to be gone")
        metrics = observer.settled()
        assert lost(metrics).keys() == {"ring_full"}
        figures = counted(metrics)
        assert "failures" not in figures
        assert figures["statements"]["success"] < truth
        assert figures["requests"]["unknown"] > 0
        # That `unknown` covers the rest cannot hold: of what was lost whole nothing is left to be counted. It shows as
        # bytes, and these account for all statements that the sum lacks.
        assert metrics.get("mirror_observer_blind_seconds_total", cluster=NAME, target="mirror") > 0
        assert sum(figures["statements"].values()) + lost(metrics)["ring_full"] / len(b"Q....END;.") >= truth
        assert metrics.sum("mirror_observer_decoding_errors_total") == 0
        assert metrics.sum("mirror_observer_bytes_total") + lost(metrics)["ring_full"] == \
            metrics.sum("pgdog_mirror_bytes_total") + 0


def test_after_a_full_ring_the_connections_are_right_again(server, watch, tmp_path):
    observer = watch("mirror-proxy", ring_bytes="64KiB", request_timeout="2s")
    with relayed(server, tmp_path) as proxy:
        clients = [psycopg.connect(host=proxy.host, port=proxy.port, dbname="app", user="postgres", autocommit=True)
                   for _ in range(4)]

        def ask(times):
            for _ in range(times):
                for client in clients:
                    client.execute("SELECT 1")
        ask(5)
        first = observer.settled()
        assert statements(first) == {"success": 20}
        observer.process.signal(signal.SIGSTOP)
        ask(300)
        observer.process.signal(signal.SIGCONT)
        # Their last answer is among what was lost, and nothing follows: still no timeout.
        metrics = eventually(observer, lambda m: counted(m)["connections"] == {"resyncing": 4}, "all to be known as lost")
        until = time.monotonic() + 6  # three times the timeout
        wait_for(lambda: "failures" in counted(observer.metrics()) or time.monotonic() > until, "a wrong timeout", 20)
        assert "failures" not in counted(observer.metrics())
        ask(1)
        time.sleep(1.5)  # an answer, and then silence: nothing is on its way (QUIET_NS)
        ask(20)
        metrics = eventually(observer, lambda m: counted(m)["connections"] == {"plain": 4}, "all to be proven again")
        ask(1)
        before = observer.settled()
        server.reset_counts()
        ask(50)
        with pytest.raises(psycopg.Error):
            clients[0].execute("SELECT nonsense")
        after = observer.settled()
        assert statements(after)["success"] - statements(before)["success"] == server.counts() == 200
        assert statements(after)["failure"] == 1
        assert counted(after)["failures"] == {"query_execution": 1}
        assert statements(after).get("unknown") == statements(before).get("unknown")
        assert metrics.sum("mirror_observer_resyncs_total") >= 4
        for client in clients:
            client.close()
        eventually(observer, lambda m: "connections" not in counted(m), "the connections to be gone")


def test_ends_that_find_no_room_do_not_leave_connections_open(server, watch, tmp_path):
    observer = watch("mirror-proxy", ring_bytes="64KiB")
    with relayed(server, tmp_path) as proxy:
        def connect():
            return psycopg.connect(host=proxy.host, port=proxy.port, dbname="app", user="postgres", autocommit=True)
        held = [connect() for _ in range(20)]
        assert counted(observer.settled())["connections"] == {"plain": 20}
        observer.process.signal(signal.SIGSTOP)
        for _ in range(100):
            held[0].execute("SELECT repeat('x', 2000)")
        for _ in range(150):  # each is several control records
            connect().close()
        for client in held[1:]:
            client.close()
        observer.process.signal(signal.SIGCONT)
        metrics = eventually(observer, lambda m: sum(counted(m)["connections"].values()) == 1, "only one to be open")
        assert metrics.get("mirror_observer_lost_records_total") > 0
        assert "failures" not in counted(metrics)
        held[0].close()
        eventually(observer, lambda m: "connections" not in counted(m), "none to be open")


@pytest.mark.skipif("asan" in BINARY, reason="the sanitizer keeps freed memory on purpose")
def test_full_rings_leave_no_memory_behind(server, watch, tmp_path):
    observer = watch("mirror-proxy", ring_bytes="64KiB")
    with relayed(server, tmp_path) as proxy:
        def storm():
            observer.process.signal(signal.SIGSTOP)
            pgbench(proxy, mode="extended", clients=8, transactions=20)
            observer.process.signal(signal.SIGCONT)
            eventually(observer, lambda m: "connections" not in counted(m), "the connections to be gone")
            return observer.rss()
        storm()
        before = storm()
        after = [storm() for _ in range(4)][-1]
        # What is held back of a connection goes with it; what malloc keeps was there after the second storm.
        assert after - before < MEGABYTE / 2


# ------------------------------------------------------------------------------------------------ bounded tables


def test_statement_classes_past_the_bound_are_counted_and_stay_so_after_a_restart(server, watch):
    """This process is the proxy here."""
    with open("/proc/self/comm", encoding="ascii") as file:
        observer = watch(file.read().strip())
    with server.connect() as connection:
        for number in range(4100):
            with pytest.raises(psycopg.errors.UndefinedColumn):
                connection.execute(f"SELECT column_{number}")
    evicted = {"classes": 4100 - 1024, "fingerprints": 4100 - 4096}
    assert series(observer.settled(), "mirror_observer_evictions_total", "table") == evicted
    assert observer.metrics().get("mirror_observer_statement_classes", cluster=NAME) == 1024
    observer.stop()
    observer.start()
    assert series(observer.metrics(), "mirror_observer_evictions_total", "table") == evicted
