# SPDX-License-Identifier: MIT
"""Transcripts that PostgreSQL 15 cannot speak, made from the manual of later (or much older) versions."""
import struct

from harness import transcript, wire
from harness.transcript import Chunk

OK = struct.pack("!I", 0)
READY = wire.message("Z", b"I")
ONE_ROW = (wire.message("T", struct.pack("!H", 1) + wire.text("?column?") + struct.pack("!IHIhih", 0, 0, 23, 4, -1, 0))
           + wire.message("D", struct.pack("!HI", 1, 1) + b"1") + wire.message("C", wire.text("SELECT 1")) + READY)
NOTES = {"startup_done": 1, "startup_error": 0, "cancel_request": 0, "encrypted": 0, "replication": 0}


def truth(statements=0, requests=0, failed=0, sent=None, sqlstates=None, **notes):
    return {
        "startup": {"user": "app", "database": "app"} if statements or failed else {},
        "queries": {"sent": statements if sent is None else sent},
        "statements": {"success": statements, "failure": 0, "unknown": 0},
        "requests": {"success": requests, "failure": failed, "unknown": 0},
        "failures": {"connection": failed, "timeout": 0, "query_execution": 0},
        "upkeep": {"requests": 0}, "ignored": {"requests": 0}, "sqlstate": sqlstates or {},
        "notes": dict(NOTES, **notes),
    }


def long_cancel_key():
    chunks = [
        Chunk("C", 0, wire.startup_packet((3, 2), user="app", database="app")),
        Chunk("S", 1, wire.message("R", OK) + wire.message("S", wire.text("server_version") + wire.text("18.0"))
              + wire.message("K", struct.pack("!I", 4711) + bytes(range(32))) + READY),
        Chunk("C", 2, wire.query("SELECT 1")), Chunk("S", 3, ONE_ROW),
        Chunk("C", 4, wire.terminate()), Chunk("C", 5, end="close"),
    ]
    return "Protocol 3.2 (PostgreSQL 18): BackendKeyData with a cancel key of 32 bytes.", chunks, truth(1, 1)


def cancel_request_long_key():
    chunks = [Chunk("C", 0, wire.cancel_request(4711, bytes(range(32)))), Chunk("S", 1, end="close")]
    return ("A CancelRequest of protocol 3.2 with a key of 32 bytes.", chunks,
            truth(startup_done=0, cancel_request=1))


def ssl_request_error():
    error = b"E" + b"FATAL:  unsupported frontend protocol 1234.5679: server supports 1.0 to 3.0\n\0"
    chunks = [Chunk("C", 0, wire.SSL_REQUEST), Chunk("S", 1, error), Chunk("S", 2, end="close")]
    return ("SSLRequest answered E by a server older than 7.4, in the text form of protocol 2; then it closes.", chunks,
            {"requests": {"success": 0, "failure": 1, "unknown": 0},
             "failures": {"connection": 1, "timeout": 0, "query_execution": 0},
             "statements": {"success": 0, "failure": 0, "unknown": 0}})


def direct_tls():
    hello = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" + bytes(range(32)) + b"\x00\x00\x04\x13\x01\x00\xff\x01\x00"
    chunks = [Chunk("C", 0, hello), Chunk("S", 1, b"\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00"),
              Chunk("C", 2, b"\x17\x03\x03\x00\x03abc"), Chunk("C", 3, end="close")]
    return ("Direct TLS (PostgreSQL 17, sslnegotiation=direct): a ClientHello without SSLRequest.", chunks,
            truth(startup_done=0, encrypted=1))


def terminate_server_ends_first():
    begun = wire.message("C", wire.text("BEGIN")) + wire.message("Z", b"T")
    chunks = [
        Chunk("C", 0, wire.startup_packet(user="app", database="app")), Chunk("S", 1, wire.message("R", OK) + READY),
        Chunk("C", 2, wire.query("BEGIN")), Chunk("S", 3, begun),
        Chunk("C", 4, wire.terminate()), Chunk("S", 5, end="close"), Chunk("C", 6, end="close"),
    ]
    return ("Terminate inside a block; the server's FIN is seen before the client closes, which is a matter of timing.",
            chunks, truth(1, 1))


def fatal_without_severity_v():
    error = wire.message("E", b"SFATAL\0C53300\0Msorry, too many clients already\0\0")
    chunks = [Chunk("C", 0, wire.startup_packet(user="app", database="app")), Chunk("S", 1, error),
              Chunk("S", 2, end="close")]
    return ("53300 at start-up from a pooler or a server before 9.6: the ErrorResponse has no field V.", chunks,
            truth(failed=1, sqlstates={"53300": 1}, startup_done=0, startup_error=1))


def write_all(directory):
    for make in (long_cancel_key, cancel_request_long_key, ssl_request_error, direct_tls, terminate_server_ends_first,
                 fatal_without_severity_v):
        title, chunks, facts = make()
        comment = [title, "", f"Made by hand from the PostgreSQL manual (tests/transcripts/by_hand.py, {make.__name__})."]
        transcript.write(transcript.Transcript(comment, chunks, facts), f"{directory}/{make.__name__}.txt")
