# SPDX-License-Identifier: MIT
"""The test proxy itself: what it says is true, by PostgreSQL's own count."""

import contextlib
import os
import socket
import struct
import threading

import psycopg
import pytest
from harness import MirrorProxy, Stand, free_port, leftovers, pgbench, wait_for


@pytest.fixture(scope="module")
def servers():
    with Stand("mo-proxy", children=0) as stand:
        yield stand.primary, stand.mirror
    assert leftovers(stand.directory) == []


@pytest.fixture(name="start")
def start_proxy(servers, tmp_path):
    """start(**options): a proxy between the servers, whose counts are zero."""
    with contextlib.ExitStack() as stack:
        def stop(proxy):
            assert proxy.stop() == 0, proxy.process.output()

        def start(**options):
            proxy = stack.enter_context(MirrorProxy(str(tmp_path), *servers, **options))
            stack.callback(stop, proxy)
            for server in servers:
                server.reset_counts()
            return proxy
        yield start


def connect(proxy, **parameters):
    return psycopg.connect(host=proxy.host, port=proxy.port, dbname="app", user="postgres", autocommit=True,
                           **parameters)


def pipeline(proxy, rounds=50):
    """Several requests in flight, and two savepoint-free errors in the middle."""
    with connect(proxy) as connection:
        for i in range(rounds):
            with contextlib.suppress(psycopg.Error), connection.pipeline():
                connection.execute("SELECT abalance FROM pgbench_accounts WHERE aid = %s", (i + 1,))
                connection.execute("SELECT 1 / %s::int", (i % 25,))
                connection.execute("SELECT %s::text", (str(i),))


def check_equal_counts(servers, stats, uncounted=()):
    primary, mirror = ({text: calls for text, calls in server.calls().items() if text not in uncounted}
                       for server in servers)
    assert primary == mirror
    assert sum(primary.values()) > 0
    assert stats["mirror"] == stats["primary"] >= stats["lag_count"] > 0
    assert stats["dropped"] == stats["abandoned"] == stats["failed_requests"] == 0


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("mode", ["pgdog", "pgcat"])
def test_the_mirror_executes_what_the_primary_did(servers, start, mode, protocol):
    proxy = start(mode=mode, queue=10000, mirror_pool=3)
    pgbench(proxy, mode=protocol, clients=8, transactions=50)
    # PostgreSQL 15 counts only the first execution of a prepared utility statement, and the mirror has fewer sessions.
    check_equal_counts(servers, settled(proxy), ("BEGIN", "END") if protocol == "prepared" else ())


@pytest.mark.parametrize("mode", ["pgdog", "pgcat"])
def test_a_pipeline_with_errors_arrives_whole(servers, start, mode):
    proxy = start(mode=mode, queue=10000)
    pipeline(proxy)
    check_equal_counts(servers, settled(proxy))


def settled(proxy):
    """Once the mirror has answered, too, which pgcat's way does not wait for: it then ends its connections."""
    wait_for(lambda: proxy.stats()["clients"] == 0, "the clients to be gone")
    stats = proxy.settled()
    if stats["mode"] == "pgcat":
        wait_for(lambda: proxy.stats()["connections"] == 0, "the mirror to have ended its sessions")
    return stats


@pytest.mark.parametrize("mode", ["pgdog", "pgcat"])
def test_copy_both_ways_and_a_failing_one_arrive_whole(servers, start, mode):
    for server in servers:
        server.query("DROP TABLE IF EXISTS copied; CREATE TABLE copied (a int)")
        server.reset_counts()
    proxy = start(mode=mode)
    with connect(proxy) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY copied FROM STDIN") as copy:
            copy.write("".join(f"{i}\n" for i in range(50000)))
        with pytest.raises(psycopg.Error), cursor.copy("COPY copied FROM STDIN") as copy:
            copy.write("no number\n")
        with cursor.copy("COPY copied TO STDOUT") as copy:
            assert sum(len(part) for part in copy) > 200000
        connection.execute("SELECT count(*) FROM copied")
        settled_open = proxy.settled()
    assert settled_open["mirror"] == settled_open["primary"] == 4
    wait_for(lambda: servers[0].calls() == servers[1].calls(), "the mirror to have executed everything")
    assert servers[1].query("SELECT count(*) FROM copied") == [(50000,)]


