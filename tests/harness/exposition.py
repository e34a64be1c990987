# SPDX-License-Identifier: MIT
"""serve_fixture: known statistics behind the real HTTP server (tests/integration/serve_fixture.c)."""

import http.client
import os
import signal
import subprocess
import tempfile

from .metrics import Metrics

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build")  # build/asan: the same tests under the sanitizers
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Exposition:
    """Runs until stop() or the end of its `with` block; ends by itself should we die (end of its standard input)."""

    def __init__(self, *arguments, env=None):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([f"{ROOT}/{BUILD}/tests/serve_fixture", *map(str, arguments)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        env={**os.environ, **(env or {})})
        line = self.process.stdout.readline().split()
        if not line:
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
        self.port = int(line[1]) if line else None
        self.url = f"http://127.0.0.1:{self.port}"

    @staticmethod
    def build():
        subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={BUILD}", f"{BUILD}/tests/serve_fixture"], check=True)

    @property
    def log(self):
        self.errors.seek(0)
        return self.errors.read()

    @property
    def pid(self):
        return self.process.pid

    def get(self, path, method="GET", headers=None, body=None):
        """(status, headers, text) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode("utf-8")
        finally:
            connection.close()

    def metrics(self):
        return Metrics.scrape(self.url + "/metrics")

    def stop(self, number=None):
        """Exit status; without a signal number it is asked to end."""
        if self.process.poll() is None:
            if number:
                self.process.send_signal(number)
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
                raise
            self.process.stdout.close()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
