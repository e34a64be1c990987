# SPDX-License-Identifier: MIT
"""The observer watches a real pgpool-II between two real PostgreSQL servers; the servers' own counts are the truth."""

import collections
import signal
import threading
import time

import psycopg
import pytest

from harness import Client, Pgbench, cluster, pgbench, wait_for
from harness.load import MODES

NAME = "app_mirror"
TYPES = ("connection", "timeout", "query_execution")


def statements(metrics, target, status="success"):
    return metrics.get("pgdog_mirror_statements_total", cluster=NAME, target=target, status=status)


def requests(metrics, status):
    return metrics.get("pgdog_mirror_requests_total", cluster=NAME, status=status)


def failures(metrics):
    return {kind: metrics.get("pgdog_mirror_failures_total", cluster=NAME, error_type=kind) for kind in TYPES}


def errors(metrics, target):
    """{SQLSTATE: times}, without those that never happened."""
    family = "pgdog_mirror_errors_total"
    return {labels["sqlstate"]: metrics.get(family, **labels) for labels in metrics.labels(family)
            if labels["target"] == target and metrics.get(family, **labels)}


def attempts(metrics, result):
    return metrics.get("pgdog_mirror_connection_attempts_total", cluster=NAME, target="mirror", result=result)


def assert_nothing_lost(metrics):
    assert metrics.sum("mirror_observer_lost_bytes_total") == 0
    assert metrics.sum("mirror_observer_lost_records_total") == 0


def assert_counts_agree(stand, observer):
    """Every statement that the servers counted was counted, and nothing else."""
    truth = stand.settled_counts()
    metrics = observer.settled()
    ours = {target: statements(metrics, target) for target in truth}
    assert ours == truth, f"primary ran {stand.primary.calls()}, mirror ran {stand.mirror.calls()}"
    assert_nothing_lost(metrics)
    assert sum(failures(metrics).values()) == requests(metrics, "failure")
    return metrics


# ------------------------------------------------------------------------------------------------ counts


def test_the_metrics_of_the_contract_have_their_exact_names_and_labels(stand, observe):
    observer = observe()
    pgbench(stand.pgpool, clients=2, transactions=10)
    stand.settled_counts()
    metrics = observer.settled()
    contract = {
        "pgdog_mirror_requests_total": ("counter", [{"status": s} for s in ("success", "failure", "unknown")]),
        "pgdog_mirror_failures_total": ("counter", [{"error_type": t} for t in TYPES]),
        "pgdog_mirror_success_rate": ("gauge", [{}]),
        "pgdog_mirror_last_success_timestamp": ("gauge", [{}]),
        "pgdog_mirror_last_failure_timestamp": ("gauge", [{}]),
    }
    if "pgdog_mirror_queue_depth" in metrics.text:
        contract["pgdog_mirror_queue_depth"] = ("gauge", [{}])
    lines = metrics.text.splitlines()
    for name, (kind, labels) in contract.items():
        assert f"# TYPE {name} {kind}" in lines
        assert any(line.startswith(f"# HELP {name} ") for line in lines)
        found = sorted(sorted(have.items()) for have in metrics.labels(name))
        assert found == sorted(sorted({"cluster": NAME, **more}.items()) for more in labels)
    assert requests(metrics, "success") > 0
    assert metrics.get("pgdog_mirror_success_rate", cluster=NAME) == 100
    assert metrics.get("pgdog_mirror_last_success_timestamp", cluster=NAME) == pytest.approx(time.time(), abs=60)
    assert metrics.get("pgdog_mirror_last_failure_timestamp", cluster=NAME) == 0


@pytest.mark.parametrize("mode", MODES)
def test_statements_equal_the_servers_own_counts(stand, observe, mode):
    observer = observe()
    pgbench(stand.pgpool, mode=mode, clients=8, transactions=150)
    metrics = assert_counts_agree(stand, observer)
    assert statements(metrics, "mirror") > 8 * 150 * 3
    assert requests(metrics, "failure") == requests(metrics, "unknown") == 0


@pytest.fixture
def statement_log(stand):
    """statement_log(): {target: statements since the test began}, from the servers' logs: pg_stat_statements 15 counts
    a prepared BEGIN or END only the first time that it is executed."""
    servers = {"primary": stand.primary, "mirror": stand.mirror}
    for server in servers.values():
        server.query("ALTER DATABASE app SET log_statement = 'all'", database="postgres")
    before = {target: server.logged_statements() for target, server in servers.items()}
    yield lambda: {target: server.logged_statements() - before[target] for target, server in servers.items()}
    for server in servers.values():
        server.query("ALTER DATABASE app RESET log_statement", database="postgres")


