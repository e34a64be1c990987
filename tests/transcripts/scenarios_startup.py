# SPDX-License-Identifier: MIT
"""How connections begin: encryption requests, authentication, errors, versions, cancel and replication."""
import ssl
import struct

from harness import wait_for, wire
from harness.wire import query

from .record import DATABASE, scenario

STARTUP_FAILED = {"startup_done": 0, "startup_error": 1}


def refused(s, sqlstate, **parameters):
    """A start-up that ends in FATAL; the server closes."""
    try:
        s.connect(**parameters)
    except wire.ServerError as error:
        assert str(error) == sqlstate, error
    else:
        raise AssertionError("the start-up succeeded")
    s.clients[0].until_closed()
    s.truth(requests=(0, 1, 0), failures={"connection": 1}, sqlstates={sqlstate: 1}, notes=STARTUP_FAILED)


@scenario("SSLRequest answered N; the client goes on in plain text.", unix=True)
def ssl_request_refused(s):
    c = s.open()
    c.raw(wire.SSL_REQUEST)
    assert c.take(1) == b"N"
    s.startup_facts = {"user": "app", "database": DATABASE}
    c.startup(user="app", database=DATABASE)
    c.ask(query("SELECT 1"))
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("SSLRequest answered S: everything after it is TLS, not to be decoded.")
def ssl_request_accepted(s):
    c = s.open()
    c.raw(wire.SSL_REQUEST)
    assert c.take(1) == b"S"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    c.socket = context.wrap_socket(c.socket)
    c.startup(user="app", database=DATABASE)
    c.ask(query("SELECT 'not to be seen'"))
    c.terminate()
    s.truth(notes={"startup_done": 0, "encrypted": 1}, calls=1)
    s.facts["startup"] = {}
    s.facts["queries"] = {"sent": 0}


@scenario("GSSENCRequest answered N, then SSLRequest answered N, then plain text.", unix=True)
def gssenc_request_refused(s):
    c = s.open()
    for request in (wire.GSSENC_REQUEST, wire.SSL_REQUEST):
        c.raw(request)
        assert c.take(1) == b"N"
    s.startup_facts = {"user": "app", "database": DATABASE}
    c.startup(user="app", database=DATABASE)
    c.ask(query("SELECT 1"))
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("GSSENCRequest answered G (a server with GSSAPI, no matter whether it has a key); the client gives up.")
def gssenc_request_accepted(s):
    c = s.open()
    c.raw(wire.GSSENC_REQUEST)
    assert c.take(1) == b"G"
    c.close()
    s.truth(notes={"startup_done": 0, "encrypted": 1})


@scenario("SCRAM-SHA-256 authentication that succeeds.")
def scram_success(s):
    s.asked("SELECT 1", user="scram", secret="secret")
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("md5 authentication that succeeds.")
def md5_success(s):
    s.asked("SELECT 1", user="md5", secret="secret")
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("A clear-text password that succeeds.")
def password_success(s):
    s.asked("SELECT 1", user="clear", secret="secret")
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("A wrong password with SCRAM-SHA-256: 28P01.")
def scram_wrong_password(s):
    refused(s, "28P01", user="scram", secret="wrong")


@scenario("A wrong password with md5: 28P01.")
def md5_wrong_password(s):
    refused(s, "28P01", user="md5", secret="wrong")


@scenario("A database that does not exist: 3D000.")
def no_such_database(s):
    refused(s, "3D000", database="nowhere")


@scenario("Too many connections for the role: 53300.")
def too_many_connections(s):
    refused(s, "53300", user="full_role")


@scenario("The server is starting up and takes no connections: 57P03.")
def starting_up(s):
    try:
        s.server.start_closed()
        refused(s, "57P03")
    finally:
        s.server.open_again()


@scenario("NegotiateProtocolVersion: the client asks for 3.1 and an option _pq_.wish; the server offers 3.0.")
def negotiate_protocol_version(s):
    s.asked("SELECT 1", version=(3, 1), **{"_pq_.wish": "yes"})
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("No database in the start-up packet: PostgreSQL takes the user's name.")
def database_from_user(s):
    c = s.open()
    s.startup_facts = {"user": "app", "database": "app"}
    c.startup(user="app")
    c.ask(query("SELECT 1"))
    c.terminate()
    s.truth(statements=(1, 0, 0), requests=(1, 0, 0))


@scenario("A CancelRequest for another connection: this connection carries nothing else and has no answer.")
def cancel_request(s):
    victim = s.other("postgres")
    victim.send(query("SELECT pg_sleep(60)"))
    wait_until(s, f"SELECT 1 FROM pg_stat_activity WHERE pid = {victim.pid} AND wait_event = 'PgSleep'")
    c = s.open()
    c.raw(wire.cancel_request(victim.pid, victim.key))
    c.until_closed()
    c.close()
    assert any(kind == "E" for kind, _ in victim.until("Z"))
    s.truth(notes={"startup_done": 0, "cancel_request": 1}, calls=0)


def wait_until(s, sql):
    """sql has a row."""
    wait_for(lambda: s.admin(sql), sql)


@scenario("A physical replication connection: IDENTIFY_SYSTEM, then START_REPLICATION turns it into CopyBoth.",
          checked=False)
def replication(s):
    c = s.open()
    s.startup_facts = {"user": "app"}
    c.startup(user="app", replication="true")
    c.ask(query("IDENTIFY_SYSTEM"))
    position = s.admin("SELECT pg_current_wal_lsn()")[0][0]
    c.send(query(f"START_REPLICATION PHYSICAL {position}"))
    c.until("W")
    c.until("d")
    c.send(wire.copy_data(b"r" + struct.pack("!QQQQB", 0, 0, 0, 0, 0)))
    c.terminate()
    s.truth(notes={"replication": 1, "startup_done": None}, calls=0)
    s.facts["queries"] = {}
    del s.facts["notes"]["startup_done"]
