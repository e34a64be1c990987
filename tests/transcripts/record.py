# SPDX-License-Identifier: MIT
"""Records tests/transcripts/*.txt from a real PostgreSQL 15; run it as scripts/record-transcripts.

A scenario is a function that drives one recorded connection and then states the truth: what the client was told, by
the definitions in README.md. The statement is checked against the server (calls in pg_stat_statements, errors in the
log) before the file is written; the observer's own decoder has no part in it.
"""
import os
import sys
import tempfile
from collections import Counter

from harness import interruptible, relay, transcript, wait_for, wire

from .server import RecordedServer

HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIOS = {}
DATABASE = "app"
STATUS = ("success", "failure", "unknown")
FAILURES = ("connection", "timeout", "query_execution")
NOTES = ("startup_done", "startup_error", "cancel_request", "encrypted", "replication")


def scenario(title, **options):
    """Registers a function of one Session; its name is the file's, the title says what the file shows."""
    def register(function):
        SCENARIOS[function.__name__] = (title, options, function)
        return function
    return register


class Session:
    """What a scenario works with. address is where the relay sends connections."""

    def __init__(self, server, address):
        self.server, self.address = server, address
        self.clients, self.others, self.facts = [], [], {}
        self.calls = self.other_calls = 0
        self.startup_facts = {}
        self.sqlstates = {}
        self.relay = relay.RecordingRelay(address)

    def open(self):
        """The recorded connection before its start-up packet."""
        self.clients.append(wire.Client(self.relay.address))
        return self.clients[-1]

    def connect(self, **parameters):
        """The recorded connection, started."""
        client, parameters = self.open(), dict({"user": "app", "database": DATABASE}, **parameters)
        self.startup_facts = {"user": parameters["user"], "database": parameters["database"]}
        client.startup(**parameters)
        return client

    def asked(self, *texts, **parameters):
        """The recorded connection, from start to Terminate: each text is a simple Query that is waited for."""
        client = self.connect(**parameters)
        for text in texts:
            client.ask(wire.query(text))
        client.terminate()

    def other(self, database=DATABASE):
        """A connection past the relay; its calls in the recorded database go to other_calls."""
        client = wire.Client((self.server.host, self.server.port))
        client.startup(user="postgres", database=database)
        self.others.append(client)
        return client

    def admin(self, sql):
        return self.server.admin(sql)

    def truth(self, statements=(0, 0, 0), requests=(0, 0, 0), failures=None, upkeep=0, ignored=0, sqlstates=None,
              notes=None, calls=None, client_only=()):
        """None in place of a figure leaves it unstated. calls: in pg_stat_statements, where not the successes.
        client_only: SQLSTATEs that the server does not log."""
        def stated(names, values):
            return {n: v for n, v in zip(names, values) if v is not None}
        failures = dict(dict.fromkeys(FAILURES, 0), **(failures or {}))
        notes = dict({"startup_done": 1}, **(notes or {}))
        self.sqlstates = {k: v for k, v in (sqlstates or {}).items() if k not in client_only}
        self.calls = statements[0] if calls is None else calls
        self.facts = {
            "startup": self.startup_facts,
            "queries": {"sent": sum(c.queries for c in self.clients)},
            "statements": stated(STATUS, statements),
            "requests": stated(STATUS, requests),
            "failures": failures,
            "upkeep": {"requests": upkeep},
            "ignored": {"requests": ignored},
            "sqlstate": sqlstates or {},
            "notes": {n: notes.get(n, 0) for n in NOTES},
            "server": {"pg_stat_statements": self.calls},
        }

    def end(self):
        for client in self.clients + self.others:
            client.close()
        self.relay.__exit__()


def tidy(chunks, torn):
    """Joins what TCP tore apart in mid-message (unless torn on purpose) and drops what the client never read after its
    own close."""
    out = []
    for chunk in chunks:
        if not torn and len(out) > 1 and chunk.side == out[-1].side and chunk.data and unfinished(out[-1].data):
            out[-1].data += chunk.data
        else:
            out.append(chunk)
        if chunk.side == "C" and chunk.end:
            return out
    return out


def unfinished(data):
    """True when data, which begins with a message, ends inside of one."""
    last = transcript.split_messages(data, False)[-1] if data else b""
    return bool(last) and int.from_bytes(last[1:5], "big") + 1 != len(last)


def record(server, name, directory):
    title, options, function = SCENARIOS[name]
    address = server.socket_path if options.get("unix") else (server.host, server.port)
    server.reset_counts()
    logged = server.logged()
    session = Session(server, address)
    try:
        function(session)
    finally:
        session.end()
    chunks = tidy(session.relay.recording(0), options.get("torn", False))
    if options.get("checked", True):
        check_against_server(session, logged)
    version = server.admin("SHOW server_version")[0][0].split()[0]
    comment = [title, "", f"Recorded from PostgreSQL {version} by scripts/record-transcripts ({name})."]
    transcript.write(transcript.Transcript(comment, chunks, session.facts), f"{directory}/{name}.txt")


def check_against_server(session, logged_before):
    """The truth of the scenario must be what the server says too."""
    calls = session.server.counts(DATABASE) - session.other_calls
    if calls != session.calls:
        raise AssertionError(f"pg_stat_statements has {calls} calls, the scenario states {session.calls}")
    expected = logged_before + Counter(session.sqlstates)
    try:  # the log is written by a process of its own
        wait_for(lambda: session.server.logged() == expected, "the log", timeout=5)
    except TimeoutError:
        found = dict(session.server.logged() - logged_before)
        raise AssertionError(f"the server logged {found}, the scenario states {session.sqlstates}") from None


def public(directory):
    """Lets the server's account pass through."""
    os.chmod(directory, 0o755)
    return directory


def main(arguments):
    """Records the named scenarios, or all."""
    from . import by_hand, scenarios_copy, scenarios_extended, scenarios_faults, scenarios_simple, scenarios_startup
    assert scenarios_copy and scenarios_extended and scenarios_faults and scenarios_simple and scenarios_startup
    directory = HERE
    if arguments[:1] == ["--directory"]:
        directory, arguments = arguments[1], arguments[2:]
    failed = 0
    interruptible()
    with tempfile.TemporaryDirectory(prefix="mirror-observer-") as temporary, RecordedServer(public(temporary)) as server:
        for name in arguments or SCENARIOS:
            try:
                record(server, name, directory)
            except Exception as error:  # the other recordings still stand
                failed += 1
                print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
    if not arguments:
        by_hand.write_all(directory)
    return 1 if failed else 0
