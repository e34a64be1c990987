# SPDX-License-Identifier: MIT
"""Which cluster a connection belongs to, and which of them carry no mirrored traffic."""

import functools
import os
import shutil
import socket
import subprocess
import threading

import pytest
from conftest import lone_server, mirror_alone
from counted import counted, eventually
from harness import cluster
from harness.actor import Actor

COMM = "classified"


@pytest.fixture(scope="module")
def server():
    with lone_server(settings="wal_level = logical\n") as it:
        for database in ("one_old", "one_new", "two_old", "two_new"):
            it.query(f"CREATE DATABASE {database}", database="postgres")
        yield it


@pytest.fixture
def observe(observe_comm):
    return functools.partial(observe_comm, COMM)


def pairs(server):
    """Two clusters, all four databases on one server."""
    return [cluster((server.address, f"{name}_old"), (server.address, f"{name}_new"), name=name) for name in ("one", "two")]


@pytest.fixture
def proxy(server):
    with Actor(COMM) as actor:
        actor.run(f"""
c = {{}}
def connect(name, database=None, user="postgres", **more):
    c[name] = wire.Client(("127.0.0.1", {server.port}))
    c[name].startup(user=user, **(dict(database=database) if database else {{}}), **more)
def ask(name, *sql):
    return ["".join(k for k, _ in c[name].ask(wire.query(s))) for s in sql]""")
        yield actor


OK = {"attempts": {"ok": 1}, "connections": {"plain": 1}}


def test_databases_of_one_server_are_told_apart_by_the_startup_packet(server, proxy, observe):
    observer = observe(pairs(server))
    for times, database in enumerate(("one_old", "one_new", "two_old", "two_new"), 1):
        proxy.run(f"connect('{database}', '{database}')")
        proxy.run(f"[ask('{database}', 'SELECT 1') for _ in range({times})]")
    metrics = observer.settled()
    assert counted(metrics, "primary", "one") == {**OK, "statements": {"success": 1}}
    assert counted(metrics, "mirror", "one") == {**OK, "statements": {"success": 2}, "requests": {"success": 2}}
    assert counted(metrics, "primary", "two") == {**OK, "statements": {"success": 3}}
    assert counted(metrics, "mirror", "two") == {**OK, "statements": {"success": 4}, "requests": {"success": 4}}
    assert metrics.get("mirror_observer_unclassified_connections") == 0


def test_a_database_that_no_cluster_names_belongs_to_none(server, proxy, observe):
    observer = observe(pairs(server))
    proxy.run("connect('x', 'postgres'); ask('x', 'SELECT 1', 'SELECT nonsense')")
    metrics = observer.settled()
    for name in ("one", "two"):
        assert counted(metrics, "primary", name) == counted(metrics, "mirror", name) == {}
    assert metrics.get("mirror_observer_unclassified_connections") == 1
    assert metrics.get("mirror_observer_unclassified_failures_total") == 0


def test_without_a_database_the_users_name_is_the_database(server, proxy, observe):
    server.query("CREATE ROLE one_new LOGIN", database="postgres")
    observer = observe(pairs(server))
    proxy.run("connect('x', user='one_new'); ask('x', 'SELECT 1')")
    assert counted(observer.settled(), "mirror", "one") == {**OK, "statements": {"success": 1}, "requests": {"success": 1}}


def test_connections_of_before_stay_unclassified_on_an_address_of_several(server, proxy, observe):
    proxy.run("connect('before', 'one_new')")
    observer = observe(pairs(server))
    eventually(observer, lambda m: m.get("mirror_observer_unclassified_connections") == 1, "it to be found")
    proxy.run("[ask('before', 'SELECT 1', 'SELECT nonsense') for _ in range(20)]; connect('after', 'one_new')")
    proxy.run("ask('after', 'SELECT 1')")
    metrics = observer.settled()
    assert metrics.get("mirror_observer_unclassified_connections") == 1
    assert counted(metrics, "mirror", "one") == {**OK, "statements": {"success": 1}, "requests": {"success": 1}}
    assert counted(metrics, "mirror", "two") == {}
    proxy.run("c['before'].terminate()")
    metrics = eventually(observer, lambda m: m.get("mirror_observer_unclassified_connections") == 0, "its end")
    assert metrics.get("mirror_observer_unclassified_failures_total") == 0


