# SPDX-License-Identifier: MIT
"""Extended query protocol: single batches, pipelines, portals, upkeep."""
from harness.wire import (bind, close_portal, close_statement, describe_portal, describe_statement, execute,
                                flush, parse, query, sync)

from .record import scenario

PIPED_INSERT = "INSERT INTO entry VALUES ($1, 'piped')"


def exec_params(sql, *values, name=""):
    """What PQexecParams sends, without its Sync."""
    return [parse(sql, name), bind(name, values=values), describe_portal(), execute()]


@scenario("PQexecParams: replies 1 2 T D C Z, and 1 2 n C Z for an INSERT.")
def exec_params_success(s):
    c = s.connect()
    c.ask(*exec_params("SELECT owner FROM account WHERE id = $1", 3), sync())
    c.ask(*exec_params(PIPED_INSERT, 10), sync())
    c.terminate()
    s.truth(statements=(2, 0, 0), requests=(2, 0, 0))


@scenario("PQexecParams without rows: the reply is 1 2 T C Z.")
def exec_params_no_rows(s):
    c = s.connect()
    c.ask(*exec_params("SELECT owner FROM account WHERE id = $1", -1), sync())
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("Errors at each step: at Parse (E Z), at Bind (1 E Z), at Execute (1 2 T E Z): each one failed statement.")
def exec_params_errors(s):
    c = s.connect()
    c.ask(*exec_params("SELECT * FROM nowhere WHERE id = $1", 1), sync())
    c.ask(*exec_params("SELECT owner FROM account WHERE id = $1", "no number"), sync())
    c.ask(*exec_params("SELECT 1 / $1::int", 0), sync())
    c.terminate()
    s.truth(statements=(0, 3, 0), requests=(0, 3, 0), failures={"query_execution": 3},
            sqlstates={"42P01": 1, "22P02": 1, "22012": 1})


@scenario("The reply 1 2 E: Parse, Bind, Execute without Describe, the error comes from Execute.")
def reply_1_2_E(s):
    c = s.connect()
    c.ask(parse("SELECT 1 / $1::int"), bind(values=(0,)), execute(), sync())
    c.terminate()
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("PQprepare and PQexecPrepared: Parse+Sync alone is upkeep; then the reply 2 n C Z twice and 2 T D C Z.")
def exec_prepared(s):
    c = s.connect()
    c.ask(parse("INSERT INTO entry VALUES ($1, 'prepared')", "ins"), sync())
    c.ask(parse("SELECT owner FROM account WHERE id = $1", "get"), sync())
    c.ask(bind("ins", values=(11,)), describe_portal(), execute(), sync())
    c.ask(bind("ins", values=(12,)), describe_portal(), execute(), sync())
    c.ask(bind("get", values=(2,)), describe_portal(), execute(), sync())
    c.terminate()
    s.truth(statements=(3, 0, 0), requests=(3, 0, 0), upkeep=2)


@scenario("PgDog: Parse+Sync of a rewritten name, then Bind+Describe+Execute+Sync; its health check before.")
def pgdog_prepared(s):
    c = s.connect()
    c.ask(query(";"))
    c.ask(parse("SELECT owner FROM account WHERE id = $1", "__pgdog_1"), sync())
    c.ask(bind("__pgdog_1", values=(5,)), describe_portal(), execute(), sync())
    c.ask(bind("__pgdog_1", values=(6,)), describe_portal(), execute(), sync())
    c.terminate()
    s.truth(statements=(2, 0, 0), requests=(2, 0, 0), upkeep=1, ignored=1)


@scenario("Describe of a statement and Close of a portal and a statement, each with its Sync: upkeep. Closing what does "
          "not exist is no error.")
def describe_and_close(s):
    c = s.connect()
    c.ask(parse("SELECT owner FROM account WHERE id = $1", "get"), describe_statement("get"), sync())
    c.ask(close_portal("none"), sync())
    c.ask(close_statement("get"), sync())
    c.ask(close_statement("get"), sync())
    c.terminate()
    s.truth(requests=(0, 0, 0), upkeep=4)