def test_prepared_statements_are_renamed_and_prepared_once_a_connection(servers, start):
    proxy = start(mirror_pool=1, health_idle_ms=0)
    for _ in range(3):
        with connect(proxy, prepare_threshold=0) as connection:
            for i in range(10):
                connection.execute("SELECT %s::int + 1", (i,))
    stats = proxy.settled()
    assert stats["prepared"] == 1
    assert stats["mirror_errors"] == 0
    check_equal_counts(servers, stats)


def test_half_of_the_requests_are_sampled(servers, start):
    proxy = start(exposure=0.5, queue=10000, seed=7)
    pgbench(proxy, clients=4, transactions=500, options=["-S"])
    stats = proxy.settled()
    share = stats["sampled_requests"] / (stats["sampled_requests"] + stats["skipped_requests"])
    assert 0.45 < share < 0.55
    assert servers[1].counts() == stats["mirror"] == stats["enqueued"]
    assert servers[0].counts() == stats["primary"]


def test_a_full_queue_drops_and_a_paused_mirror_lets_the_depth_grow(servers, start):
    proxy = start(queue=5, mirror_pool=2)
    with connect(proxy) as connection:
        connection.execute("SELECT 0")
        proxy.settled()
        proxy.command("pause-mirror")
        for i in range(20):
            connection.execute(f"SELECT {i}")
        stats = proxy.stats()
        assert (stats["depth"], stats["queued_requests"], stats["dropped"]) == (5, 5, 15)
    assert proxy.stats()["depth"] == 5, "the queue outlives its client"
    proxy.command("resume-mirror")
    stats = proxy.settled()
    assert stats["mirror"] == 6 == servers[1].counts()
    assert stats["lag_max"] > stats["lag_sum"] / stats["lag_count"] > 0


def test_an_open_transaction_counts_in_the_depth_until_it_ends(servers, start):
    proxy = start()
    with contextlib.closing(connect(proxy)) as connection:
        for sql in ("BEGIN", "SELECT 1", "SELECT 2"):
            connection.execute(sql)
        stats = proxy.stats()
        assert (stats["depth"], stats["depth_control"], stats["mirror"]) == (3, 1, 0)
        connection.execute("COMMIT")
        stats = proxy.settled()
        assert (stats["mirror"], stats["lag_count"]) == (4, 2), "control commands have no lag"
        connection.execute("BEGIN")
        connection.execute("SELECT 3")
    stats = wait_for(lambda: proxy.stats()["clients"] == 0 and proxy.stats(), "the client to be gone")
    assert (stats["depth"], stats["abandoned"], stats["mirror"]) == (0, 2, 4)


def test_commands_drop_and_reorder_as_told(servers, start):
    proxy = start()
    servers[1].query("DROP TABLE IF EXISTS seen; CREATE TABLE seen (n int, at serial)")
    with connect(proxy) as connection:
        proxy.command("drop", 2)
        for _ in range(5):
            connection.execute("SELECT 'dropped or not'")
        assert proxy.settled()["dropped"] == 2
        proxy.command("pause-mirror")
        proxy.command("reorder", 1)
        for i in range(3):
            with contextlib.suppress(psycopg.errors.UndefinedTable):
                connection.execute(f"INSERT INTO seen (n) VALUES ({i})")
        proxy.command("resume-mirror")
        assert proxy.settled()["reordered"] == 1
    assert servers[1].query("SELECT n FROM seen ORDER BY at") == [(1,), (0,), (2,)]
    for wrong in (["slow-mirror"], ["exposure", "x"], ["frobnicate"], ["drop", -1]):
        with pytest.raises(RuntimeError):
            proxy.command(*wrong)


