# SPDX-License-Identifier: MIT
"""Two servers and the proxy between them, in one temporary directory."""

import contextlib
import glob
import os
import shutil
import tempfile
import time

from .certificate import make_certificate
from .load import pgbench_init
from .pgpool import Pgpool
from .postgres import USER, Server
from .process import uninterrupted, wait_for


def leftovers(directory):
    """What still exists of a stand that was closed: the directory, pins, processes. Empty is right."""
    found = [path for path in (directory, *glob.glob(f"/sys/fs/bpf/{os.path.basename(directory)}*"))
             if os.path.exists(path)]
    for process in glob.glob("/proc/[0-9]*"):
        # Every process of the stand works in the directory or writes its output there.
        for link in (f"{process}/cwd", f"{process}/fd/1", f"{process}/fd/2"):
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith(directory + "/"):
                found.append(f"process {os.path.basename(process)} ({target})")
                break
    return found


SERVER_TLS = """
ssl = on
ssl_cert_file = '{certificate}'
ssl_key_file = '{key}'
ssl_min_protocol_version = 'TLSv1.2'
ssl_max_protocol_version = '{version}'
"""

PGPOOL_TLS = """
ssl = on
ssl_cert = '{certificate}'
ssl_key = '{key}'
"""


class Stand:
    """primary, mirror, pgpool (None with children=0); pgbench's tables in both databases `app`.

    tls: "TLSv1.2" or "TLSv1.3", with which pgpool-II and everybody else talks to the servers; None: not at all.
    """

    def __init__(self, name="mirror-observer", children=16, scale=1, tls=None, **pgpool_options):
        self.tls = tls
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self.directory = tempfile.mkdtemp(prefix=f"{name}.", dir="/tmp")
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            os.chmod(self.directory, 0o755)
            settings = ""
            if tls:
                certificate, key = make_certificate(self.directory, USER)
                settings = SERVER_TLS.format(certificate=certificate, key=key, version=tls)
                pgpool_options["settings"] = (pgpool_options.get("settings", "")
                                              + PGPOOL_TLS.format(certificate=certificate, key=key))
            self.primary = stack.enter_context(Server(self.directory, "primary", settings=settings))
            self.mirror = stack.enter_context(Server(self.directory, "mirror", settings=settings))
            for server in (self.primary, self.mirror):
                pgbench_init(server, scale)
            self.pgpool = stack.enter_context(Pgpool(self.directory, (self.primary, self.mirror), children,
                                                     **pgpool_options)) if children else None
            self._stack = stack.pop_all()

    def reset_counts(self):
        self.primary.reset_counts()
        self.mirror.reset_counts()

    def counts(self):
        return {"primary": self.primary.counts(), "mirror": self.mirror.counts()}

    def settled_counts(self, quiet=0.5, timeout=60):
        """counts() once they stand still: pgpool-II resets its sessions (DISCARD ALL) after the clients are gone."""
        last = {}

        def still():
            counts, now = self.counts(), time.monotonic()
            if last.get("counts") != counts:
                last.update(counts=counts, since=now)
            return counts if now - last["since"] >= quiet else None
        return wait_for(still, "the servers' counts to stand still", timeout, interval=0.1)

    def path(self, name):
        return os.path.join(self.directory, name)

    def close(self):
        with uninterrupted():
            self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