@scenario("Upkeep that fails: Parse+Sync with a syntax error (42601), Describe of an unknown statement (26000). Both "
          "count as failed requests and failed statements: the proxy got an error.")
def upkeep_fails(s):
    c = s.connect()
    c.ask(parse("SELEKT 1", "bad"), sync())
    c.ask(describe_statement("unknown"), sync())
    c.terminate()
    s.truth(statements=(0, 2, 0), requests=(0, 2, 0), failures={"query_execution": 2},
            sqlstates={"42601": 1, "26000": 1})


@scenario("libpq pipeline mode: three statements before one Sync, all succeed; one request.")
def pipeline_success(s):
    c = s.connect()
    batch = exec_params(PIPED_INSERT, 20) + exec_params("SELECT count(*) FROM entry") + exec_params("SELECT $1::int", 1)
    c.ask(*batch, sync())
    c.terminate()
    s.truth(statements=(3, 0, 0), requests=(1, 0, 0))


@scenario("Pipeline mode with an error in the middle: the third statement is skipped up to Sync, not failed; a second "
          "batch, sent in the same write, runs.")
def pipeline_error_in_the_middle(s):
    c = s.connect()
    first = exec_params(PIPED_INSERT, 21) + exec_params("SELECT 1 / $1::int", 0) + exec_params(PIPED_INSERT, 22)
    c.send(*first, sync(), *exec_params("SELECT 4"), sync())
    c.until("Z")
    c.until("Z")
    c.terminate()
    s.truth(statements=(2, 1, 0), requests=(1, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("Six batches of one statement each in flight at once; the third and the fifth fail.")
def pipeline_many_syncs(s):
    c = s.connect()
    for divisor in (1, 2, 0, 3, 0, 4):
        c.send(*exec_params("SELECT 12 / $1::int", divisor), sync())
    for _ in range(6):
        c.until("Z")
    c.terminate()
    s.truth(statements=(4, 2, 0), requests=(4, 2, 0), failures={"query_execution": 2}, sqlstates={"22012": 2})


@scenario("A transaction block pipelined in one write, with a Sync after each statement: one request.")
def pipeline_block(s):
    c = s.connect()
    for sql in ("BEGIN", "INSERT INTO entry VALUES (23, 'x')", "COMMIT"):
        c.send(*exec_params(sql), sync())
    for _ in range(3):
        c.until("Z")
    c.terminate()
    s.truth(statements=(3, 0, 0), requests=(1, 0, 0))


@scenario("Flush without Sync: the answer of the first statement comes before the second is sent; one Sync ends both.")
def flush_without_sync(s):
    c = s.connect()
    c.send(*exec_params("SELECT 1"), flush())
    c.until("C")
    c.send(*exec_params("SELECT 2"), flush())
    c.until("C")
    c.ask(sync())
    c.terminate()
    s.truth(statements=(2, 0, 0), requests=(1, 0, 0))


@scenario("Flush, then an error, then more messages that are skipped, and only then Sync.")
def flush_then_error(s):
    c = s.connect()
    c.send(*exec_params("SELECT 1 / $1::int", 0), flush())
    c.until("E")
    c.send(*exec_params("SELECT 2"), flush())
    c.send(*exec_params("SELECT 3"))
    c.ask(sync())
    c.terminate()
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("A portal run in steps: Execute of 2 rows is suspended twice, the third ends it. One statement.")
def portal_resumed(s):
    c = s.connect()
    c.send(parse("SELECT i FROM generate_series(1, 5) i"), bind(portal="step"), describe_portal("step"),
           execute("step", 2), flush())
    c.until("s")
    c.send(execute("step", 2), flush())
    c.until("s")
    c.ask(execute("step", 2), sync())
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("A portal resumed across Syncs inside a block, then closed.")
def portal_across_syncs(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    c.ask(parse("SELECT i FROM generate_series(1, 4) i"), bind(portal="step"), execute("step", 3), sync())
    c.ask(execute("step", 3), sync())
    c.ask(close_portal("step"), sync())
    c.ask(query("COMMIT"))
    c.terminate()
    s.truth(statements=(3, 0, 0), requests=(1, 0, 0))


@scenario("A portal suspended and abandoned at Sync: a statement, as pg_stat_statements counts it when the portal is "
          "dropped.")
def portal_abandoned(s):
    c = s.connect()
    c.ask(parse("SELECT i FROM generate_series(1, 5) i"), bind(), execute(max_rows=2), sync())
    c.ask(query("SELECT 1"))
    c.terminate()
    s.truth(statements=(2, 0, 0), requests=(2, 0, 0), calls=2)


@scenario("A named portal suspended and dropped by ROLLBACK: no statement, as pg_stat_statements has it.")
def portal_rolled_back(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    c.ask(parse("SELECT i FROM generate_series(1, 5) i"), bind(portal="step"), execute("step", 2), sync())
    c.ask(query("ROLLBACK"))
    c.terminate()
    s.truth(statements=(2, 0, 0), requests=(1, 0, 0), calls=2)


@scenario("The unnamed portal suspended, then a simple ROLLBACK: the Query replaces the portal first, which counts as a call.")
def portal_replaced_by_rollback(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    c.ask(parse("SELECT i FROM generate_series(1, 5) i"), bind(), execute(max_rows=2), sync())
    c.ask(query("ROLLBACK"))
    c.terminate()
    s.truth(statements=(3, 0, 0), requests=(1, 0, 0), calls=3)


def suspend(portal, rows=2):
    """A portal of five rows, of which it leaves some."""
    return [parse("SELECT i FROM generate_series(1, 5) i"), bind(portal=portal), execute(portal, rows), sync()]


@scenario("A portal suspended inside a savepoint and dropped by ROLLBACK TO is no statement; an older one survives it.")
def portal_dropped_by_rollback_to(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    c.ask(*suspend("older"))
    c.ask(query("SAVEPOINT a"))
    c.ask(*suspend("younger"))
    c.ask(query("ROLLBACK TO a"))
    c.ask(execute("older"), sync())
    c.ask(query("COMMIT"))
    c.terminate()
    s.truth(statements=(5, 0, 0), requests=(1, 0, 0), calls=5)


@scenario("ROLLBACK TO by name: what was bound inside a savepoint of the same name that was released, or behind an inner one.")
def portals_of_nested_savepoints(s):
    c = s.connect()
    c.ask(query("BEGIN; SAVEPOINT a"))
    c.ask(*suspend("kept"))
    c.ask(query("SAVEPOINT \"A\""))
    c.ask(query("SAVEPOINT b"))
    c.ask(*suspend("dropped"))
    c.ask(query("RELEASE SAVEPOINT b"))
    c.ask(query("ROLLBACK TO SAVEPOINT \"A\""))
    c.ask(query("SAVEPOINT a"))
    c.ask(query("RELEASE a"))
    c.ask(*suspend("dropped by the outer"))
    c.ask(parse("ROLLBACK WORK TO a"), bind(), execute(), sync())
    c.ask(query("COMMIT"))
    c.terminate()
    s.truth(statements=(10, 0, 0), requests=(1, 0, 0), calls=10)


@scenario("COMMIT AND CHAIN ends portals though a block stays open: each is a statement, whatever becomes of the next block.")
def portal_before_commit_and_chain(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    c.ask(*suspend("step"))
    c.ask(query("COMMIT AND CHAIN"))
    c.ask(query("ROLLBACK AND CHAIN"))
    c.ask(*suspend("step"))
    c.ask(query("ROLLBACK; BEGIN"))
    c.ask(query("COMMIT"))
    c.terminate()
    s.truth(statements=(7, 0, 0), requests=(1, 0, 0), calls=7)


@scenario("SQL's CLOSE ends portals of the protocol, by name and all: they are no statements, as pg_stat_statements has it.")
def portals_closed_by_sql(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    c.ask(*suspend("one"))
    c.ask(*suspend("Two"))
    c.ask(*suspend("three"))
    c.ask(query("CLOSE \"Two\""))
    c.ask(query("COMMIT"))
    c.ask(query("BEGIN"))
    c.ask(*suspend("one"))
    c.ask(*suspend("two"))
    c.ask(query("CLOSE ALL"))
    c.ask(query("COMMIT"))
    c.terminate()
    s.truth(statements=(8, 0, 0), requests=(2, 0, 0), calls=8)


@scenario("A cursor of SQL's DECLARE, run by Execute messages: a statement at its end beside the DECLARE; pg_stat_statements has "
          "the DECLARE alone.")
def declared_cursor_executed(s):
    c = s.connect()
    c.ask(query("BEGIN"))
    c.ask(query("DECLARE steps CURSOR FOR SELECT i FROM generate_series(1, 5) i"))
    c.ask(describe_portal("steps"), execute("steps", 2), sync())
    c.ask(*suspend("step"))
    c.ask(describe_portal("steps"), execute("steps", 2), sync())
    c.ask(execute("step"), sync())
    c.ask(describe_portal("steps"), execute("steps", 2), sync())
    c.ask(query("CLOSE steps"))
    c.ask(query("DECLARE steps CURSOR FOR SELECT i FROM generate_series(1, 5) i"))
    c.ask(describe_portal("steps"), execute("steps"), sync())
    c.ask(query("COMMIT"))
    c.terminate()
    s.truth(statements=(8, 0, 0), requests=(1, 0, 0), calls=6)


@scenario("A portal that fails after it was suspended once.")
def portal_resumed_fails(s):
    c = s.connect()
    c.ask(parse("SELECT 10 / (3 - i) FROM generate_series(1, 5) i"), bind(portal="step"), execute("step", 1),
          execute("step", 5), sync())
    c.terminate()
    s.truth(statements=(0, 1, 0), requests=(0, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("Execute of a portal bound to an empty text: EmptyQueryResponse in the extended protocol, no statement.")
def extended_empty_query(s):
    c = s.connect()
    c.ask(*exec_params(""), sync())
    c.terminate()
    s.truth(requests=(1, 0, 0))


@scenario("A deferred constraint fails at Sync: the INSERT was answered with success before, the error after it is the "
          "Sync's own.")
def error_at_sync(s):
    c = s.connect()
    c.ask(*exec_params("INSERT INTO booking VALUES (8), (8)"), sync())
    c.ask(query("SELECT 1"))
    c.terminate()
    s.truth(statements=(2, 1, 0), requests=(1, 1, 0), failures={"query_execution": 1}, sqlstates={"23505": 1})


@scenario("A simple Query after an Execute without Sync: one ReadyForQuery ends both.")
def query_ends_a_batch(s):
    c = s.connect()
    c.ask(*exec_params("SELECT 1"), query("SELECT 2"))
    c.terminate()
    s.truth(statements=(2, 0, 0), requests=(1, 0, 0))


@scenario("A simple Query after a failed Execute without Sync is skipped like all else up to Sync.")
def query_skipped_in_a_batch(s):
    c = s.connect()
    c.send(*exec_params("SELECT 1 / $1::int", 0), query("SELECT 2"), sync())
    c.until("Z")
    c.ask(query("SELECT 3"))
    c.terminate()
    s.truth(statements=(1, 1, 0), requests=(1, 1, 0), failures={"query_execution": 1}, sqlstates={"22012": 1})


@scenario("Several unnamed statements replace each other in one batch; a named one stays for the next.")
def unnamed_replaced(s):
    c = s.connect()
    c.ask(parse("SELECT 1"), parse("SELECT 2"), bind(), execute(), parse("SELECT 3", "kept"), sync())
    c.ask(bind("kept"), execute(), bind("kept"), execute(), sync())
    c.terminate()
    s.truth(statements=(3, 0, 0), requests=(2, 0, 0))


@scenario("Binary results and a NULL parameter.")
def binary_results(s):
    c = s.connect()
    c.ask(parse("SELECT $1::int8, $2::text"), bind(values=(7, None), binary_results=True), describe_portal(), execute(),
          sync())
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))