def test_prepared_statements_equal_the_servers_own_logs(stand, observe, statement_log):
    observer = observe()
    pgbench(stand.pgpool, mode="prepared", clients=8, transactions=150, options=["-b", "tpcb-like"])
    stand.settled_counts()
    metrics = observer.settled()
    wait_for(lambda: statement_log()["mirror"] >= statements(metrics, "mirror"), "the log to be written")
    assert {target: statements(metrics, target) for target in ("primary", "mirror")} == statement_log()
    assert statements(metrics, "mirror") > 8 * 150 * 6
    assert requests(metrics, "failure") == requests(metrics, "unknown") == 0
    assert_nothing_lost(metrics)


def test_a_hundred_statements_in_one_libpq_pipeline_equal_the_servers_own_counts(stand, observe):
    observer = observe()
    with Client(stand.pgpool) as client, client.connection.pipeline():
        for number in range(100):
            client.connection.execute("SELECT %s::int", (number,))
    metrics = assert_counts_agree(stand, observer)
    assert statements(metrics, "mirror") >= 100


def test_results_and_statements_of_megabytes_lose_nothing(stand, observe):
    observer = observe()
    with Client(stand.pgpool) as client:
        assert len(client.run("SELECT repeat('x', 1000) FROM generate_series(1, 8000)")) == 8000
        client.run("SELECT length(%s::text)", ("y" * 300_000,))
    metrics = assert_counts_agree(stand, observer)
    assert metrics.sum("mirror_observer_bytes_total") > 2 * (8_000_000 + 300_000)


# ------------------------------------------------------------------------------------------------ failures


def provoke(stand, *sql, **connection):
    """Runs statements of which the last one fails on the mirror, which makes pgpool-II end the session.

    4.3 hangs up; 4.6 says why first (XX000), which psycopg calls an internal error.
    """
    with pytest.raises((psycopg.OperationalError, psycopg.errors.InternalError_)):
        with Client(stand.pgpool, **connection) as client:
            for statement in sql:
                client.run(*statement if isinstance(statement, tuple) else (statement,))


def assert_failed(stand, observer, **types):
    """Exactly these failures since the observer's start; everything else succeeded and was counted."""
    metrics = assert_counts_agree(stand, observer)
    assert failures(metrics) == {**dict.fromkeys(TYPES, 0), **types}
    assert requests(metrics, "failure") == sum(types.values())
    assert requests(metrics, "unknown") == 0
    return metrics


@pytest.fixture
def logged(stand):
    """logged(): {SQLSTATE: times} on the mirror since the test began, from the server's log."""
    before = len(stand.mirror.errors())
    return lambda: dict(collections.Counter(state for _, state, _ in stand.mirror.errors()[before:]))


@pytest.fixture
def only_on_primary(stand):
    stand.primary.query("CREATE TABLE only_on_primary (a int)")
    yield
    stand.primary.query("DROP TABLE only_on_primary")


@pytest.mark.parametrize("statement", ["INSERT INTO only_on_primary VALUES (1)",
                                       ("INSERT INTO only_on_primary VALUES (%s)", (1,))], ids=["simple", "extended"])
def test_a_table_that_the_mirror_lacks_is_one_query_execution_failure(stand, observe, logged, only_on_primary,
                                                                      statement):
    observer = observe()
    provoke(stand, "SELECT 1", statement)
    metrics = assert_failed(stand, observer, query_execution=1)
    assert errors(metrics, "mirror") == logged() == {"42P01": 1}
    assert errors(metrics, "primary") == {}
    assert metrics.get("pgdog_mirror_last_failure_timestamp", cluster=NAME) == pytest.approx(time.time(), abs=60)


def test_a_statement_timeout_of_the_mirror_is_one_timeout_failure(stand, observe, logged):
    stand.mirror.query("ALTER DATABASE app SET statement_timeout = '200ms'", database="postgres")
    try:
        observer = observe()
        provoke(stand, "SELECT pg_sleep(0.5)")
        metrics = assert_failed(stand, observer, timeout=1)
        assert errors(metrics, "mirror") == logged() == {"57014": 1}
    finally:
        stand.mirror.query("ALTER DATABASE app RESET statement_timeout", database="postgres")


