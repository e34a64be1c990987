# SPDX-License-Identifier: MIT
"""pgpool-II reaches both servers by Unix-domain sockets; the servers' own counts are the truth."""

import os
import re

import psycopg
import pytest
from conftest import cannot_run

from harness import Client, Observer, Pgpool, Stand, cluster, pgbench, wait_for

NAME = "app_mirror"


def by_path(stand):
    return [cluster((stand.primary.path_address, "app"), (stand.mirror.path_address, "app"), name=NAME)]


@pytest.fixture(scope="module")
def stand():
    why = cannot_run()
    if why:
        pytest.skip(why)
    with Stand("mo-unix", children=0) as it:
        for server in (it.primary, it.mirror):
            os.chmod(server.directory, 0o755)
        with Pgpool(it.directory, (it.primary, it.mirror), children=4, by_path=True) as it.pgpool:
            yield it


@pytest.fixture
def observe(stand):
    running = []

    def start(fresh=True, clusters=None, **keys):
        if fresh:
            stand.pgpool.stop()
        running.append(Observer(stand.directory, clusters or by_path(stand), name=f"observer{len(running)}",
                                attach=os.environ.get("MO_ATTACH", "auto"), **keys))
        if fresh:
            stand.pgpool.start()
            stand.reset_counts()
        return running[-1]
    yield start
    for observer in running:
        observer.close()


def statements(metrics, target, status="success"):
    return metrics.get("pgdog_mirror_statements_total", cluster=NAME, target=target, status=status)


def connections(metrics):
    return metrics.sum("pgdog_mirror_connections", cluster=NAME)


def failures(metrics, kind):
    return metrics.get("pgdog_mirror_failures_total", cluster=NAME, error_type=kind)


def agreed(stand, observer):
    truth = stand.settled_counts()
    metrics = observer.settled()
    assert {target: statements(metrics, target) for target in truth} == truth
    assert metrics.sum("mirror_observer_lost_bytes_total") == 0
    return metrics


@pytest.mark.parametrize("mode", ["simple", "extended"])
def test_statements_by_unix_sockets_equal_the_servers_own_counts(stand, observe, mode):
    observer = observe()
    pgbench(stand.pgpool, mode=mode, clients=4, transactions=50)
    metrics = agreed(stand, observer)
    assert statements(metrics, "mirror") > 4 * 50 * 5
    assert metrics.get("pgdog_mirror_requests_total", cluster=NAME, status="unknown") == 0


def test_large_results_by_unix_sockets_lose_nothing(stand, observe):
    observer = observe()
    with Client(stand.pgpool) as client:
        assert len(client.run("SELECT repeat('x', 1000) FROM generate_series(1, 4000)")) == 4000
    agreed(stand, observer)


def test_unix_connections_that_existed_before_are_found_by_the_scan(stand, observe):
    stand.pgpool.stop()  # and with it what it has pooled
    stand.pgpool.start()
    with Client(stand.pgpool) as client:
        client.run("SELECT 1")
        observer = observe(fresh=False)
        wait_for(lambda: connections(observer.metrics()) == 2, "the connections to be found")
        before = observer.settled()
        for _ in range(20):
            client.run("SELECT 2")
        after = observer.settled()
    seen = [sum(statements(metrics, target, status) for target in ("primary", "mirror") for status in
                ("success", "unknown")) for metrics in (before, after)]
    assert seen[1] - seen[0] >= 2 * 20


def test_a_unix_connection_that_the_proxy_closes_is_gone(stand, observe):
    observer = observe()
    with Client(stand.pgpool) as client:
        client.run("SELECT 1")
        wait_for(lambda: connections(observer.metrics()) == 2, "the connections to be counted")
    stand.pgpool.stop()
    wait_for(lambda: connections(observer.metrics()) == 0, "the connections to be gone")
    metrics = observer.settled()
    assert failures(metrics, "connection") == 0
    stand.pgpool.start()


def assert_failed_connects_count(stand, observer, times):
    stand.mirror.stop()
    try:
        for _ in range(times):
            with pytest.raises(psycopg.OperationalError):
                Client(stand.pgpool).close()
        metrics = observer.settled()
        assert failures(metrics, "connection") == times
        assert metrics.get("pgdog_mirror_connection_attempts_total", cluster=NAME, target="mirror",
                           result="unreachable") == times  # a stopped server takes its socket along
    finally:
        stand.mirror.start()


def test_each_connect_to_the_socket_of_a_stopped_mirror_is_one_connection_failure(stand, observe):
    assert_failed_connects_count(stand, observe(), 3)


def reloaded_with_paths(stand, observer):
    """What the daemon, which has no privilege any more, says to a configuration with its first `unix:` addresses."""
    before = len(observer.process.output())
    observer.config["clusters"] = by_path(stand)
    observer.write()
    observer.reload()
    return wait_for(lambda: re.search("configuration reloaded|reload refused.*", observer.process.output()[before:]),
                    "an answer to the reload").group()


def test_the_first_unix_address_may_come_by_a_reload_except_in_kprobes(stand, observe):
    observer = observe(clusters=[cluster(stand.primary, stand.mirror, name=NAME)], user="nobody")
    said = reloaded_with_paths(stand, observer)
    if observer.metrics().sum("mirror_observer_attach_mode", mode="kprobe"):
        assert "the first `unix:` address needs a restart here" in said
        assert "attach mode kprobe" in said
        assert observer.status("/-/ready") == 200
        return
    assert said == "configuration reloaded"
    pgbench(stand.pgpool, clients=2, transactions=20)
    assert statements(agreed(stand, observer), "mirror") > 0
    assert_failed_connects_count(stand, observer, 1)
