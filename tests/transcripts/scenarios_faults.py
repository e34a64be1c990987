# SPDX-License-Identifier: MIT
"""Timeouts, cancellation, terminated and killed backends, clients that go away."""
import os
import signal
import socket

from harness import relay, wire
from harness.wire import bind, execute, parse, query, sync

from .record import scenario
from .scenarios_startup import wait_until

SLEEP = "SELECT pg_sleep(60)"


def sleeping(s, client):
    wait_until(s, f"SELECT 1 FROM pg_stat_activity WHERE pid = {client.pid} AND wait_event = 'PgSleep'")


def terminate_backend(s, client):
    s.admin(f"SELECT pg_terminate_backend({client.pid})")


@scenario("statement_timeout: 57014, the connection lives on.")
def statement_timeout(s):
    s.asked("SET statement_timeout = 100", SLEEP, "SELECT 1")
    s.truth(statements=(2, 1, 0), requests=(2, 1, 0), failures={"timeout": 1}, sqlstates={"57014": 1})


@scenario("A statement cancelled from another connection: 57014.")
def cancelled(s):
    c = s.connect()
    c.send(query(SLEEP))
    sleeping(s, c)
    with wire.Client(s.address) as canceller:
        canceller.raw(wire.cancel_request(c.pid, c.key))
        canceller.until_closed()
    c.until("Z")
    c.terminate()
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"timeout": 1}, sqlstates={"57014": 1})


@scenario("lock_timeout: 55P03.")
def lock_timeout(s):
    holder = s.other()
    holder.ask(query("BEGIN; LOCK TABLE account"))
    s.asked("SET lock_timeout = 100", "SELECT count(*) FROM account")
    holder.ask(query("ROLLBACK"))
    s.other_calls = 3
    s.truth(statements=(1, 1, 0), requests=(1, 1, 0), failures={"timeout": 1}, sqlstates={"55P03": 1})


@scenario("idle_in_transaction_session_timeout: FATAL 25P03 while no statement is outstanding; the open block is the "
          "request that fails.")
def idle_in_transaction_timeout(s):
    c = s.connect()
    c.ask(query("SET idle_in_transaction_session_timeout = 100"))
    c.ask(query("BEGIN"))
    c.until_closed()
    c.close()
    s.truth(statements=(2, 0, 0), requests=(1, 1, 0), failures={"timeout": 1}, sqlstates={"25P03": 1})


@scenario("idle_session_timeout: FATAL 57P05 on an idle connection. No request was open, none failed.")
def idle_session_timeout(s):
    c = s.connect()
    c.ask(query("SET idle_session_timeout = 100"))
    c.until_closed()
    c.close()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0), sqlstates={"57P05": 1})


@scenario("pg_terminate_backend of an idle connection: FATAL 57P01, no failure.")
def terminated_idle(s):
    c = s.connect()
    c.ask(query("SELECT 1"))
    terminate_backend(s, c)
    c.until_closed()
    c.close()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0), sqlstates={"57P01": 1})


@scenario("pg_terminate_backend in mid-statement: FATAL 57P01, a connection failure.")
def terminated_in_statement(s):
    c = s.connect()
    c.send(query(SLEEP))
    sleeping(s, c)
    terminate_backend(s, c)
    c.until_closed()
    c.close()
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"connection": 1}, sqlstates={"57P01": 1})


@scenario("pg_terminate_backend between two statements of a block: the block fails, no statement does.")
def terminated_in_transaction(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    c.ask(query("INSERT INTO entry VALUES (60, 'lost')"))
    terminate_backend(s, c)
    c.until_closed()
    c.close()
    s.truth(statements=(2, 0, 0), requests=(0, 1, 0), failures={"connection": 1}, sqlstates={"57P01": 1})


@scenario("A backend killed (SIGKILL) in mid-result: rows, then the end of the stream without any message.")
def crash_in_mid_result(s):
    c = s.connect()
    c.send(query("SELECT 'a row before the crash, one of those that fill the buffer', pg_sleep(i / 400) "
                 "FROM generate_series(1, 400) i"))
    sleeping(s, c)
    os.kill(c.pid, signal.SIGKILL)
    c.until_closed()
    c.close()
    s.server.await_ready()
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"connection": 1}, calls=None)
    del s.facts["server"]
    s.calls = s.server.counts()  # the crash emptied pg_stat_statements


