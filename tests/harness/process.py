# SPDX-License-Identifier: MIT
"""A child process that never outlives us, free ports, and waiting for a condition."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time


def wait_for(condition, what, timeout=30.0, interval=0.02):
    """Returns the first true value of condition(); TimeoutError names what was awaited."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}")
        time.sleep(interval)


def free_port():
    """A port of 127.0.0.1 that nobody listens on, below the range from which the kernel takes local ports."""
    while True:
        port = random.randrange(15000, 30000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def interruptible():
    """SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that everything is cleaned up."""
    def unwind(signum, _frame):
        raise KeyboardInterrupt(signal.Signals(signum).name)
    signal.signal(signal.SIGTERM, unwind)
    signal.signal(signal.SIGHUP, unwind)


@contextlib.contextmanager
def uninterrupted():
    """Cleaning up is not to be interrupted by a second Ctrl-C."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class Process:
    """argv, run in a session of its own (Ctrl-C is ours to handle), output appended to the file `log`.

    user: run as that account. stop_signal: sent by stop(), by the end of a `with` block, and by the kernel if we die.
    """

    def __init__(self, argv, log, user=None, stop_signal=signal.SIGTERM, env=None, stdin=subprocess.DEVNULL):
        self.argv, self.log, self.stop_signal = [str(a) for a in argv], str(log), stop_signal
        guard = ["setpriv", "--pdeathsig", signal.Signals(stop_signal).name[3:]]
        if user and os.getuid() == 0:
            guard += ["--reuid", user, "--regid", user, "--init-groups"]
        with open(self.log, "ab") as output:
            self.child = subprocess.Popen(guard + ["--"] + self.argv, stdin=stdin, stdout=output,
                                          stderr=subprocess.STDOUT, start_new_session=True, cwd="/",
                                          env={**os.environ, "LC_ALL": "C", **(env or {})})

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout=60):
        return self.child.wait(timeout)

    def stop(self, number=None, timeout=30):
        """Asks it to end, insists after `timeout`; returns the exit status."""
        if self.running():
            self.child.send_signal(number or self.stop_signal)
            try:
                self.child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.child.returncode

    def kill(self):
        """SIGKILL to it and to whatever it left in its session."""
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
