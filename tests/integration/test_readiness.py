# SPDX-License-Identifier: MIT
"""The verdict, end to end: real servers, a mirroring proxy, the daemon, and the command line that asks it."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import psycopg
import pytest

from harness import cluster, wait_for
from harness.mirror_proxy import MirrorProxy
from harness.observer import BINARY, Observer
from harness.process import free_port

# A verdict within seconds: the same rules, less evidence.
QUICK = {"window": "60s", "observed": "3s", "statements": 300, "coverage": 99, "success_rate": 99, "recent": "10s",
         "connection_failures": 1, "timeout_failures": 1, "query_failures": 1, "error_divergence": 1,
         "row_divergence": 1, "latency_p50": 20, "latency_p99": 100, "queue_growth": 1000}
READY, NOT_READY, USAGE, NO_DATA, UNREACHABLE = 0, 1, 2, 3, 5


def command(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=120)


def get(observer, path):
    """(status, document) of a path that answers in JSON."""
    try:
        with urllib.request.urlopen(observer.url + path, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def verdict(observer):
    return get(observer, "/readiness")[1]["clusters"][0]


def checks(observer):
    return {check["name"]: check for check in verdict(observer)["checks"]}


def statements(observer):
    return get(observer, "/statements")[1]["clusters"][0]["statements"]


class Traffic:
    """Sessions that run statements in turn until told to stop; errors of the server are part of the traffic."""

    def __init__(self, proxy, sql, sessions=4, pause=0.0):
        self._proxy, self._sql, self._pause = proxy, sql, pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(sessions)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        with psycopg.connect(host=self._proxy.host, port=self._proxy.port, dbname="app", user="postgres",
                             autocommit=True) as connection:
            turn = number
            while not self._stop.is_set():
                turn += 1
                for sql in self._sql:
                    try:
                        connection.execute(sql, (turn,) if "%s" in sql else None)
                    except psycopg.DatabaseError as error:
                        if connection.broken:
                            raise error
                self._stop.wait(self._pause)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


SCHEMA = ["DROP TABLE IF EXISTS ready_big, ready_rows, ready_part, ready_state, ready_there",
          "CREATE TABLE ready_big (id int, filler text)",
          "INSERT INTO ready_big SELECT i, repeat('x', 100) FROM generate_series(1, 60000) i",
          "CREATE INDEX ready_big_id ON ready_big (id)",
          "CREATE TABLE ready_rows (id int, part int)",
          "INSERT INTO ready_rows SELECT i, i % 10 FROM generate_series(1, 100) i",
          "CREATE TABLE ready_part AS TABLE ready_rows",
          "CREATE TABLE ready_state (id int PRIMARY KEY, CONSTRAINT named CHECK (id < 1000000))",
          "INSERT INTO ready_state VALUES (1)",
          "CREATE TABLE ready_there (id int)",
          "ANALYZE"]


def schema(server):
    with server.connect() as connection:
        for sql in SCHEMA:
            connection.execute(sql)


@pytest.fixture
def pair(stand, request):
    """(proxy, observer): our mirroring proxy over the stand's servers, watched with quick thresholds."""
    schema(stand.primary)
    schema(stand.mirror)
    options = getattr(request, "param", {})
    proxy = MirrorProxy(stand.directory, stand.primary, stand.mirror, **{"mode": "pgdog", **options.get("proxy", {})})
    observer = None
    try:
        observer = Observer(stand.directory, [cluster(stand.primary, stand.mirror, **options.get("cluster", {}))],
                            name="ready", proxy={"comm": "mirror-proxy"},
                            readiness={**QUICK, **options.get("readiness", {})}, **options.get("observer", {}))
        yield proxy, observer
    finally:
        proxy.stop()
        if observer:
            observer.close()


GOOD = ["SELECT * FROM ready_rows WHERE id = %s", "SELECT filler FROM ready_big WHERE id = %s", "BEGIN",
        "SELECT count(*) FROM ready_there", "COMMIT"]


PGCAT = {"proxy": {"mode": "pgcat"}}
both_ways = pytest.mark.parametrize("pair", [{}, PGCAT], indirect=True, ids=["pgdog", "pgcat"])


