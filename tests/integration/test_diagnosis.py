# SPDX-License-Identifier: MIT
"""Every way in which a first configuration is wrong is named within ten seconds, alike in --check, log, page and verdict."""
import contextlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import harness
import psycopg
import pytest
import yaml
from conftest import cannot_run, lone_server
from harness import free_port, wait_for

WITHIN = 10


@pytest.fixture(scope="module")
def demo():
    """The demo's set-up: two servers, pgpool-II, clients that keep it busy, its connections older than any observer."""
    if cannot_run():
        pytest.skip(cannot_run())
    with harness.Stand("mo-diagnosis", children=4) as stand:
        with busy(stand):
            yield stand
    assert harness.leftovers(stand.directory) == []


@contextlib.contextmanager
def busy(stand):
    """Statements of different texts, a few hundred a second."""
    load = harness.Pgbench(stand.pgpool, stand.path("load.log"), clients=2, seconds=3600, options=("--rate=60",))
    try:
        wait_for(lambda: len(backends(stand.mirror)) >= 2, "pgpool-II's connections", 20)
        yield
    finally:
        load.stop()


def backends(server):
    return server.query("SELECT pid FROM pg_stat_activity WHERE datname = 'app' AND pid <> pg_backend_pid()")


def fetch(observer, path):
    try:
        with urllib.request.urlopen(observer.url + path, timeout=5) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def check(observer, command=(harness.observer.BINARY,)):
    begun = time.monotonic()
    done = subprocess.run([*command, "--check", "--config", observer.path], check=False, capture_output=True, text=True,
                          timeout=30)
    assert time.monotonic() - begun < WITHIN
    return done.returncode, done.stdout + done.stderr


def logged(stand):
    """Length of what earlier observers said."""
    path = stand.path("observer.log")
    return os.path.getsize(path) if os.path.exists(path) else 0


def named(stand, sentence, status, clusters=None, also="", **keys):
    """The sentence stands in --check, log, page and verdict; returns the page."""
    clusters = clusters or [harness.cluster(stand.primary, stand.mirror)]
    before = logged(stand)
    with harness.Observer(stand.directory, clusters, **keys) as observer:
        begun = time.monotonic()

        def reason():
            cluster = json.loads(fetch(observer, "/readiness"))["clusters"][0]
            if sentence not in cluster["diagnosis"] or also not in cluster["diagnosis"]:
                return None
            return cluster
        cluster = wait_for(reason, f"{sentence!r} in the verdict", WITHIN)
        assert cluster["verdict"] != "ready"
        shown = [c for c in cluster["checks"] if c["verdict"] == "not_ready"] or \
                [c for c in cluster["checks"] if c["verdict"] == "insufficient_data"]
        assert sentence in shown[0]["reason"]
        assert time.monotonic() - begun < WITHIN
        assert observer.process.output()[before:].count(sentence) == 1  # said once, not with each look
        wait_for(lambda: sentence.replace("'", "&#39;") in fetch(observer, "/"), "the sentence on top of the page", 3)
        code, said = check(observer)
        assert sentence in said, said
        assert code == status, said
        return observer.metrics()


def fits(stand, **keys):
    """Nothing is the matter with that configuration."""
    with harness.Observer(stand.directory, [harness.cluster(stand.primary, stand.mirror)], **keys) as observer:
        code, said = check(observer)
        assert code == 0 and "result: ok" in said and "wrong" not in said and "warning" not in said, said
        assert json.loads(fetch(observer, "/readiness"))["clusters"][0]["diagnosis"] == ""
        return observer.metrics(), said


def test_what_fits_is_said_to_fit(demo):
    metrics, said = fits(demo)
    assert f"to {demo.mirror.address}, database app: mirror of app_mirror" in said
    assert metrics.get("mirror_observer_proxy_processes") >= 4
    for target in ("primary", "mirror"):
        assert metrics.sum("mirror_observer_backend_connections", target=target) == len(backends(getattr(demo, target)))
    assert metrics.get("mirror_observer_config_last_reload_successful") == 1


@pytest.mark.parametrize("side", ["primary", "mirror"])
def test_a_wrong_address_is_named_with_the_right_one(demo, side):
    right = getattr(demo, side).address
    wrong = f"127.0.0.1:{free_port()}"
    cluster = harness.cluster(demo.primary, demo.mirror)
    cluster[side]["address"] = wrong
    count = len(backends(getattr(demo, side)))
    # By its pid: the other tests' pgpool-II has the same name and more connections.
    metrics = named(demo, f"your {side} address {wrong} has no connection; the proxy (pgpool, pid ", 1, [cluster],
                    also=f"is connected to {right} ({count} connections): if that is the {side}, change {side}.address to it",
                    proxy={"pid": demo.pgpool.process.pid})
    assert metrics.sum("mirror_observer_backend_connections", target=side) == 0


