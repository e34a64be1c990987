# SPDX-License-Identifier: MIT
"""A scripted server and a scripted client: transcripts over real sockets, with chosen splits, pauses and resets.

Either side walks through the chunks: it sends its own, and reads the other's before it goes on, so that the bytes cross
in the recorded order. The client is a process of its own, so that it can be observed under a name of its own:

    with ScriptedServer(paths) as server:
        ScriptedClient(directory, server.address, paths, comm="scripted", writes="random").check()

As a program (what ScriptedClient starts): scripted.py HOST PORT [options] TRANSCRIPT...
"""
import argparse
import ctypes
import os
import random
import socket
import struct
import sys
import threading
import time

if __name__ == "__main__":  # started as a program: harness is beside us
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import transcript
from harness.process import Process

TIMEOUT_SECONDS = 30
PR_SET_NAME = 15
SMALL = 4096  # chunks up to here are torn wherever a plan says; of larger ones only this much at either end


class Mismatch(Exception):
    """The other side did not do what the transcript says."""


class Plan:
    """How one side moves its bytes. writes and reads are "whole", "bytes" (one at a time), a number (so many at a
    time) or "random"; pause: seconds between two pieces of a write; cut: closes ("close") or resets ("reset") after so
    many bytes of its own were sent."""

    def __init__(self, writes="whole", reads="whole", pause=0.0, cut=None, how="reset", seed=0):
        self.writes, self.reads, self.pause, self.cut, self.how = writes, reads, pause, cut, how
        self.random = random.Random(seed)

    def size(self, kind, left):
        """Bytes of the next piece of `left`."""
        if kind == "whole":
            return left
        if kind == "bytes":
            return 1
        if kind == "random":
            return self.random.randint(1, max(1, min(left, 200)))
        return min(int(kind), left)

    def pieces(self, data):
        """data, torn apart; the middle of a large chunk stays whole, or it would take all day."""
        at = 0
        while at < len(data):
            left = len(data) - at
            size = left - SMALL if SMALL < left and at >= SMALL else self.size(self.writes, left)
            yield data[at:at + size]
            at += size


class Player:
    """One side ("C" or "S") of one connection."""

    def __init__(self, side, sock, script, plan):
        self.side, self.sock, self.script, self.plan = side, sock, script, plan
        self.sent = 0
        sock.settimeout(TIMEOUT_SECONDS)
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def play(self):
        """The whole script, or as much of it as the plan allows; the socket is closed after it."""
        try:
            for chunk in self.script.chunks:
                if not (self.say(chunk) if chunk.side == self.side else self.hear(chunk)):
                    return
        finally:
            self.sock.close()

    def end(self, how):
        if how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        return False

    def say(self, chunk):
        """False once this side is closed."""
        if chunk.end:
            return self.end(chunk.end)
        for number, piece in enumerate(self.plan.pieces(chunk.data)):
            if self.plan.pause and number:
                time.sleep(self.plan.pause)
            if self.plan.cut is not None:
                piece = piece[:self.plan.cut - self.sent]
            try:
                self.sock.sendall(piece)
            except ConnectionError:
                return False  # the other side was told to cut
            self.sent += len(piece)
            if self.sent == self.plan.cut:
                return self.end(self.plan.how)
        return True

    def hear(self, chunk):
        """False once the other side is closed."""
        left = len(chunk.data)
        while left or chunk.end:
            try:
                data = self.sock.recv(self.plan.size(self.plan.reads, left) if left else 1)
            except ConnectionError:
                return False
            if not data:
                return False  # as the script says, or because the other side was told to cut
            if chunk.end:
                raise Mismatch(f"{len(data)} bytes where the other side should end")
            at = len(chunk.data) - left
            if data != chunk.data[at:at + len(data)]:
                raise Mismatch("the other side sent something else")
            left -= len(data)
        return True


class ScriptedServer:
    """Plays the server of each transcript, one connection after the other, in the order of `paths`.

    `problems` is filled by what went wrong; `done` connections were played to their end.
    """

    def __init__(self, paths, plan=None, address=("127.0.0.1", 0)):
        self.scripts = [transcript.read(path) for path in paths]
        self.plan = plan or Plan()
        self.listener = socket.create_server(address)
        self.address = "{}:{}".format(*self.listener.getsockname())
        self.problems, self.done = [], 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        for script in self.scripts:
            try:
                connection, _ = self.listener.accept()
                Player("S", connection, script, self.plan).play()
                self.done += 1
            except (OSError, Mismatch) as error:
                if not self.listener.fileno() < 0:
                    self.problems.append(f"{script.comment[0]}: {error!r}")

    def join(self):
        """Waits for the last connection; RuntimeError when something went wrong."""
        self.thread.join(TIMEOUT_SECONDS)
        if self.problems or self.done != len(self.scripts):
            raise RuntimeError(f"{self.done} of {len(self.scripts)} played; {self.problems}")

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() would not
        except OSError:
            pass
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class ScriptedClient:
    """Plays the client of each transcript in a process named `comm`. Options are the fields of Plan."""

    def __init__(self, directory, address, paths, comm="scripted", name="scripted", **plan):
        host, port = address.rsplit(":", 1)
        options = [f"--{key}={value}" for key, value in plan.items()]
        self.process = Process(["/usr/bin/python3", "-B", os.path.abspath(__file__), host, port, f"--comm={comm}", *options,
                                *map(os.path.abspath, paths)], os.path.join(directory, f"{name}.log"))

    def check(self, timeout=600):
        """Waits for its end; RuntimeError unless all went as written."""
        if self.process.wait(timeout) != 0:
            raise RuntimeError(f"the scripted client failed:\n{self.process.output()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--comm")
    parser.add_argument("--writes", default="whole")
    parser.add_argument("--reads", default="whole")
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--cut", type=int)
    parser.add_argument("--how", choices=("close", "reset"), default="reset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("transcripts", nargs="+")
    options = parser.parse_args()
    if options.comm:
        ctypes.CDLL(None).prctl(PR_SET_NAME, options.comm.encode(), 0, 0, 0)
    plan = Plan(options.writes, options.reads, options.pause, options.cut, options.how, options.seed)
    for path in options.transcripts:
        script = transcript.read(path)
        try:
            Player("C", socket.create_connection((options.host, options.port)), script, plan).play()
        except (OSError, Mismatch) as error:
            print(f"{path}: {error!r}", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