def turns_ready(proxy, observer, sql):
    """Ready in the end, and at no time before that anything but insufficient_data."""
    assert command("readiness", "--url", observer.url).returncode == NO_DATA
    seen = []
    with Traffic(proxy, sql, pause=0.01):  # a closed loop overflows the queue of a healthy mirror, which is no fault of ours
        def ready():
            now = verdict(observer)
            seen.append(now)
            return now if now["verdict"] == "ready" else None
        try:
            last = wait_for(ready, "the verdict to be ready", timeout=60, interval=0.2)
        except TimeoutError as error:
            raise AssertionError([check for check in seen[-1]["checks"] if check["verdict"] != "ready"]) from error
        assert command("readiness", "--url", observer.url, "--cluster", "app_mirror").returncode == READY
        assert get(observer, "/readiness")[0] == 200
        metrics = observer.metrics()
        assert float(metrics.get("pgdog_mirror_ready", cluster="app_mirror")) == 1
    values = {check["name"]: check["value"] for check in last["checks"]}
    assert values["observed"] >= 3 and values["statements"] >= 300
    assert seen[0]["verdict"] == "insufficient_data", "it was not ready at once"
    assert {now["verdict"] for now in seen} == {"insufficient_data", "ready"}, [
        check for now in seen for check in now["checks"] if check["verdict"] == "not_ready"][:3]


@both_ways
def test_a_healthy_mirror_turns_ready_and_no_earlier_than_the_evidence_allows(pair):
    turns_ready(*pair, GOOD)


def test_a_healthy_mirror_behind_pgpool_turns_ready_and_no_earlier_than_the_evidence_allows(stand, observe):
    schema(stand.primary)
    schema(stand.mirror)
    turns_ready(stand.pgpool, observe(readiness=QUICK), ["UPDATE ready_rows SET part = part WHERE id = %s", *GOOD])


BAD = ["SELECT count(*) FROM ready_rows",                          # the noise of a healthy statement
       "SELECT filler FROM ready_big WHERE id = %s",               # no index on the mirror
       "SELECT id FROM ready_there WHERE id = %s",                 # no such table on the mirror
       "SELECT id FROM ready_part WHERE part = 3",                 # fewer rows on the mirror
       "INSERT INTO ready_state VALUES (1)"]                       # fails on both, each in its own way


def paired(observer):
    """The statements whose text was seen."""
    return [statement for statement in statements(observer) if not statement["text"].startswith("<")]


@both_ways
def test_each_of_four_faults_stands_at_the_top_with_its_reason(stand, pair):
    proxy, observer = pair
    for sql in ("DROP INDEX ready_big_id", "DROP TABLE ready_there", "DELETE FROM ready_part WHERE id = 13",
                "ALTER TABLE ready_state DROP CONSTRAINT ready_state_pkey",
                "ALTER TABLE ready_state ADD CHECK (id > 1) NOT VALID"):
        stand.mirror.query(sql)
    with Traffic(proxy, BAD + GOOD[:1] + GOOD[2:3] + GOOD[4:]):
        # psycopg prepares from the sixth time on: what cannot be prepared there is not executed there any more.
        # ... and what fails in being prepared is a class of its own, as is what then has no text.
        wait_for(lambda: [statement["compared"] >= 20 for statement in paired(observer)] == [True] * 6,
                 "enough pairs to be compared", timeout=60)
        if proxy.stats()["mode"] == "pgdog":
            wait_for(lambda: any("(42P01)" in statement["reason"] for statement in statements(observer)
                                 if statement["text"] == "<prepared, not executed>"),
                     "the failure of a Parse alone to be named", timeout=30)
    proxy.settled()
    observer.settled()
    answer = command("readiness", "--url", observer.url)
    assert answer.returncode == NOT_READY, answer.stdout
    assert get(observer, "/readiness")[0] == 503
    assert float(observer.metrics().get("pgdog_mirror_ready", cluster="app_mirror")) == 0
    failed = {name for name, check in checks(observer).items() if check["verdict"] == "not_ready"}
    assert {"error_divergence", "row_divergence", "query_failures", "success_rate"} <= failed
    top = [(statement["text"], statement["reason"]) for statement in paired(observer)[:4]]

    def reason(fragment):
        return next((why for text, why in top if fragment in text), f"{fragment} is not among the top four: {top}")
    # Who does not wait for the mirror's answers executes there what could not be prepared.
    codes = ("42P01", "26000") if proxy.stats()["mode"] == "pgcat" else ("42P01",)
    assert reason("ready_there").startswith(tuple(f"fails on the mirror only ({code})" for code in codes))
    assert reason("ready_state").startswith("other SQLSTATE (23514, on the primary 23505)")
    assert reason("ready_part").startswith("row counts differ")
    assert reason("ready_big").startswith("slower: ")
    for _, why in top:
        assert why in answer.stdout
    first = answer.stdout.split("REASON\n")[1].splitlines()[0]
    assert first.strip().startswith("NOT READY"), "what is in the way comes first"