def test_a_transaction_that_the_mirror_cannot_finish_leaves_its_connection_idle(servers, start):
    proxy = start(mirror_pool=1)
    servers[0].query("DROP TABLE IF EXISTS only_here; CREATE TABLE only_here ()")
    with connect(proxy) as connection:
        with connection.transaction():
            connection.execute("SELECT FROM only_here")
        connection.execute("SELECT 1")
    stats = proxy.settled()
    assert (stats["mirror_errors"], stats["failed_requests"]) == (1, 0)
    states = servers[1].query("SELECT DISTINCT state FROM pg_stat_activity WHERE datname = 'app' AND pid <> "
                              "pg_backend_pid()")
    assert states == [("idle",)]


def test_health_checks_come_at_first_checkout_and_while_idle(servers, start):
    proxy = start(mirror_pool=1, health_idle_ms=60000, health_period_ms=200)
    with connect(proxy) as connection:
        connection.execute("SELECT 1")
        assert proxy.settled()["health_checks"] == 1
    wait_for(lambda: proxy.stats()["health_checks"] >= 3, "checks of the idle connection")
    assert servers[1].counts() == 1


@pytest.mark.parametrize("mode", ["pgdog", "pgcat"])
def test_without_a_mirror_the_clients_work_on(servers, tmp_path, mode):
    gone = type("Gone", (), {"address": f"127.0.0.1:{free_port()}"})
    with MirrorProxy(str(tmp_path), servers[0], gone, mode=mode) as proxy:
        pgbench(proxy, mode="prepared", clients=4, transactions=50)
        stats = proxy.settled()
        assert stats["failed_requests"] > 0
        assert stats["mirror"] == stats["depth"] == 0


@pytest.mark.parametrize("mode", ["pgdog", "pgcat"])
def test_mirror_connections_killed_under_load_do_no_harm(servers, start, mode):
    proxy = start(mode=mode, mirror_pool=2)
    for _ in range(5):
        pgbench(proxy, clients=4, transactions=20)
        servers[1].query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app' AND pid <> "
                         "pg_backend_pid()")
    stats = settled(proxy)
    assert stats["primary"] == stats["mirror"] + stats["dropped"] + stats["abandoned"]


def test_garbage_and_requests_to_cancel_are_survived(servers, start):
    proxy = start()
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x04", struct.pack("!II", 0x7fffffff, 196608),
                 struct.pack("!II", 8, 80877103) * 3, b"\0"):
        with socket.create_connection((proxy.host, proxy.port)) as client:
            client.sendall(junk)
            client.shutdown(socket.SHUT_WR)
            client.recv(100)
    with socket.create_connection((proxy.host, proxy.port)) as client:
        startup = b"\0\x03\0\0user\0postgres\0database\0app\0\0"
        client.sendall(struct.pack("!I", len(startup) + 4) + startup)
        client.recv(1000)
        client.sendall(b"Q\0\0\0\x01")
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass
    with connect(proxy) as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(20) WHERE current_setting('port') = %s", (str(servers[0].port),))
        timer.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    wait_for(lambda: proxy.stats()["clients"] == 0, "the clients to be gone")
    proxy.settled()


def test_a_large_result_and_a_large_statement_pass(servers, start):
    proxy = start()
    with connect(proxy) as connection:
        big = "x" * (6 << 20)
        assert connection.execute("SELECT %s || repeat('y', 20000000)", (big,)).fetchone()[0].startswith("xx")
        connection.execute("SELECT %s", ("z" * (17 << 20),))
    stats = proxy.settled()
    assert (stats["primary"], stats["mirror"], stats["dropped"]) == (2, 1, 1), "past 16 MiB it is not mirrored"


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("io", ["rw", "sendrecv", "vector", "message"])
def test_the_relay_passes_every_byte(servers, tmp_path, io, threads):
    options = {"threads": True} if threads else {}
    with MirrorProxy(str(tmp_path), servers[0], mode="relay", io=io, chunk=1000, **options) as proxy:
        with connect(proxy) as connection:
            sent = os.urandom(300000)
            assert connection.execute("SELECT %b::bytea", (sent,)).fetchone() == (sent,)
        pipeline(proxy, rounds=5)
        wait_for(lambda: proxy.stats()["clients"] == 0, "the connections to end")
        assert min(proxy.stats()["relayed"]) > 300000