def test_connections_of_before_are_known_by_an_address_that_is_one_thing_only(server, proxy, observe):
    proxy.run("connect('before', 'app'); ask('before', 'SELECT 1')")
    observer = observe(mirror_alone(server))
    proxy.run("[ask('before', 'SELECT 1') for _ in range(20)]")
    proxy.run("ask('before', 'SELECT nonsense')")
    found = counted(observer.settled())
    # Each answer is an outcome. The first may be that to a request of before, which may have been in a block.
    assert found["statements"] == {"success": 20, "failure": 1}
    assert found["requests"] == {"success": 19, "failure": 1, "unknown": 1}
    assert found["connections"] == {"plain": 1}
    assert "attempts" not in found


def test_what_is_not_proven_on_an_idle_connection_does_not_stay_invisible(server, proxy, observe):
    """A connection of before is proven by several strict exchanges. One that falls silent before is not, but each of its
    answers is an outcome all the same; only the first request may have begun before the observer."""
    proxy.run("connect('before', 'app'); ask('before', 'SELECT 1')")
    observer = observe(mirror_alone(server, request_timeout="1s"))
    proxy.run("[ask('before', 'SELECT 1') for _ in range(4)]")
    metrics = eventually(observer, lambda m: counted(m).get("statements"), "the outcomes to show")
    assert counted(metrics) == {"statements": {"success": 4}, "requests": {"success": 3, "unknown": 1},
                                "connections": {"resyncing": 1}}
    proxy.run("[ask('before', 'SELECT 1') for _ in range(20)]")
    metrics = eventually(observer, lambda m: "plain" in counted(m)["connections"], "the proof")
    assert counted(observer.settled()) == {"statements": {"success": 24}, "requests": {"success": 23, "unknown": 1},
                                           "connections": {"plain": 1}}


# ------------------------------------------------------------------------------------------------ not mirrored traffic


def test_health_checks_are_counted_apart(server, proxy, observe):
    observer = observe(mirror_alone(server))
    proxy.run("connect('x', 'app'); ask('x', ';', ' ; ', 'SELECT 1')")
    assert counted(observer.settled()) == {**OK, "statements": {"success": 1}, "requests": {"success": 1},
                                           "ignored": {"success": 2}}


def test_what_is_ignored_is_a_matter_of_the_configuration(server, proxy, observe):
    observer = observe(mirror_alone(server, ignore_statements=["select 1", "DISCARD ALL"]))
    proxy.run("connect('x', 'app'); ask('x', 'SELECT 1', '  Select 1\\n', 'discard all', 'SELECT 10', 'SELECT 2')")
    proxy.run("c['x'].ask(wire.parse('SELECT 1'), wire.bind(), wire.execute(), wire.sync())")
    assert counted(observer.settled()) == {**OK, "statements": {"success": 2}, "requests": {"success": 2},
                                           "ignored": {"success": 4}, "ignored_statements": {"success": 4}}


def test_a_health_check_that_fails_is_no_failed_request(server, proxy, observe):
    observer = observe(mirror_alone(server, ignore_statements=["SELECT nonsense"]))
    proxy.run("connect('x', 'app'); ask('x', 'SELECT nonsense', 'SELECT 1')")
    assert counted(observer.settled()) == {**OK, "statements": {"success": 1}, "requests": {"success": 1},
                                           "ignored": {"failure": 1}, "ignored_statements": {"failure": 1},
                                           "errors": {"42703": 1}}


def test_statements_that_are_only_prepared_are_upkeep(server, proxy, observe):
    observer = observe(mirror_alone(server))
    proxy.run("connect('x', 'app'); c['x'].ask(wire.parse('SELECT 1', 'a'), wire.sync()); "
              "c['x'].ask(wire.close_statement('a'), wire.sync())")
    assert counted(observer.settled()) == {**OK, "upkeep": 2}