def test_failures_that_both_sides_have_are_excused(pair):
    proxy, observer = pair
    with Traffic(proxy, ["INSERT INTO ready_state VALUES (1)", *GOOD]):
        wait_for(lambda: verdict(observer)["verdict"] == "ready", "a ready verdict despite failures", timeout=60)
    metrics = observer.settled()
    failures = metrics.get("pgdog_mirror_failures_total", cluster="app_mirror", error_type="query_execution")
    excused = metrics.get("pgdog_mirror_excused_failures_total", cluster="app_mirror", error_type="query_execution")
    assert float(failures) > 50
    assert float(excused) == float(failures)


def test_a_mirror_that_falls_silent_is_not_ready_any_more(pair):
    proxy, observer = pair
    with Traffic(proxy, GOOD, pause=0.01):
        wait_for(lambda: verdict(observer)["verdict"] == "ready", "the verdict to be ready", timeout=60)
        proxy.command("pause-mirror")
        wait_for(lambda: checks(observer)["recent"]["verdict"] == "not_ready", "silence to be noticed", timeout=40)
        assert verdict(observer)["verdict"] == "not_ready"
        proxy.command("resume-mirror")


def test_what_was_dropped_counts_for_the_whole_window(pair):
    """Long after the drops, when the share that was learned since is 1 again."""
    proxy, observer = pair
    with Traffic(proxy, GOOD, pause=0.01):
        wait_for(lambda: verdict(observer)["verdict"] == "ready", "the verdict to be ready", timeout=60)
        proxy.command("drop", 2000)
        wait_for(lambda: checks(observer)["mirrored"]["verdict"] == "not_ready", "the drops to be noticed", timeout=60)
        wait_for(lambda: observer.metrics().get("pgdog_mirror_mirrored_ratio", cluster="app_mirror") > 0.97,
                 "the share to be learned anew", timeout=30)
        assert checks(observer)["mirrored"]["verdict"] == "not_ready"
        assert verdict(observer)["verdict"] == "not_ready"


@pytest.mark.parametrize("pair", [{"observer": {"ring_bytes": "64KiB"}}], indirect=True)
def test_lost_events_make_the_data_insufficient_and_never_ready(pair):
    proxy, observer = pair
    seen = set()
    with Traffic(proxy, ["SELECT repeat('y', 200000) FROM generate_series(1, 20)", *GOOD], sessions=8):
        def lost():
            seen.add(verdict(observer)["verdict"])
            return observer.metrics().get("mirror_observer_lost_bytes_total", reason="ring_full")
        wait_for(lambda: float(lost()) > 1e6, "the ring buffer to overflow", timeout=60)
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            seen.add(verdict(observer)["verdict"])
            time.sleep(0.2)
    assert checks(observer)["coverage"]["verdict"] == "insufficient_data"
    assert verdict(observer)["verdict"] == "insufficient_data", \
        [check for check in checks(observer).values() if check["verdict"] == "not_ready"]
    assert seen == {"insufficient_data"}
    assert command("readiness", "--url", observer.url).returncode == NO_DATA


def test_a_restart_and_a_reset_start_the_observation_anew(pair):
    proxy, observer = pair
    with Traffic(proxy, GOOD):
        assert command("readiness", "--url", observer.url, "--wait", "60s").returncode == READY
        answer = command("reset", "--config", observer.path, "--cluster", "app_mirror")
        assert (answer.returncode, answer.stdout) == (0, "app_mirror: the verdict starts anew\n")
        assert checks(observer)["observed"]["value"] < 3
        assert verdict(observer)["verdict"] == "insufficient_data"
        assert command("readiness", "--config", observer.path, "--wait", "60s").returncode == READY
        counted = observer.metrics().get("pgdog_mirror_requests_total", cluster="app_mirror", status="success")
        observer.stop()
        assert command("readiness", "--url", observer.url).returncode == UNREACHABLE
        observer.start()
        after = observer.metrics().get("pgdog_mirror_requests_total", cluster="app_mirror", status="success")
        assert float(after) >= float(counted), "the counters go on"
        assert checks(observer)["observed"]["value"] < 3, "the observation does not"