def test_a_connection_killed_in_mid_statement_is_one_connection_failure(stand, observe, logged):
    observer = observe()

    def kill():
        wait_for(lambda: stand.mirror.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app' AND state = 'active'"
            " AND query LIKE 'SELECT pg_sleep(1)%'", database="postgres"),
            "the statement to run on the mirror", interval=0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    provoke(stand, "SELECT pg_sleep(1)")
    killer.join()
    metrics = assert_failed(stand, observer, connection=1)
    assert errors(metrics, "mirror") == logged() == {"57P01": 1}


@pytest.fixture
def role_with_password(stand):
    """The role `app` on both servers, with the password that pgpool-II knows."""
    for server in (stand.primary, stand.mirror):
        server.query("CREATE ROLE app LOGIN PASSWORD 'secret'", database="postgres")
        server.demand_password("app")
    yield
    for server in (stand.primary, stand.mirror):
        server.query("DROP ROLE app", database="postgres")


def test_a_wrong_password_is_one_connection_failure(stand, observe, logged, role_with_password):
    observer = observe()
    with Client(stand.pgpool, user="app", password="secret") as client:
        client.run("SELECT 1")
    assert_failed(stand, observer)
    stand.pgpool.stop()  # no pooled connection that is past its authentication
    stand.pgpool.start()
    stand.mirror.query("ALTER ROLE app PASSWORD 'changed'", database="postgres")
    provoke(stand, "SELECT 1", user="app", password="secret")
    metrics = assert_failed(stand, observer, connection=1)
    assert errors(metrics, "mirror") == logged() == {"28P01": 1}
    assert attempts(metrics, "startup_error") == 1


def test_each_connect_to_a_stopped_mirror_is_one_connection_failure(stand, observe):
    observer = observe()
    with Client(stand.pgpool) as client:
        client.run("SELECT 1")
    before = assert_failed(stand, observer)
    stand.mirror.stop()
    try:
        for _ in range(3):
            provoke(stand, "SELECT 1")
        metrics = observer.settled()
        assert failures(metrics) == {"connection": 3, "timeout": 0, "query_execution": 0}
        assert requests(metrics, "failure") == 3
        assert attempts(metrics, "refused") == 3
    finally:
        stand.mirror.start()
    with Client(stand.pgpool) as client:
        client.run("SELECT 1")
    stand.settled_counts()
    after = observer.settled()
    assert failures(after) == failures(metrics)
    assert requests(after, "success") > requests(before, "success")


def test_an_idle_connection_that_the_server_closes_is_no_failure(stand, observe):
    observer = observe()
    with Client(stand.pgpool) as client:
        client.run("SELECT 1")
    stand.settled_counts()

    def idle():
        return observer.metrics().get("pgdog_mirror_connections", cluster=NAME, target="mirror", state="plain")
    assert idle() == 1
    stand.mirror.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app'",
                       database="postgres")
    # pgpool-II closes its end when that process is asked for a connection the next time, or when it is stopped.
    stand.pgpool.stop()
    wait_for(lambda: idle() == 0, "the connection to be gone")
    metrics = observer.settled()
    assert failures(metrics) == dict.fromkeys(TYPES, 0)
    assert requests(metrics, "failure") == 0
    stand.pgpool.start()


def test_the_threshold_is_exceeded_when_more_requests_fail(stand, observe, only_on_primary):
    observer = observe(mirror_failure_threshold=5)
    gauge = "pgdog_mirror_failure_threshold_exceeded"
    assert observer.metrics().get(gauge, cluster=NAME) != observer.metrics().get(gauge, cluster=NAME), "NaN at first"
    with Client(stand.pgpool) as client:
        client.run("SELECT 1")
    wait_for(lambda: observer.metrics().get(gauge, cluster=NAME) == 0, "the gauge to say 0")
    provoke(stand, "INSERT INTO only_on_primary VALUES (1)")
    wait_for(lambda: observer.metrics().get(gauge, cluster=NAME) == 1, "the gauge to say 1")
    assert any(NAME in line and "threshold" in line for line in observer.process.output().splitlines())


# ------------------------------------------------------------------------------------------------ under load


