# SPDX-License-Identifier: MIT
"""Two servers and the proxy between them, in one temporary directory."""

import contextlib
import os
import shutil
import tempfile

from .load import pgbench_init
from .pgpool import Pgpool
from .postgres import Server


class Stand:
    """primary, mirror, pgpool; pgbench's tables in both databases `app`."""

    def __init__(self, name="mirror-observer", children=16, scale=1, **pgpool_options):
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self.directory = tempfile.mkdtemp(prefix=f"{name}.", dir="/tmp")
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            os.chmod(self.directory, 0o755)
            self.primary = stack.enter_context(Server(self.directory, "primary"))
            self.mirror = stack.enter_context(Server(self.directory, "mirror"))
            for server in (self.primary, self.mirror):
                pgbench_init(server, scale)
            self.pgpool = stack.enter_context(Pgpool(self.directory, (self.primary, self.mirror), children,
                                                     **pgpool_options))
            self._stack = stack.pop_all()

    def reset_counts(self):
        self.primary.reset_counts()
        self.mirror.reset_counts()

    def counts(self):
        return {"primary": self.primary.counts(), "mirror": self.mirror.counts()}

    def path(self, name):
        return os.path.join(self.directory, name)

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
