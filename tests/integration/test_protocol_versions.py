# SPDX-License-Identifier: MIT
"""Clients that ask for newer versions of the protocol than the server speaks, or for options: client, server, observer agree.

PostgreSQL 15 and 17 answer 3.1 and later with NegotiateProtocolVersion and go on with 3.0; 18 speaks 3.2, with keys for
cancelling that are longer than four bytes. What the server at hand answers decides what is tried; the long keys are tried
with transcripts too (tests/transcripts/long_cancel_key.txt).
"""
import struct

import pytest
from conftest import cannot_run
from differential import driver
from harness import wait_for, wire

WISHES = [((3, 0), {}), ((3, 0), {"_pq_.wish": "yes"}), ((3, 1), {}), ((3, 2), {}), ((3, 2), {"_pq_.wish": "yes"}),
          ((3, 9999), {"_pq_.test_protocol_negotiation": ""})]
TRUTH = {"errors": {}, "ignored": 0, "upkeep": 0, "connections": 0, "startup_errors": 0, "comparable": 0, "uncertain": 0,
         "deallocates": 0}


def start(client, version, options):
    """The minor version that is spoken then, after a start-up that asks for `version`."""
    client.raw(wire.startup_packet(version, user="postgres", database="app", **options))
    minor = version[1]
    for kind, body in client.until("Z", "E"):
        assert kind != "E", wire.error_fields(body)
        if kind == "v":
            minor = struct.unpack("!I", body[:4])[0] & 0xffff
        if kind == "K":
            client.pid, client.key = struct.unpack("!I", body[:4])[0], body[4:]
    return minor


def cancel(run, client):
    """Through the proxy, as a client does, once the server is at work on the statement."""
    client.send(wire.query("SELECT pg_sleep(60)"))
    wait_for(lambda: run.server.query(f"SELECT 1 FROM pg_stat_activity WHERE pid = {client.pid} AND wait_event = 'PgSleep'",
                                      database="postgres"), "the statement to run")
    with wire.Client(("127.0.0.1", run.port)) as other:
        other.raw(wire.cancel_request(client.pid, client.key))
        other.until_closed()
    answers = dict(client.until("Z"))
    assert wire.error_fields(answers["E"])["C"] == "57014"


def converse(run, version, options):
    """Four statements in three requests, one of them cancelled."""
    with wire.Client(("127.0.0.1", run.port)) as client:
        minor = start(client, version, options)
        assert client.rows("SELECT 1; SELECT 2") == [["1"], ["2"]]
        client.ask(wire.parse("SELECT $1::text"), wire.bind(values=["3"]), wire.execute(), wire.sync())
        cancel(run, client)
        client.terminate()
    return minor


def truth_after(conversations):
    """The connection that carries the CancelRequest is one more that was opened."""
    counts = {"statements": {"success": 3, "failure": 1}, "requests": {"success": 2, "failure": 1}, "failures": {"timeout": 1},
              "errors": {"57014": 1}}
    return {**TRUTH, **{name: {key: n * conversations for key, n in values.items()} for name, values in counts.items()},
            "connections": 2 * conversations, "comparable": 3 * conversations}


def test_what_the_client_asks_for_changes_no_count():
    if cannot_run():
        pytest.skip(cannot_run())
    with driver.Run(through="relay") as run:
        run.server.reset_counts()
        for number, (version, options) in enumerate(WISHES, 1):
            minor = converse(run, version, options)
            assert minor == (0 if run.server.version < 18 else min(version[1], 2)), (version, options)
            truth = truth_after(number)
            problems = driver.against_server(run.server, truth) + driver.against_observer(run.observer, truth)
            assert problems == [], (version, options)