@pytest.fixture
def load(stand):
    """load(): pgbench in the background, a client for each process of pgpool-II; returns once it runs.

    So no pooled connection idles when an observer attaches: the first answer on one would be unknown, since nobody
    could say that nothing was under way before.
    """
    running = []

    def start(seconds=300):
        before = stand.mirror.counts()
        running.append(Pgbench(stand.pgpool, stand.path("load.log"), mode="extended", clients=stand.pgpool.children,
                               seconds=seconds))
        wait_for(lambda: stand.mirror.counts() > before + 500, "the load to run")
        return running[-1]

    yield start
    for process in running:
        process.stop()


def end(load):
    """As at the end of its time: each client finishes its transaction. None may have failed."""
    load.signal(signal.SIGALRM)
    assert load.wait() == 0, load.output()
    assert "number of failed transactions: 0 (0.000%)" in load.output()


def assert_right_from_now_on(stand, observer):
    """Another run, over the connections that pgpool-II has pooled, is counted to the unit."""
    stand.settled_counts()
    before = observer.settled()
    stand.reset_counts()
    pgbench(stand.pgpool, mode="extended", clients=8, transactions=100)
    truth = stand.settled_counts()
    after = observer.settled()
    for target, calls in truth.items():
        assert statements(after, target) - statements(before, target) == calls
        assert statements(after, target, "unknown") == statements(before, target, "unknown")
    assert requests(after, "unknown") == requests(before, "unknown")
    assert requests(after, "failure") == 0
    assert_nothing_lost(after)


def test_attaching_under_load_counts_right_from_then_on(stand, observe, load):
    stand.reset_counts()
    running = load()
    earlier = stand.counts()
    observer = observe(fresh=False)
    later = stand.counts()
    wait_for(lambda: stand.counts()["mirror"] > later["mirror"] + 3000, "more load")
    end(running)
    truth = stand.settled_counts()
    metrics = observer.settled()
    for target in truth:
        counted, unknown = statements(metrics, target), statements(metrics, target, "unknown")
        assert counted <= truth[target] - earlier[target]
        assert counted + unknown >= truth[target] - later[target]
        assert unknown <= stand.pgpool.children * 2, "only what was in flight may be unknown"
        assert statements(metrics, target, "failure") == 0
    assert sum(failures(metrics).values()) == 0
    assert_nothing_lost(metrics)
    assert_right_from_now_on(stand, observer)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_restart_under_load_goes_on_from_the_pinned_counts(stand, observe, load, how):
    observer = observe()
    running = load()
    counted = statements(observer.metrics(), "mirror")
    assert counted > 0
    assert observer.process.stop(how) == (0 if how == signal.SIGTERM else -how)
    ran = stand.counts()["mirror"]
    wait_for(lambda: stand.counts()["mirror"] > ran + 500, "the load to run on, unobserved")
    observer.start()
    assert statements(observer.metrics(), "mirror") >= counted
    ran = stand.counts()["mirror"]
    wait_for(lambda: stand.counts()["mirror"] > ran + 1000, "more load")
    end(running)
    metrics = observer.settled()
    assert sum(failures(metrics).values()) == 0
    assert statements(metrics, "mirror") < stand.settled_counts()["mirror"], "what ran unobserved cannot be counted"
    assert_right_from_now_on(stand, observer)


# ------------------------------------------------------------------------------------------------ reload


def test_a_reload_keeps_the_statistics_of_unchanged_clusters(stand, observe):
    observer = observe()
    pgbench(stand.pgpool, clients=2, transactions=20)
    before = assert_counts_agree(stand, observer)
    observer.config["clusters"].append(cluster(stand.primary, ("127.0.0.1:1", "app"), name="second"))
    observer.write()
    observer.reload()
    wait_for(lambda: 'cluster="second"' in observer.metrics().text, "the second cluster to appear")
    assert requests(observer.metrics(), "success") == requests(before, "success")
    pgbench(stand.pgpool, clients=2, transactions=20)
    after = assert_counts_agree(stand, observer)
    assert after.get("pgdog_mirror_statements_total", cluster="second", target="primary", status="success") > 0


def test_a_bad_reload_keeps_the_old_configuration(stand, observe):
    observer = observe()
    observer.config["clusters"] = [cluster(stand.primary, stand.primary, name="nonsense")]
    observer.write()
    observer.reload()
    wait_for(lambda: f"{observer.path}:" in observer.process.output(), "the error to be logged")
    assert observer.status("/-/ready") == 200
    pgbench(stand.pgpool, clients=2, transactions=20)
    assert_counts_agree(stand, observer)
