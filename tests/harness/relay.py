# SPDX-License-Identifier: MIT
"""A TCP relay that records what passes, chunk by chunk, in the order in which it saw it."""
import select
import socket
import struct
import threading
import time

from .transcript import Chunk

CHUNK = 1 << 20


def connect(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    out = socket.socket(family)
    out.connect(address)
    if family == socket.AF_INET:
        out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return out


def reset(sock):
    """Closes with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Recording(threading.Thread):
    """One relayed connection. Ends when either side does; `chunks` is complete then."""

    def __init__(self, client, server):
        super().__init__(daemon=True)
        self.client, self.server, self.chunks = client, server, []
        self.started = time.monotonic()

    def run(self):
        ways = {self.client: ("C", self.server), self.server: ("S", self.client)}
        while ways:
            ready, _, _ = select.select(list(ways), [], [])
            for source in ready:
                side, target = ways[source]
                if not self.pass_on(side, source, target):
                    del ways[source]
                    # a server that closed is gone (PostgreSQL never half-closes), and so is who sent RST
                    if side == "S" or self.chunks[-1].end == "reset":
                        ways.clear()
                        break
        self.client.close()
        self.server.close()

    def pass_on(self, side, source, target):
        """Relays one chunk; False when the source ended."""
        ms = (time.monotonic() - self.started) * 1000
        try:
            data = source.recv(CHUNK)
        except ConnectionError:
            self.chunks.append(Chunk(side, ms, end="reset"))
            reset(target)
            return False
        self.chunks.append(Chunk(side, ms, data) if data else Chunk(side, ms, end="close"))
        try:
            target.sendall(data) if data else target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side is gone already; its own end is or will be recorded
        return bool(data)


class RecordingRelay:
    """Listens on a free port of 127.0.0.1; `recordings` has one entry per accepted connection."""

    def __init__(self, server_address):
        self.server_address = server_address
        self.recordings = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.accepted = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # shutdown() wakes the accepting thread, which close() alone would not
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            recording = Recording(client, connect(self.server_address))
            with self.accepted:
                self.recordings.append(recording)
                self.accepted.notify_all()
            recording.start()

    def recording(self, index, timeout=60):
        """The finished recording of the index-th connection."""
        with self.accepted:
            if not self.accepted.wait_for(lambda: len(self.recordings) > index, timeout):
                raise TimeoutError("no such connection")
        self.recordings[index].join(timeout)
        return self.recordings[index].chunks
