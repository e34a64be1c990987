# SPDX-License-Identifier: MIT
"""A process that plays the proxy, statement by statement: a Python interpreter of its own, under a name of its own.

    with Actor("an-actor") as actor:
        actor.run("c = wire.Client(('127.0.0.1', 5432)); c.startup(user='postgres', database='app')")
        kinds = actor.get("[kind for kind, _ in c.ask(wire.query('SELECT 1'))]")

In its namespace: wire (harness.wire), socket, struct, threading, time, os, errno, and connect() below. With
netns=True it lives in a network namespace of its own, where only the loopback device is up.
"""
import ctypes
import errno
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

if __name__ == "__main__":  # started as a program: harness is beside us
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import wire

TIMEOUT_SECONDS = 120
PR_SET_NAME = 15
CLONE_NEWNET = 0x40000000


class ActorError(Exception):
    """What the actor was told to do failed; its text is the exception's."""


class Actor:
    """Ends with its `with` block, or with us."""

    def __init__(self, comm, netns=False):
        self.comm = comm
        argv = ["setpriv", "--pdeathsig", "KILL", "--", "/usr/bin/python3", "-B", os.path.abspath(__file__), comm]
        self.child = subprocess.Popen(argv + ["netns"] * netns, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    @property
    def pid(self):
        return self.child.pid

    def _answer(self):
        ready, _, _ = select.select([self.child.stdout], [], [], TIMEOUT_SECONDS)
        line = self.child.stdout.readline() if ready else ""
        if not line:
            raise ActorError("no answer" if not ready else "it is gone")
        answer = json.loads(line)
        if "error" in answer:
            raise ActorError(answer["error"])
        return answer["value"]

    def _say(self, how, code):
        self.child.stdin.write(json.dumps([how, code]) + "\n")
        self.child.stdin.flush()
        return self._answer()

    def run(self, code):
        """Executes Python statements."""
        self._say("exec", code)

    def get(self, expression):
        """The value of a Python expression, as JSON knows it."""
        return self._say("eval", expression)

    def kill(self):
        self.child.kill()
        self.child.wait()

    def close(self):
        self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        self.child.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def attempt(host, port, timeout=None):
    """A blocking connect; the name of its errno, or None. The socket is closed."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.settimeout(timeout)
        sock.connect((host, port))
        return None
    except TimeoutError as error:
        return errno.errorcode[error.errno] if error.errno else "gave up"
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        sock.close()


def reset(sock):
    """Closes with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NAME, sys.argv[1].encode(), 0, 0, 0)
    if "netns" in sys.argv:
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    names = {"wire": wire, "socket": socket, "struct": struct, "threading": threading, "time": time, "os": os,
             "errno": errno, "subprocess": subprocess, "attempt": attempt, "reset": reset}
    print(json.dumps({"value": None}), flush=True)
    for line in sys.stdin:
        how, code = json.loads(line)
        try:
            value = eval(code, names) if how == "eval" else exec(code, names)
            print(json.dumps({"value": value}), flush=True)
        except Exception as error:  # whatever it is, the test shall know
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    main()
