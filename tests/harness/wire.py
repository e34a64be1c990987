# SPDX-License-Identifier: MIT
"""The client side of PostgreSQL's v3 protocol, built message by message so that a test decides what is sent.

Functions make frontend messages (PostgreSQL manual, "Message Formats"); class Client sends them over a socket and reads
whole backend messages. It shares no code with the observer's decoder.
"""
import base64
import hashlib
import hmac
import os
import socket
import struct

TIMEOUT_SECONDS = 60
SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSSENC_REQUEST = struct.pack("!II", 8, 80877104)


class ServerError(Exception):
    """An ErrorResponse where none was expected."""


def message(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def startup_packet(version=(3, 0), **parameters):
    body = struct.pack("!HH", *version)
    for name, value in parameters.items():
        body += text(name) + text(value)
    return struct.pack("!I", len(body) + 5) + body + b"\0"


def cancel_request(pid, key):
    return struct.pack("!III", 12 + len(key), 80877102, pid) + key


def query(sql):
    return message("Q", text(sql))


def parse(sql, name="", types=()):
    return message("P", text(name) + text(sql) + struct.pack(f"!H{len(types)}I", len(types), *types))


def bind(statement="", portal="", values=(), binary_results=False):
    body = text(portal) + text(statement) + struct.pack("!HH", 0, len(values))
    for value in values:
        raw = None if value is None else str(value).encode()
        body += struct.pack("!i", -1) if raw is None else struct.pack("!i", len(raw)) + raw
    return message("B", body + (struct.pack("!HH", 1, 1) if binary_results else struct.pack("!H", 0)))


def describe_statement(name=""):
    return message("D", b"S" + text(name))


def describe_portal(name=""):
    return message("D", b"P" + text(name))


def execute(portal="", max_rows=0):
    return message("E", text(portal) + struct.pack("!I", max_rows))


def close_statement(name=""):
    return message("C", b"S" + text(name))


def close_portal(name=""):
    return message("C", b"P" + text(name))


def function_call(oid, *arguments):
    """Arguments and result in binary format."""
    body = struct.pack("!IHHH", oid, 1, 1, len(arguments))
    for argument in arguments:
        body += struct.pack("!I", len(argument)) + argument
    return message("F", body + struct.pack("!H", 1))


def copy_data(data):
    return message("d", data)


def copy_done():
    return message("c")


def copy_fail(reason):
    return message("f", text(reason))


def flush():
    return message("H")


def sync():
    return message("S")


def terminate():
    return message("X")


def password(value):
    return message("p", text(value))


def md5_password(user, secret, salt):
    inner = hashlib.md5((secret + user).encode()).hexdigest()
    return password("md5" + hashlib.md5(inner.encode() + salt).hexdigest())


def error_fields(body):
    """Of an ErrorResponse or NoticeResponse: {"C": "42P01", "V": "ERROR", ...}."""
    return {chr(part[0]): part[1:].decode() for part in body.split(b"\0") if part}


class Scram:
    """SCRAM-SHA-256 without channel binding, the client's half (RFC 5802)."""

    def __init__(self, secret):
        self.secret = secret.encode()
        self.bare = "n=,r=" + base64.b64encode(os.urandom(18)).decode()

    def first(self):
        payload = ("n,," + self.bare).encode()
        return message("p", text("SCRAM-SHA-256") + struct.pack("!I", len(payload)) + payload)

    def final(self, server_first):
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.secret, base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = "c=biws,r=" + fields["r"]
        signed = ",".join((self.bare, server_first.decode(), without_proof)).encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return message("p", (without_proof + ",p=" + base64.b64encode(proof).decode()).encode())


class Client:
    """One connection. address is (host, port) or the path of a Unix-domain socket."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(TIMEOUT_SECONDS)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.queries = 0  # Query, Execute and FunctionCall messages sent so far
        self.pid, self.key = 0, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *messages):
        """All of them in one write."""
        self.queries += sum(m[:1] in (b"Q", b"E", b"F") for m in messages)
        self.socket.sendall(b"".join(messages))

    def raw(self, data):
        self.socket.sendall(data)

    def take(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(1 << 20)
            if not more:
                raise EOFError("the server closed the connection")
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def receive(self):
        """The next message as (type, body)."""
        kind, length = struct.unpack("!cI", self.take(5))
        return kind.decode(), self.take(length - 4)

    def until(self, *kinds):
        """Messages up to and with the first whose type is among kinds ("Z" when none is given)."""
        seen = []
        while True:
            seen.append(self.receive())
            if seen[-1][0] in (kinds or ("Z",)):
                return seen

    def until_closed(self):
        seen = []
        try:
            while True:
                seen.append(self.receive())
        except (EOFError, ConnectionResetError):
            return seen

    def ask(self, *messages):
        """Sends them in one write and reads up to ReadyForQuery."""
        self.send(*messages)
        return self.until("Z")

    def rows(self, sql):
        """Rows of a simple query as lists of text; raises ServerError."""
        out = []
        for kind, body in self.ask(query(sql)):
            if kind == "E":
                raise ServerError(error_fields(body)["M"])
            if kind == "D":
                out.append(split_row(body))
        return out

    def startup(self, version=(3, 0), secret=None, **parameters):
        """Start-up with any authentication that PostgreSQL 15 asks for; raises ServerError."""
        self.raw(startup_packet(version, **parameters))
        scram = Scram(secret or "")
        while True:
            kind, body = self.receive()
            if kind == "E":
                raise ServerError(error_fields(body)["C"])
            if kind == "K":
                self.pid, self.key = struct.unpack("!I", body[:4])[0], body[4:]
            if kind == "Z":
                return
            if kind == "R":
                self._authenticate(body, parameters["user"], secret, scram)

    def _authenticate(self, body, user, secret, scram):
        code = struct.unpack("!I", body[:4])[0]
        if code == 3:
            self.raw(password(secret))
        elif code == 5:
            self.raw(md5_password(user, secret, body[4:8]))
        elif code == 10:
            self.raw(scram.first())
        elif code == 11:
            self.raw(scram.final(body[4:]))

    def terminate(self):
        """Terminate, then close."""
        self.raw(terminate())
        self.socket.close()

    def close(self):
        self.socket.close()


def split_row(body):
    count, values, at = struct.unpack("!H", body[:2])[0], [], 2
    for _ in range(count):
        length = struct.unpack("!i", body[at:at + 4])[0]
        at += 4
        values.append(None if length < 0 else body[at:at + length].decode())
        at += max(length, 0)
    return values
