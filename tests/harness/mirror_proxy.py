# SPDX-License-Identifier: MIT
"""The test proxy of tests/proxy: it mirrors as PgDog or pgcat do, or only relays, and knows the truth about itself."""

import json
import os
import re
import socket

from .process import Process, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("MIRROR_PROXY", os.path.join(ROOT, "build", "tests", "mirror-proxy"))


class MirrorProxy:
    """host, port; command() and stats() speak to its side channel.

    Options are the program's, `mirror_pool=4` for `--mirror-pool 4` (True: without a value). mirror may be None.
    """

    host = "127.0.0.1"

    def __init__(self, directory, primary, mirror=None, name="proxy", database="app", program=None, **options):
        self.control_path = os.path.join(directory, f"{name}.control")
        options = {"listen": "127.0.0.1:0", "primary": primary.address, "control": f"unix:{self.control_path}",
                   "mirror_database": database, **({"mirror": mirror.address} if mirror else {}), **options}
        argv = [program or BINARY]
        for key, value in options.items():
            argv += [f"--{key.replace('_', '-')}"] + ([] if value is True else [str(value)])
        self._side_channel = None
        for stale in (log := os.path.join(directory, f"{name}.log"), self.control_path):
            if os.path.exists(stale):
                os.unlink(stale)
        self.process = Process(argv, log)
        try:
            self.port = int(wait_for(self._port, "the test proxy to listen").group(1))
            self._side_channel = socket.socket(socket.AF_UNIX)
            self._side_channel.connect(self.control_path)
            self._answers = self._side_channel.makefile("r", encoding="ascii")
        except BaseException:
            self.stop()
            raise

    def _port(self):
        if not self.process.running():
            raise RuntimeError(f"the test proxy ended with {self.process.child.returncode}:\n{self.process.output()}")
        return re.search(r"listening on port (\d+)", self.process.output())

    def _ask(self, line):
        self._side_channel.sendall(f"{line}\n".encode("ascii"))
        return self._answers.readline().strip()

    def command(self, *words):
        """For example command("drop", 5); RuntimeError when the proxy refuses it."""
        answer = self._ask(" ".join(str(word) for word in words))
        if answer != "ok":
            raise RuntimeError(f"{words}: {answer or 'the test proxy is gone'}")

    def stats(self):
        """The truth, see tests/proxy/truth.h."""
        return json.loads(self._ask("stats"))

    def settled(self, timeout=60):
        """The truth once nothing is on its way to the mirror and no request waits or runs."""
        def idle():
            stats = self.stats()
            done = stats["replayed_requests"] + stats["failed_requests"]
            busy = stats["mode"] == "pgdog" and done != stats["enqueued_requests"]
            return None if stats["depth"] or stats["queued_requests"] or busy else stats
        return wait_for(idle, "the mirror to catch up", timeout)

    def cpu_seconds(self):
        """User and system time so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self._side_channel:
            self._side_channel.close()
            self._side_channel = None
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
