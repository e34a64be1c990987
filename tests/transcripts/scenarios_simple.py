# SPDX-License-Identifier: MIT
"""Simple Query: one statement, several, none; transactions; what the server says unasked."""
import struct

from harness.wire import function_call, query, terminate

from .record import scenario


@scenario("One SELECT and one INSERT, each a simple Query of its own; Terminate at the end.")
def simple_select_insert(s):
    s.asked("SELECT id, owner FROM account WHERE id < 3", "INSERT INTO entry VALUES (1, 'first')")
    s.truth(statements=(2, 0, 0), requests=(2, 0, 0))


@scenario("A simple Query that fails in parse analysis (42P01), and one after it that succeeds.")
def simple_error(s):
    s.asked("SELECT * FROM nowhere", "SELECT 1")
    s.truth(statements=(1, 1, 0), requests=(1, 1, 0), failures={"query_execution": 1}, sqlstates={"42P01": 1})


@scenario("An error after rows were sent: division by zero (22012) in the third row.")
def simple_error_after_rows(s):
    s.asked("SELECT 10 / (3 - i) FROM generate_series(1, 5) i")
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("Three commands in one Query, all succeed: three statements, one request.")
def multi_statement(s):
    s.asked("INSERT INTO entry VALUES (2, 'a'); SELECT 1; UPDATE entry SET note = 'b' WHERE id = 2")
    s.truth(statements=(3, 0, 0), requests=(1, 0, 0))


@scenario("Three commands in one Query; the second fails, the third never runs. The first was answered, though the "
          "implicit transaction undoes it.")
def multi_statement_second_fails(s):
    s.asked("INSERT INTO entry VALUES (3, 'a'); SELECT 1 / 0; SELECT 3")
    s.truth(statements=(1, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("A whole transaction block in one Query: BEGIN, INSERT, COMMIT.")
def multi_statement_block(s):
    s.asked("BEGIN; INSERT INTO entry VALUES (4, 'a'); COMMIT")
    s.truth(statements=(3, 0, 0), requests=(1, 0, 0))


@scenario("A Query that opens a block after a statement, and a second one that closes it: one request.")
def multi_statement_opens_block(s):
    s.asked("SELECT 1; BEGIN; SELECT 2", "SELECT 3; COMMIT; SELECT 4")
    s.truth(statements=(6, 0, 0), requests=(1, 0, 0))


@scenario("Empty queries (no text, only spaces, only a comment): EmptyQueryResponse. No command, no statement.")
def empty_query(s):
    s.asked("", "   ", "-- nothing")
    s.truth(statements=(0, 0, 0), requests=(3, 0, 0))


@scenario("PgDog's health check, a lone semicolon, between two queries: ignored by the default ignore_statements.")
def health_check(s):
    s.asked(";", "SELECT 1", " ;\n")
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0), ignored=2)


@scenario("A notice before the result: DROP TABLE IF EXISTS of nothing, and RAISE NOTICE from a DO block.")
def notice_before_result(s):
    s.asked("DROP TABLE IF EXISTS nothing", "DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END $$")
    s.truth(statements=(2, 0, 0), requests=(2, 0, 0))


@scenario("SET makes the server send ParameterStatus between the reply's messages.")
def parameter_status(s):
    s.asked("SET application_name = 'observed'",
            "SET datestyle = 'SQL'; SELECT current_date IS NULL; SET timezone = 'Europe/Berlin'")
    s.truth(statements=(4, 0, 0), requests=(2, 0, 0))


@scenario("LISTEN and NOTIFY: a NotificationResponse in the reply, and one that comes while the connection is idle.")
def notification(s):
    c = s.connect()
    c.ask(query("LISTEN news"))
    c.ask(query("NOTIFY news, 'own'"))
    s.other().ask(query("NOTIFY news, 'from another session'"))
    c.until("A")
    c.ask(query("SELECT 1"))
    c.terminate()
    s.other_calls = 1
    s.truth(statements=(3, 0, 0), requests=(3, 0, 0))


@scenario("BEGIN, INSERT, SELECT, COMMIT: four statements, one request.")
def transaction(s):
    s.asked("BEGIN", "INSERT INTO entry VALUES (5, 'x')", "SELECT count(*) FROM entry", "COMMIT")
    s.truth(statements=(4, 0, 0), requests=(1, 0, 0))


@scenario("A block with an error: all after it fails with 25P02 until ROLLBACK; the request's type is its first's.")
def transaction_with_error(s):
    s.asked("BEGIN", "SELECT 1", "SELECT * FROM nowhere", "SELECT 2", "ROLLBACK", "SELECT 3")
    s.truth(statements=(4, 2, 0), requests=(1, 1, 0), failures={"query_execution": 1},
            sqlstates={"42P01": 1, "25P02": 1})