def test_questions_that_cannot_be_answered_say_why(pair):
    _, observer = pair
    answer = command("readiness", "--url", observer.url, "--cluster", "nowhere")
    assert (answer.returncode, answer.stderr) == (USAGE, "no cluster nowhere is configured\n")
    assert get(observer, "/readiness?cluster=nowhere")[0] == 404
    assert get(observer, "/statements?cluster=nowhere")[0] == 404
    assert command("reset", "--url", observer.url, "--cluster", "nowhere").returncode == USAGE
    assert command("reset", "--url", observer.url).returncode == USAGE
    refused = urllib.request.Request(observer.url + "/-/reset?cluster=app_mirror", method="POST")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(refused, timeout=10)
    assert error.value.code == 403
    began = time.monotonic()
    assert command("readiness", "--url", observer.url, "--wait", "3s").returncode == NO_DATA
    assert 3 <= time.monotonic() - began < 20


@pytest.mark.parametrize("pair", [{"cluster": {"result_checksum": "ordered"}}], indirect=True)
def test_results_are_compared_and_what_the_primary_varies_itself_is_noise(stand, pair):
    proxy, observer = pair
    stand.mirror.query("UPDATE ready_part SET part = 99 WHERE id = 7")
    changed, noise = "SELECT part FROM ready_part WHERE id = 7", "SELECT random()"
    with Traffic(proxy, [changed, noise, *GOOD]):
        wait_for(lambda: [s["compared"] for s in statements(observer) if "random" in s["text"]] > [200], "pairs", 60)
        found = {statement["text"]: statement for statement in statements(observer)}
        different = found["SELECT part FROM ready_part WHERE id = $1"]
        assert different["reason"].startswith("results differ") and different["result"] == different["compared"]
        random = found["SELECT random()"]
        assert random["result"] > 100 and random["excess"] < 0.1 * random["compared"]
        assert statements(observer)[0]["fingerprint"] == different["fingerprint"], "noise does not hide it"
        assert checks(observer)["row_divergence"]["verdict"] == "not_ready"
        observer.config["clusters"][0]["ignore_fingerprints"] = [different["fingerprint"]]
        observer.write()
        observer.reload()
        wait_for(lambda: any(s["ignored"] for s in statements(observer)), "the reload to be in force")
        assert command("reset", "--url", observer.url, "--cluster", "app_mirror").returncode == 0
        wait_for(lambda: verdict(observer)["verdict"] == "ready", "the rest to be ready", timeout=60)


# Each differs on the primary itself from one run to the next. (`SELECT now()` alone takes no part: pgpool-II asks it.)
NOISE = {"LIMIT": "SELECT id FROM ready_part WHERE random() < 0.1 LIMIT 1", "now()": "SELECT count(*), now() FROM ready_there",
         "SELECT random()": "SELECT random()", "nextval": "SELECT nextval('ready_sequence')"}


@pytest.mark.parametrize("pair", [{"cluster": {"result_checksum": "ordered"}}], indirect=True)
def test_what_the_primary_varies_itself_does_not_stand_in_the_way(stand, pair):
    proxy, observer = pair
    for server in (stand.primary, stand.mirror):
        server.query("DROP SEQUENCE IF EXISTS ready_sequence; CREATE SEQUENCE ready_sequence")
    stand.mirror.query("SELECT setval('ready_sequence', 1000000)")
    with Traffic(proxy, [*NOISE.values(), *GOOD]):
        for mark in NOISE:
            def of_class(text=mark):
                return next((s for s in statements(observer)
                             if text in s["text"] and s["compared"] > 300 and s["result"] > 5), None)
            try:
                found = wait_for(of_class, f"pairs with {mark} that differ", 60)
            except TimeoutError as error:
                raise AssertionError([(s["text"], s["compared"], s["result"]) for s in statements(observer)]) from error
            assert found["excess"] < 0.1 * found["compared"], f"{mark} is noise: {found}"
        assert command("reset", "--url", observer.url, "--cluster", "app_mirror").returncode == 0
        wait_for(lambda: verdict(observer)["verdict"] == "ready", "the verdict to be ready", timeout=60)