@scenario("Another backend crashed: this idle connection gets 57P02 and its end; no failure.", checked=False)
def crash_of_another_idle(s):
    c = s.connect()
    c.ask(query("SELECT 1"))
    other = s.other()
    os.kill(other.pid, signal.SIGKILL)
    c.until_closed()
    c.close()
    s.server.await_ready()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0), client_only=("57P02",), sqlstates={"57P02": 1})
    # the server sends 57P02 as WARNING (a notice) since the backend is about to die
    s.facts["sqlstate"] = {}
    del s.facts["server"]


@scenario("Terminate inside a transaction block: a rollback on purpose, so the request is a success.")
def terminate_in_transaction(s):
    s.asked("BEGIN", "INSERT INTO entry VALUES (61, 'rolled back')")
    s.truth(statements=(2, 0, 0), requests=(1, 0, 0))


@scenario("The client closes (FIN, no Terminate) inside a transaction block: a rollback too.")
def close_in_transaction(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    c.close()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("The client closes while its statement runs: the request counts as a timeout.")
def close_in_statement(s):
    c = s.connect()
    c.send(query(SLEEP))
    sleeping(s, c)
    c.close()
    s.relay.recordings[0].server.shutdown(socket.SHUT_RDWR)
    terminate_backend(s, c)
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"timeout": 1}, calls=0)
    s.sqlstates = {"57P01": 1}


@scenario("The client resets the connection (RST) while its statement runs.")
def reset_in_statement(s):
    c = s.connect()
    c.send(query(SLEEP))
    sleeping(s, c)
    relay.reset(c.socket)
    terminate_backend(s, c)
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"timeout": 1}, calls=0)
    s.sqlstates = {"57P01": 1}


@scenario("A deadlock: 40P01 is an ordinary error, query_execution.")
def deadlock(s):
    other = s.other()
    other.ask(query("SET deadlock_timeout = '1h'; BEGIN; SELECT owner FROM account WHERE id = 1 FOR UPDATE"))
    c = s.connect()
    c.ask(query("SET deadlock_timeout = 500"))
    c.ask(query("BEGIN"))
    c.ask(parse("SELECT owner FROM account WHERE id = 2 FOR UPDATE"), bind(), execute(), sync())
    other.send(query("SELECT owner FROM account WHERE id = 2 FOR UPDATE; ROLLBACK"))
    wait_until(s, f"SELECT 1 FROM pg_stat_activity WHERE pid = {other.pid} AND wait_event_type = 'Lock'")
    c.ask(query("SELECT owner FROM account WHERE id = 1 FOR UPDATE"))
    c.ask(query("ROLLBACK"))
    other.until("Z")
    c.terminate()
    s.other_calls = 5
    s.truth(statements=(4, 1, 0), requests=(1, 1, 0), failures={"query_execution": 1}, sqlstates={"40P01": 1})


@scenario("A serialization failure in a block (40001).")
def serialization_failure(s):
    c = s.connect()
    c.ask(query("BEGIN ISOLATION LEVEL REPEATABLE READ"))
    c.ask(query("SELECT count(*) FROM account"))
    s.other().ask(query("UPDATE account SET owner = owner || '.' WHERE id = 4"))
    c.ask(query("UPDATE account SET owner = 'lost' WHERE id = 4"))
    c.ask(query("ROLLBACK"))
    c.terminate()
    s.other_calls = 1
    s.truth(statements=(3, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"40001": 1})