@scenario("COMMIT of a failed block is answered with the tag ROLLBACK and no error: that statement succeeded.")
def transaction_commit_fails_silently(s):
    s.asked("BEGIN", "SELECT 1 / 0", "COMMIT")
    s.truth(statements=(2, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("An error healed by a savepoint: the transaction commits, the request still counts as failed.")
def savepoint_healed(s):
    s.asked("BEGIN", "SAVEPOINT one", "INSERT INTO account VALUES (1, 'taken')", "ROLLBACK TO SAVEPOINT one",
            "INSERT INTO entry VALUES (6, 'kept')", "COMMIT")
    s.truth(statements=(5, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"23505": 1})


@scenario("A deferred constraint that fails at COMMIT of a block: COMMIT is the statement that failed.")
def deferred_constraint_at_commit(s):
    s.asked("BEGIN", "INSERT INTO booking VALUES (7), (7)", "COMMIT")
    # pg_stat_statements counts COMMIT, which ran; the constraint is checked after it
    s.truth(statements=(2, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"23505": 1},
            calls=3)


@scenario("SQL-level PREPARE, EXECUTE (twice), DEALLOCATE; the text of EXECUTE is all that the wire shows. "
          "pg_stat_statements counts the two executions only.")
def sql_prepare(s):
    s.asked("PREPARE get (int) AS SELECT owner FROM account WHERE id = $1", "EXECUTE get (1)", "EXECUTE get (2)",
            "DEALLOCATE get")
    s.truth(statements=(4, 0, 0), requests=(4, 0, 0), calls=2)


@scenario("Fastpath function calls as libpq's lo_create and lo_open make them; one fails (42704, no such object).")
def function_calls(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    reply = c.ask(function_call(957, struct.pack("!i", -1)))  # lo_creat
    oid = next(body for kind, body in reply if kind == "V")[4:]
    c.ask(function_call(952, oid, struct.pack("!i", 0x60000)))  # lo_open
    c.ask(query("COMMIT"))
    c.ask(function_call(964, struct.pack("!I", 4000000)))  # lo_unlink
    c.terminate()
    s.truth(statements=(4, 1, 0), requests=(1, 1, 0), failures={"query_execution": 1}, sqlstates={"42704": 1},
            calls=2)


@scenario("Simple queries sent without waiting for answers, as pgcat does to its mirror: three in one write, then two "
          "in writes of their own; the second fails.")
def simple_pipelined(s):
    c = s.connect()
    c.send(query("SELECT 1"), query("SELECT 1 / 0"), query("INSERT INTO entry VALUES (8, 'x')"))
    c.send(query("SELECT 2"))
    c.send(query("SELECT 3; SELECT 4"))
    for _ in range(5):
        c.until("Z")
    c.terminate()
    s.truth(statements=(5, 1, 0), requests=(4, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("One Query in three writes: the type byte alone, half of the text, the rest.", torn=True)
def statement_split_over_writes(s):
    c = s.connect()
    whole = query("SELECT 'torn apart'")
    for part in (whole[:1], whole[1:15], whole[15:]):
        c.raw(part)
        s.admin("SELECT 1")  # a round trip, so that the relay sees them apart
    c.until("Z")
    c.queries += 1
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("A statement of 200 KiB.")
def large_statement(s):
    s.asked("SELECT length('" + "x" * 204800 + "')")
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("A result of 2 MB in 30,000 rows; a short one after it.")
def large_result(s):
    s.asked("SELECT 'the same row of sixty bytes, so that this file stays small ..' FROM generate_series(1, 30000)",
            "SELECT 1")
    s.truth(statements=(2, 0, 0), requests=(2, 0, 0))


@scenario("One row of 1 MB.")
def large_row(s):
    s.asked("SELECT repeat('y', 1000000)")
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("Two-phase commit: PREPARE TRANSACTION ends the block, COMMIT PREPARED runs on its own.")
def two_phase(s):
    s.asked("BEGIN", "INSERT INTO entry VALUES (9, 'x')", "PREPARE TRANSACTION 'one'", "COMMIT PREPARED 'one'")
    s.truth(statements=(4, 0, 0), requests=(2, 0, 0))


@scenario("A pool's upkeep between two uses: DISCARD ALL, SET, SELECT 1 (ignored only where configured).")
def pool_reset(s):
    c = s.connect()
    for sql in ("DISCARD ALL", "SET application_name TO 'pool'", "SELECT 1"):
        c.ask(query(sql))
    c.raw(terminate())
    c.close()
    # DISCARD ALL empties the session's state, not pg_stat_statements
    s.truth(statements=(3, 0, 0), requests=(3, 0, 0))