@contextlib.contextmanager
def network():
    """A network namespace that is linked to this one: (its name, our address)."""
    name = f"mo-reset-{os.getpid()}"
    ours, theirs = f"mo{os.getpid()}a", f"mo{os.getpid()}b"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for line in (f"link add {ours} type veth peer name {theirs} netns {name}", f"address add 198.51.100.1/30 dev {ours}",
                     f"link set {ours} up", f"-n {name} address add 198.51.100.2/30 dev {theirs}",
                     f"-n {name} link set {theirs} up"):
            subprocess.run(["ip", *line.split()], check=True)
        yield name, "198.51.100.1"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


ASK = """
import sys, urllib.request, urllib.error
request = urllib.request.Request(sys.argv[1], method=sys.argv[2], headers={"X-Mirror-Observer": "1"})
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


def test_a_reset_is_refused_to_any_peer_but_the_loopback(stand):
    with contextlib.ExitStack() as stack:
        name, address = stack.enter_context(network())
        port = free_port()
        observer = Observer(stand.directory, [cluster(stand.primary, stand.mirror)], name="elsewhere",
                            listen=f"0.0.0.0:{port}")
        stack.callback(observer.close)

        def ask(host, path, method, *inside):
            return subprocess.run([*inside, sys.executable, "-c", ASK, f"http://{host}:{port}{path}", method], check=True,
                                  capture_output=True, text=True).stdout
        away = ("ip", "netns", "exec", name)
        reset = "/-/reset?cluster=app_mirror"
        assert ask(address, "/metrics", "GET", *away).startswith("200"), "figures are for every reader"
        assert ask(address, reset, "POST", *away).startswith("403 This can only be asked for on this machine")
        assert ask(address, reset, "POST").startswith("403"), "our own address is no loopback address either"
        assert ask("127.0.0.1", reset, "POST").startswith("200")


SECRETS = ("Zq7literal", "Zq7parameter", "Zq7utility", "Zq7comment", "Zq7password", "Zq7long")


def test_no_literal_parameter_or_message_of_a_server_leaves_the_process(stand, pair):
    proxy, observer = pair
    statement = [f"SELECT 'Zq7literal' || count(*) FROM ready_rows WHERE id::text <> '{'Zq7long' * 4000}'",
                 "SELECT E'Zq7literal\\'' AS a, $tag$Zq7literal$tag$ /* Zq7comment */ -- Zq7comment",
                 "SELECT 'Zq7literal'::int", "SELECT * FROM ready_there WHERE id = 'Zq7literal'",
                 "INSERT INTO ready_state VALUES ('Zq7literal')", "SELECT 'Zq7literal", "SELECT Zq7literal'",
                 "SET application_name = 'Zq7utility'", "CREATE ROLE zq7 PASSWORD 'Zq7password'", "DROP ROLE zq7",
                 "DO $$ BEGIN RAISE EXCEPTION 'Zq7literal'; END $$", "COPY ready_there TO '/nowhere/Zq7utility'"]
    with psycopg.connect(host=proxy.host, port=proxy.port, dbname="app", user="postgres", autocommit=True) as session:
        for sql in statement * 3:
            try:
                session.execute(sql)
            except psycopg.DatabaseError:
                pass
        for value in ("Zq7parameter", b"Zq7parameter") * 10:
            session.execute("SELECT %s", (value,))
            try:
                session.execute("SELECT count(*) FROM ready_there WHERE id::text = %s AND 1 = (%s::text)::int",
                                ("Zq7parameter", "Zq7parameter"))
            except psycopg.DatabaseError:
                pass
    proxy.settled()
    observer.settled()
    assert len(statements(observer)) >= 5, "the statements were seen"
    told = observer.process.output()
    for path in ("/metrics", "/statements?limit=1000", "/readiness", "/", "/style.css"):
        with urllib.request.urlopen(urllib.request.Request(observer.url + path), timeout=10) if path != "/readiness" \
                else contextlib.nullcontext() as answer:
            told += answer.read().decode() if answer else json.dumps(get(observer, path)[1])
    dump = subprocess.run(["bpftool", "map", "dump", "pinned", f"{observer.pin}/stats"], check=True,
                          capture_output=True, text=True).stdout
    for secret in SECRETS:
        assert secret.lower() not in (told + dump).lower()
