# SPDX-License-Identifier: MIT
"""The differential run: random valid sessions, counted by the client, by the server and by the observer.

The generator (generator.c) says what libpq was told. That is compared with pg_stat_statements and the server's log,
which proves the truth, and with the observer's metrics, which is the test. Run it as tests/differential/run.
"""
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import harness

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
GENERATOR = os.path.join(BUILD, "tests", "differential")
RELAY = os.path.join(BUILD, "tests", "mirror-proxy")
COMM = "differential"
CLUSTER = "differential"
STATUS = ("success", "failure", "unknown")
TYPES = ("connection", "timeout", "query_execution")
TABLES = 8  # CONNECTIONS_MAX of generator.c
SCHEMA = [
    "CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL)",
    "INSERT INTO account SELECT i, 'owner ' || i FROM generate_series(1, 20) i",
    "CREATE TABLE booking (id int, UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE ROLE full_role LOGIN CONNECTION LIMIT 0",
    *[f"CREATE TABLE entry_{i} (id int, note text)" for i in range(TABLES)],
    *[f"CREATE INDEX ON entry_{i} (id)" for i in range(TABLES)],
]


class Run:
    """One server and, where they are wanted, the relay and the observer. Settings as in `parse`."""

    def __init__(self, through="relay", observe=True, relay_options=(), lossy=False):
        self.through, self.observe, self.lossy = through, observe, lossy
        self.stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self.directory = tempfile.mkdtemp(prefix="mo-differential.", dir="/tmp")
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            os.chmod(self.directory, 0o755)
            self.server = stack.enter_context(harness.Server(self.directory, "server"))
            for statement in SCHEMA:
                self.server.query(statement)
            self.observer = stack.enter_context(self._observer()) if observe else None
            self.port = self.server.port
            if through == "relay":
                self.port = self._relay(stack, relay_options)
            self.stack = stack.pop_all()

    def _observer(self):
        comm = os.path.basename(RELAY) if self.through == "relay" else COMM
        # The primary is an address that nobody connects to.
        nowhere = (f"127.0.0.1:{harness.free_port()}", "app")
        return harness.Observer(self.directory, [harness.cluster(nowhere, self.server, CLUSTER)], proxy={"comm": comm},
                                mirror_failure_threshold=5, **({"ring_bytes": "64KiB"} if self.lossy else {}))

    def _relay(self, stack, options):
        port = harness.free_port()
        log = os.path.join(self.directory, "relay.log")
        relay = stack.enter_context(harness.Process(
            [RELAY, "--mode", "relay", "--listen", f"127.0.0.1:{port}", "--primary", self.server.address, *options], log))
        harness.wait_for(lambda: "listening" in relay.output(), "the relay to listen")
        return port

    def generate(self, seed, statements, connections):
        """Runs the generator; the truth that it prints."""
        conninfo = f"host=127.0.0.1 port={self.port} dbname=app user=postgres gssencmode=disable"
        # GSSAPI and a service file of the machine have no part in this.
        result = subprocess.run(
            [GENERATOR, conninfo, "--seed", str(seed), "--statements", str(statements), "--connections",
             str(connections), "--comm", COMM],
            check=False, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
        if result.returncode != 0:
            raise RuntimeError(f"the generator ended with {result.returncode}: {result.stderr}")
        return json.loads(result.stdout)

    @contextlib.contextmanager
    def losses(self, seed):
        """With lossy: the observer stops and goes on all the time, with a ring that is soon full."""
        chance, ended = random.Random(seed), threading.Event()

        def stop_and_go():
            while not ended.is_set():
                self.observer.process.signal(signal.SIGSTOP)
                time.sleep(chance.choice([0.001, 0.02, 0.2]))
                self.observer.process.signal(signal.SIGCONT)
                time.sleep(chance.choice([0.02, 0.2, 0.5]))
        thread = threading.Thread(target=stop_and_go) if self.lossy else None
        if thread:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if thread:
                thread.join()

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def compare(what, expected, found, problems):
    """Adds a line for each key that differs; missing is 0."""
    for key in sorted(set(expected) | set(found)):
        if expected.get(key, 0) != found.get(key, 0):
            problems.append(f"{what} {key}: the client saw {expected.get(key, 0):.0f}, "
                            f"not {found.get(key, 0):.0f}")


def against_server(server, truth):
    """The client's figures and the server's; a list of differences."""
    problems = []

    def logged():
        found = {}
        for _, sqlstate, _ in server.errors():
            found[sqlstate] = found.get(sqlstate, 0) + 1
        return found

    with contextlib.suppress(TimeoutError):  # the log is written by a process of its own
        harness.wait_for(lambda: logged() == truth["errors"], "the log", timeout=5)
    compare("errors in the log,", truth["errors"], logged(), problems)
    calls, most = server.counts(), truth["comparable"]
    if server.version >= 17:  # whose pg_stat_statements counts DEALLOCATE, and still no PREPARE
        most += truth["deallocates"]
    if not most - truth["uncertain"] <= calls <= most:
        problems.append(f"pg_stat_statements has {calls} calls, not {most - truth['uncertain']} to {most}")
    return problems


def exceed(what, expected, found, problems):
    """Adds a line for each key of which more was found than there is."""
    for key, count in sorted(found.items()):
        if key != "unknown" and count > expected.get(key, 0):
            problems.append(f"{what} {key}: {count:.0f}, and the client saw {expected.get(key, 0):.0f}")


def against_observer(observer, truth, lossy=False):
    """The client's figures and the metrics; a list of differences. lossy: nothing is told that did not happen."""
    metrics, problems = observer.settled(), []
    judge = exceed if lossy else compare

    def family(name, label, values, **labels):
        return {value: metrics.sum(name, cluster=CLUSTER, **labels, **{label: value}) for value in values}

    def sqlstates():
        name, found = "pgdog_mirror_errors_total", {}
        for labels in metrics.labels(name):
            if labels["target"] == "mirror":
                found[labels["sqlstate"]] = metrics.get(name, **labels)
        return found

    judge("statements", truth["statements"],
            family("pgdog_mirror_statements_total", "status", STATUS, target="mirror"), problems)
    judge("requests", truth["requests"], family("pgdog_mirror_requests_total", "status", STATUS), problems)
    judge("failures", truth["failures"], family("pgdog_mirror_failures_total", "error_type", TYPES), problems)
    judge("errors", truth["errors"], sqlstates(), problems)
    judge("connects", {"ok": truth["connections"], "startup_error": truth["startup_errors"]},
            family("pgdog_mirror_connection_attempts_total", "result", ("ok", "startup_error", "refused", "timeout",
                                                                        "reset", "abandoned"), target="mirror"),
            problems)
    for name, key in (("pgdog_mirror_upkeep_requests_total", "upkeep"),
                      ("pgdog_mirror_ignored_requests_total", "ignored")):
        judge(key, {"requests": truth[key]}, {"requests": metrics.sum(name, cluster=CLUSTER)}, problems)
    if lossy:
        known = sum(metrics.sum("pgdog_mirror_statements_total", cluster=CLUSTER, target="mirror", status=status) for status in STATUS[:2])
        lost = metrics.sum("mirror_observer_lost_bytes_total")
        if not lost or not known:
            problems.append(f"no test of losses: {lost:.0f} bytes lost, {known:.0f} statements known")
        truth["lossy"] = {"lost_bytes": lost, "known_statements": known,
                          "blind_seconds": metrics.sum("mirror_observer_blind_seconds_total", cluster=CLUSTER)}
        return problems
    for name in ("mirror_observer_lost_bytes_total", "mirror_observer_lost_records_total",
                 "mirror_observer_decoding_errors_total", "mirror_observer_unclassified_failures_total"):
        compare(name, {}, {"in all": metrics.sum(name)}, problems)
    return problems


def check(seed, statements, connections=4, **options):
    """One run; the differences, and the truth."""
    with Run(**options) as run:
        run.server.reset_counts()
        with run.losses(seed):
            truth = run.generate(seed, statements, connections)
        problems = against_server(run.server, truth)
        if run.observer:
            problems += against_observer(run.observer, truth, run.lossy)
        return problems, truth


def new_seed():
    return random.SystemRandom().randrange(1 << 32)
