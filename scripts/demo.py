# SPDX-License-Identifier: MIT
"""The running part of scripts/demo: demo.py SECONDS MODES (0 = until Ctrl-C)."""

import collections
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import psycopg

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
from harness import Client, Observer, Pgbench, Stand, cluster, interruptible, leftovers  # noqa: E402
from harness.observer import BINARY  # noqa: E402

NAME = "app_mirror"
CLIENTS = 8  # of pgbench, over all modes
EVERY = 3.0  # seconds between two lines of the table
COLUMNS = ("time", "requests", "failed", "connection", "timeout", "query_exec", "success %", "connections", "queue",
           "lost bytes")
ERRORS = "pgdog_mirror_errors_total"


class Troublemaker(threading.Thread):
    """Reconnects all the time; every tenth session ends with a statement that fails on the mirror only."""

    def __init__(self, pgpool):
        super().__init__(daemon=True)
        self.pgpool, self.ended, self.problem = pgpool, threading.Event(), None

    def session(self, fails):
        with Client(self.pgpool) as client:
            client.run("SELECT count(*) FROM pgbench_branches")
            client.run("SELECT abalance FROM pgbench_accounts WHERE aid = %s", (7,))
            if fails:
                client.run("INSERT INTO only_on_primary VALUES (1)")

    def run(self):
        for number in itertools.count(1):
            if self.ended.wait(0.05):
                return
            fails = number % 10 == 0
            try:
                self.session(fails)
            except psycopg.Error as error:
                # pgpool-II ends the session of a client whose backends disagree, since 4.6 with an error of its own before.
                if not fails:
                    self.problem = error
                    return

    def stop(self):
        self.ended.set()
        self.join(30)


def lost(metrics):
    return int(metrics.sum("mirror_observer_lost_bytes_total") + metrics.sum("mirror_observer_lost_records_total"))


def line(metrics, since):
    failures = [int(metrics.get("pgdog_mirror_failures_total", cluster=NAME, error_type=kind))
                for kind in ("connection", "timeout", "query_execution")]
    return (f"{time.monotonic() - since:.0f} s", int(metrics.sum("pgdog_mirror_requests_total", cluster=NAME)),
            sum(failures), *failures, f"{metrics.get('pgdog_mirror_success_rate', cluster=NAME):.3f}",
            int(metrics.sum("pgdog_mirror_connections", cluster=NAME)),
            f"{metrics.get('pgdog_mirror_queue_depth', cluster=NAME):.0f}", lost(metrics))


def row(cells):
    return "  ".join(str(cell).rjust(11) for cell in cells)


def watch(observer, loads, trouble, seconds):
    """Prints the table until the time is up, Ctrl-C, or the load ends by itself (which is an error)."""
    print(row(COLUMNS), flush=True)
    since = time.monotonic()
    try:
        while not seconds or time.monotonic() - since < seconds:
            left = seconds - (time.monotonic() - since) if seconds else EVERY
            time.sleep(max(0, min(EVERY, left)))
            print(row(line(observer.metrics(), since)), flush=True)
            for load in loads:
                if not load.running():
                    raise RuntimeError(f"pgbench ended early:\n{load.output()}")
            if trouble.problem:
                raise RuntimeError(f"the reconnecting client failed: {trouble.problem}")
    except KeyboardInterrupt:
        print("\nstopping; the counts follow", flush=True)


def compare(stand, observer):
    """The servers' counts beside ours; True when all agree."""
    servers = stand.settled_counts()
    metrics = observer.settled()
    rows = []
    for target, server in (("primary", stand.primary), ("mirror", stand.mirror)):
        rows.append((f"{target}: statements", servers[target],
                     metrics.get("pgdog_mirror_statements_total", cluster=NAME, target=target, status="success")))
        logged = collections.Counter(state for _, state, _ in server.errors())
        ours = {labels["sqlstate"] for labels in metrics.labels(ERRORS)
                if labels["target"] == target and labels["cluster"] == NAME}
        for state in sorted(set(logged) | ours):
            value = metrics.sum(ERRORS, cluster=NAME, target=target, sqlstate=state)
            if logged[state] or value:
                rows.append((f"{target}: errors {state}", logged[state], value))
    rows.append(("failed requests = sum of types",
                 metrics.get("pgdog_mirror_requests_total", cluster=NAME, status="failure"),
                 metrics.sum("pgdog_mirror_failures_total", cluster=NAME)))
    rows.append(("outcomes unknown", 0, metrics.get("pgdog_mirror_requests_total", cluster=NAME, status="unknown")))
    rows.append(("bytes and records lost", 0, lost(metrics)))
    print(f"\n{'':32}  {'servers':>12}  {'observer':>12}")
    for what, truth, ours in rows:
        print(f"{what:32}  {int(truth):>12}  {int(ours):>12}  {'equal' if truth == ours else 'DIFFERENT'}")
    return all(truth == ours for _, truth, ours in rows)


def tell(observer):
    """What a person would be told now: too short a time for "ready", and the failing statement by its name."""
    print("\nmirror-observer readiness:", flush=True)
    subprocess.run([BINARY, "readiness", "--url", observer.url], check=False)


def demonstrate(stand, seconds, modes):
    stand.primary.query("CREATE TABLE only_on_primary (a int)")
    stand.reset_counts()
    with Observer(stand.directory, [cluster(stand.primary, stand.mirror, NAME)], port=free_listen_port()) as observer:
        print(f"metrics        {observer.url}/metrics\nstart page     {observer.url}/\n"
              f"configuration  {observer.path}\nthrough pgpool psql -h 127.0.0.1 -p {stand.pgpool.port} -U postgres app\n",
              flush=True)
        trouble = Troublemaker(stand.pgpool)
        trouble.start()
        try:
            with contextlib.ExitStack() as stack:
                loads = [stack.enter_context(Pgbench(stand.pgpool, stand.path(f"{mode}.log"), mode=mode,
                                                     clients=CLIENTS // len(modes), seconds=10**6)) for mode in modes]
                watch(observer, loads, trouble, seconds)
                for load in loads:
                    load.signal(signal.SIGALRM)  # as at the end of its time: each client finishes its transaction
                for load in loads:
                    load.wait()
        finally:
            trouble.stop()
        tell(observer)
        return compare(stand, observer)


def free_listen_port():
    """The documented port if nobody has it."""
    import socket
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 10432))
            return 10432
        except OSError:
            return None


def main(seconds, modes):
    interruptible()
    agree, directory = False, None
    try:
        print("starting two PostgreSQL servers and pgpool-II ...", flush=True)
        with Stand("mirror-observer-demo", children=16) as stand:
            directory = stand.directory
            agree = demonstrate(stand, seconds, modes)
        print("\nThe observer's counts and the servers' own agree." if agree else "\nThe counts do not agree.")
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (RuntimeError, TimeoutError, OSError, psycopg.Error) as error:
        print(f"demo: {error}", file=sys.stderr)
    finally:
        left = leftovers(directory) if directory else []
        for what in left:
            print(f"demo: left behind: {what}", file=sys.stderr)
    return 0 if agree and not left else 1


sys.exit(main(int(sys.argv[1]), sys.argv[2].split(",")))