@pytest.mark.usefixtures("stand")  # a second pgpool-II of the same name, with more connections
def test_a_host_name_that_stands_for_something_else_is_named(demo):
    cluster = harness.cluster(demo.primary, demo.mirror)
    cluster["mirror"]["address"] = f"localhost:{free_port()}"
    named(demo, f"is connected to {demo.mirror.address}", 1, [cluster])


@pytest.mark.usefixtures("stand")
def test_ipv6_where_the_proxy_uses_ipv4_is_named(demo):
    cluster = harness.cluster(demo.primary, demo.mirror)
    cluster["mirror"]["address"] = f"[::1]:{demo.mirror.port}"
    named(demo, f"is connected to {demo.mirror.address}", 1, [cluster])


@pytest.mark.parametrize("side, database", [("primary", "apq"), ("mirror", "APP")])
def test_a_wrong_database_is_named_with_the_right_one(demo, side, database):
    cluster = harness.cluster(demo.primary, demo.mirror)
    cluster[side]["database"] = database
    named(demo, f"are to database app, not {database}: change {side}.database to app", 1, [cluster])


def test_a_wrong_comm_is_named_with_the_right_one(demo):
    named(demo, "no running process matches comm pgdog, but pgpool (pid", 1, proxy={"comm": "pgdog"},
          also="write `proxy: { comm: pgpool }`")


def test_swapped_sides_are_named(demo):
    named(demo, "primary and mirror are swapped: exchange the two", 1, [harness.cluster(demo.mirror, demo.primary)])


def test_a_proxy_that_does_not_run_is_named(demo):
    clusters = [harness.cluster((f"127.0.0.1:{free_port()}", "app"), (f"127.0.0.1:{free_port()}", "app"))]
    metrics = named(demo, "no running process matches comm nobody, and none is connected to the configured addresses", 1,
                    clusters, proxy={"comm": "nobody"})
    assert metrics.get("mirror_observer_proxy_processes") == 0


def test_a_mended_configuration_is_said_to_fit(demo):
    cluster = harness.cluster(demo.primary, demo.mirror)
    cluster["mirror"]["address"] = f"127.0.0.1:{free_port()}"
    before = logged(demo)
    with harness.Observer(demo.directory, [cluster]) as observer:
        wait_for(lambda: "has no connection" in observer.process.output()[before:], "the sentence", WITHIN)
        observer.config["clusters"] = [harness.cluster(demo.primary, demo.mirror)]
        observer.write()
        observer.reload()
        wait_for(lambda: "the configuration fits" in observer.process.output()[before:], "that it fits", WITHIN)
        assert json.loads(fetch(observer, "/readiness"))["clusters"][0]["diagnosis"] == ""


def test_a_complaint_is_over_with_the_first_connections_not_with_the_next_look(tmp_path):
    """Before a proxy has connected it can only be said to be missing; that must not stand above what is found then."""
    def connect(server, database):
        return psycopg.connect(host="127.0.0.1", port=server.port, dbname=database, user="postgres", sslmode="disable")
    with lone_server() as server:
        sides = [(server.address, "app"), (server.address, "postgres")]
        with harness.Observer(str(tmp_path), [harness.cluster(*sides)], proxy={"pid": os.getpid()}) as observer:
            def diagnosis():
                return json.loads(fetch(observer, "/readiness"))["clusters"][0]["diagnosis"]
            wait_for(diagnosis, "a complaint", WITHIN)
            with connect(server, "app"), connect(server, "postgres"):
                wait_for(lambda: not diagnosis(), "its end", 2)


def test_a_failed_reload_has_a_metric(demo):
    with harness.Observer(demo.directory, [harness.cluster(demo.primary, demo.mirror)]) as observer:
        taken = observer.metrics().get("mirror_observer_config_last_reload_success_timestamp_seconds")
        assert abs(taken - time.time()) < 60
        with open(observer.path, "a", encoding="ascii") as file:
            file.write("nonsense\n")
        observer.reload()
        wait_for(lambda: observer.metrics().get("mirror_observer_config_last_reload_successful") == 0, "the metric", WITHIN)
        assert observer.metrics().get("mirror_observer_config_last_reload_success_timestamp_seconds") == taken
        observer.write()
        observer.reload()
        wait_for(lambda: observer.metrics().get("mirror_observer_config_last_reload_successful") == 1, "the metric", WITHIN)