def test_a_replication_connection_is_open_and_carries_no_requests(server, proxy, observe):
    observer = observe(mirror_alone(server))
    proxy.run("connect('x', 'app', replication='database'); ask('x', 'IDENTIFY_SYSTEM', 'SELECT 1')")
    metrics = observer.settled()
    assert counted(metrics) == OK
    assert metrics.get("mirror_observer_replication_connections_total") == 1
    proxy.run("c['x'].terminate()")
    assert counted(eventually(observer, lambda m: "connections" not in counted(m), "its end")) == {"attempts": {"ok": 1}}


# ------------------------------------------------------------------------------------------------ encryption


@pytest.fixture(scope="module")
def certificate(server):
    crt, key = f"{server.data}/server.crt", f"{server.data}/server.key"
    subprocess.run(["openssl", "req", "-new", "-x509", "-days", "1", "-nodes", "-subj", "/CN=localhost", "-newkey",
                    "rsa:2048", "-keyout", key, "-out", crt], check=True, stderr=subprocess.DEVNULL)
    for path, mode in ((crt, 0o644), (key, 0o600)):
        os.chmod(path, mode)
        if os.getuid() == 0:
            shutil.chown(path, "postgres", "postgres")
    server.query("ALTER SYSTEM SET ssl = on", database="postgres")
    server.query("SELECT pg_reload_conf()", database="postgres")


PSYCOPG = "import psycopg; p = psycopg.connect('host=127.0.0.1 port={port} dbname=app user=postgres sslmode={mode}', " \
          "autocommit=True); [p.execute('SELECT 1') for _ in range(5)]"


def test_an_encrypted_connection_is_counted_as_such_and_never_decoded(server, certificate, proxy, observe):
    observer = observe(mirror_alone(server), tls="off")
    proxy.run(PSYCOPG.format(port=server.port, mode="require"))
    assert proxy.get("p.execute('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()').fetchone()[0]") is True
    metrics = observer.settled()
    assert counted(metrics) == {"attempts": {"ok": 1}, "connections": {"encrypted": 1}}
    assert metrics.get("mirror_observer_decoding_errors_total") == 0
    proxy.run("p.close()")
    assert counted(eventually(observer, lambda m: "connections" not in counted(m), "its end")) == {"attempts": {"ok": 1}}


def test_an_encrypted_connection_of_before_is_found_out(server, certificate, proxy, observe):
    proxy.run(PSYCOPG.format(port=server.port, mode="require"))
    observer = observe(mirror_alone(server))
    proxy.run("[p.execute('SELECT 1') for _ in range(5)]")
    metrics = observer.settled()
    found = counted(metrics)
    assert found["connections"] == {"encrypted": 1}
    assert not {"success", "failure"} & (found.get("requests", {}).keys() | found.get("statements", {}).keys())


def test_a_refused_encryption_goes_on_in_plain(server, proxy, observe):
    observer = observe(mirror_alone(server))
    server.query("ALTER SYSTEM SET ssl = off", database="postgres")
    server.query("SELECT pg_reload_conf()", database="postgres")
    proxy.run(PSYCOPG.format(port=server.port, mode="prefer"))
    found = counted(observer.settled())
    assert found == {**OK, "statements": {"success": 5}, "requests": {"success": 5}}


# ------------------------------------------------------------------------------------------------ other protocols


def test_what_is_not_postgresql_is_no_traffic(proxy, observe, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve():
            peer, _ = listener.accept()
            peer.recv(1000)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.close()
        thread = threading.Thread(target=serve)
        thread.start()
        observer = observe(mirror_alone(f"127.0.0.1:{port}"))
        proxy.run(f"s = socket.create_connection(('127.0.0.1', {port})); s.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); "
                  "s.recv(1000); s.recv(1); s.close()")
        thread.join()
        metrics = eventually(observer, lambda m: "attempts" in counted(m), "the end")
        assert counted(metrics)["failures"] == {"connection": 1}
        assert metrics.get("mirror_observer_decoding_errors_total") == 1
        assert "statements" not in counted(metrics)
