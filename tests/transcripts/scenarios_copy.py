# SPDX-License-Identifier: MIT
"""COPY in both directions and both protocols, whole and failing."""
from harness.wire import bind, copy_data, copy_done, copy_fail, execute, parse, query, sync

from .record import scenario

COPY_IN = "COPY entry FROM STDIN"


@scenario("COPY FROM STDIN with a simple Query: G, then three CopyData and CopyDone from the client, C Z.")
def copy_in(s):
    c = s.connect()
    c.send(query(COPY_IN))
    c.until("G")
    c.send(copy_data(b"30\tone\n"), copy_data(b"31\ttwo\n32\tthree\n"), copy_data(b"33\tfour\n"))
    c.ask(copy_done())
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("COPY TO STDOUT: H d d d c C Z.")
def copy_out(s):
    s.asked("COPY (SELECT * FROM account ORDER BY id LIMIT 3) TO STDOUT")
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("COPY FROM STDIN that fails half-way: a line with a bad number (22P02); the CopyData and CopyDone after it "
          "are thrown away by the server.")
def copy_in_fails(s):
    c = s.connect()
    c.send(query(COPY_IN))
    c.until("G")
    c.send(copy_data(b"34\tfine\n"), copy_data(b"no number\tbad\n"))
    c.until("Z")
    c.send(copy_data(b"35\tlate\n"), copy_done())
    c.ask(query("SELECT 1"))
    c.terminate()
    s.truth(statements=(1, 1, 0), requests=(1, 1, 0), failures={"query_execution": 1}, sqlstates={"22P02": 1})


@scenario("COPY TO STDOUT that fails half-way: division by zero after two rows.")
def copy_out_fails(s):
    s.asked("COPY (SELECT 10 / (3 - i) FROM generate_series(1, 5) i) TO STDOUT")
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("CopyFail from the client. The server reports 57014, which the table calls a timeout.")
def copy_fail_by_client(s):
    c = s.connect()
    c.send(query(COPY_IN))
    c.until("G")
    c.send(copy_data(b"36\tx\n"))
    c.ask(copy_fail("changed my mind"))
    c.terminate()
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"timeout": 1}, sqlstates={"57014": 1})


@scenario("COPY inside a multi-statement Query: INSERT, COPY FROM STDIN, COPY TO STDOUT, SELECT.")
def copy_in_multi_statement(s):
    c = s.connect()
    c.send(query(f"INSERT INTO entry VALUES (37, 'x'); {COPY_IN}; COPY (SELECT 1) TO STDOUT; SELECT 2"))
    c.until("G")
    c.send(copy_data(b"38\tx\n"), copy_done())
    c.until("Z")
    c.terminate()
    s.truth(statements=(4, 0, 0), requests=(1, 0, 0))


@scenario("COPY FROM STDIN in the extended protocol, Sync only after CopyDone.")
def copy_extended(s):
    c = s.connect()
    c.send(parse(COPY_IN), bind(), execute(), b"H\0\0\0\4")
    c.until("G")
    c.send(copy_data(b"39\tx\n"), copy_done(), sync())
    c.until("Z")
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("COPY FROM STDIN in the extended protocol as libpq sends it: Sync right after Execute. The server ignores it "
          "while it waits for data, so the ReadyForQuery answers the second Sync.")
def copy_extended_early_sync(s):
    c = s.connect()
    c.send(parse(COPY_IN), bind(), execute(), sync())
    c.until("G")
    c.send(copy_data(b"40\tx\n"), copy_done(), sync())
    c.until("Z")
    c.ask(query("SELECT 1"))
    c.terminate()
    s.truth(statements=(2, 0, 0), requests=(2, 0, 0))


@scenario("The same with a bad line: the early Sync was swallowed, everything up to the second Sync is skipped.")
def copy_extended_early_sync_fails(s):
    c = s.connect()
    c.send(parse(COPY_IN), bind(), execute(), sync())
    c.until("G")
    c.send(copy_data(b"bad\tx\n"))
    c.until("E")
    c.send(copy_data(b"41\tx\n"), copy_done(), sync())
    c.until("Z")
    c.ask(query("SELECT 1"))
    c.terminate()
    s.truth(statements=(1, 1, 0), requests=(1, 1, 0), failures={"query_execution": 1}, sqlstates={"22P02": 1})


@scenario("COPY FROM STDIN in the extended protocol refused before any data (42P01): the early Sync counts.")
def copy_extended_refused(s):
    c = s.connect()
    c.ask(parse("COPY nowhere FROM STDIN"), bind(), execute(), sync())
    c.ask(query("SELECT 1"))
    c.terminate()
    s.truth(statements=(1, 1, 0), requests=(1, 1, 0), failures={"query_execution": 1}, sqlstates={"42P01": 1})


@scenario("COPY TO STDOUT in the extended protocol.")
def copy_out_extended(s):
    c = s.connect()
    c.ask(parse("COPY account TO STDOUT"), bind(), execute(), sync())
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("COPY of 1 MB in, 20,000 equal lines in CopyData messages of one line each.")
def copy_in_large(s):
    c = s.connect()
    c.send(query(COPY_IN))
    c.until("G")
    c.send(*[copy_data(b"50\tthe same line of about fifty bytes each\n")] * 20000)
    c.ask(copy_done())
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))
