# SPDX-License-Identifier: MIT
"""A relay that moves its bytes in ways that few programs do: tests/integration/foreign_relay.c."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests/foreign_relay")


class ForeignRelay:
    """Between `port` and the server of that port; what it connects to is `connects_to`. Counted from outside."""

    host = "127.0.0.1"

    def __init__(self, way, server_port):
        self.child = subprocess.Popen([PROGRAM, way, str(server_port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port, self.connects_to = map(int, self.child.stdout.readline().split())

    def moved(self):
        """Bytes sent and received on the connection to the server that is open, as ss shows them."""
        out = subprocess.run(["ss", "-tinH", f"dport = :{self.connects_to} and src 127.0.0.1"], check=True,
                             capture_output=True, text=True).stdout
        fields = dict(field.split(":", 1) for field in out.split() if field.startswith(("bytes_sent:", "bytes_received:")))
        return int(fields["bytes_sent"]) + int(fields["bytes_received"])

    def close(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