def test_an_observer_in_another_pid_namespace_says_where_to_start_it(demo):
    apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", harness.observer.BINARY]
    with harness.Observer(demo.directory, [harness.cluster(demo.primary, demo.mirror)], start=False) as observer:
        _, said = check(observer, apart)
    assert "a proxy outside of the observer's pid namespace cannot be seen: run the observer on the host" in said


def test_an_observer_in_another_network_namespace_sees_the_proxy_all_the_same(demo):
    apart = ["unshare", "--net", harness.observer.BINARY]
    with harness.Observer(demo.directory, [harness.cluster(demo.primary, demo.mirror)], start=False) as observer:
        code, said = check(observer, apart)
    assert code == 0 and "mirror of app_mirror" in said, said


def test_missing_privileges_are_named(demo):
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", harness.observer.BINARY]
    with harness.Observer(demo.directory, [harness.cluster(demo.primary, demo.mirror)], start=False) as observer:
        code, said = check(observer, without)
    assert code == 4 and "missing: CAP_BPF" in said, said


def test_names_that_were_prepared_before_the_observer_are_named(demo):
    parameters = {"host": demo.pgpool.host, "port": demo.pgpool.port, "user": "postgres", "dbname": "app", "autocommit": True}
    with psycopg.connect(**parameters, prepare_threshold=0) as client:
        for number in range(20):
            client.execute("SELECT %s::int + 1", (number,))
        clusters = [harness.cluster(demo.primary, demo.mirror)]
        with harness.Observer(demo.directory, clusters) as observer:
            def told():
                for number in range(200):
                    client.execute("SELECT %s::int + 1", (number,))
                diagnosis = json.loads(fetch(observer, "/readiness"))["clusters"][0]["diagnosis"]
                return "prepared before the observer was there" in diagnosis
            wait_for(told, "the prepared statements to be named", WITHIN)
            assert "let the proxy reconnect" in observer.process.output()


def test_encrypted_connections_are_named(tmp_path):
    if cannot_run():
        pytest.skip(cannot_run())
    key, certificate = str(tmp_path / "server.key"), str(tmp_path / "server.crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
    with harness.Stand("mo-encrypted", children=0) as stand:
        for server in (stand.primary, stand.mirror):
            copies = [os.path.join(stand.directory, f"{server.port}{os.path.basename(path)}") for path in (key, certificate)]
            for source, copy in zip((key, certificate), copies):
                subprocess.run(["install", "-m", "600", "-o", "postgres", source, copy], check=True)
            for setting in (f"ssl_key_file = '{copies[0]}'", f"ssl_cert_file = '{copies[1]}'", "ssl = on"):
                server.query(f"ALTER SYSTEM SET {setting}")
            server.query("SELECT pg_reload_conf()")
        with open("/proc/self/comm", encoding="ascii") as file:
            comm = file.read().strip()
        with harness.Observer(stand.directory, [harness.cluster(stand.primary, stand.mirror)], proxy={"comm": comm},
                              tls="off") as observer:
            def told():
                with contextlib.ExitStack() as stack:
                    for server in (stand.primary, stand.mirror):
                        stack.enter_context(psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="app",
                                                            sslmode="require"))
                    time.sleep(5)
                    diagnosis = json.loads(fetch(observer, "/readiness"))["clusters"][0]["diagnosis"]
                    return "encrypted and cannot be read" in diagnosis and "encrypted and cannot be read" in fetch(observer, "/")
            wait_for(told, "encryption to be named", WITHIN)
            assert "encrypted and cannot be read" in observer.process.output()


def test_discover_writes_a_configuration_that_fits(demo, tmp_path):
    done = subprocess.run([harness.observer.BINARY, "discover", "--seconds", "3"], check=False, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    written = yaml.safe_load(done.stdout)
    assert written["proxy"] == {"comm": "pgpool"}
    ours = [cluster for cluster in written["clusters"] if cluster["primary"]["address"] == demo.primary.address]
    assert [(cluster["primary"], cluster["mirror"]) for cluster in ours] == [
        ({"address": demo.primary.address, "database": "app"}, {"address": demo.mirror.address, "database": "app"})]
    assert "statements went to both while watched, 0 of them to the mirror first" in done.stdout
    path = tmp_path / "observer.yaml"
    path.write_text(done.stdout)
    checked = subprocess.run([harness.observer.BINARY, "--check", "--config", str(path)], check=False, capture_output=True, text=True,
                             timeout=30)
    assert checked.returncode == 0 and "result: ok" in checked.stdout, checked.stdout


def test_discover_without_a_proxy_says_so():
    if cannot_run():
        pytest.skip(cannot_run())
    alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", harness.observer.BINARY, "discover"]
    done = subprocess.run(alone, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and not done.stdout
    assert "no process is connected to two or more PostgreSQL servers" in done.stderr
