# SPDX-License-Identifier: MIT
"""A real PostgreSQL server of the test's own: temporary directory, free port, unprivileged user, always stopped.

    with PgServer() as server:
        server.port, server.socket_dir, server.query("postgres", "SELECT 1")

pg_stat_statements is loaded; every error is in the log with its SQLSTATE (see `errors_since`). Authentication is
`trust` except for the users that `create_login_users` makes.
"""
import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter

from . import wire

BINDIR = os.environ.get("PG_BINDIR", "/usr/lib/postgresql/15/bin")
ACCOUNT = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
STARTUP_SECONDS = 60

SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "fsync": "off",
    "max_connections": "60",
    "shared_preload_libraries": "'pg_stat_statements'",
    "pg_stat_statements.max": "20000",
    "compute_query_id": "on",
    "log_line_prefix": "'@ %p %e %d '",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_destination": "'stderr'",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "lc_messages": "'C'",
    "autovacuum": "off",
}

LOG_LINE = re.compile(r"^@ (\d+) (\w{5}) (\S*) (ERROR|FATAL|PANIC): ")


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def die_with_parent():
    """In the child: be told when the test process dies, however it does."""
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


class PgServer:
    """Settings given as keywords (dots as double underscores) come on top of SETTINGS."""

    def __init__(self, **settings):
        self.settings = dict(SETTINGS, **{k.replace("__", "."): v for k, v in settings.items()})
        self.directory = tempfile.mkdtemp(prefix="mirror-observer-pg-")
        self.data = os.path.join(self.directory, "data")
        self.socket_dir = self.directory
        self.log_path = os.path.join(self.directory, "log")
        self.port = free_port()
        self.process = None

    def __enter__(self):
        try:
            self._init()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _as_account(self):
        if not ACCOUNT:
            return {}
        entry = pwd.getpwnam(ACCOUNT)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def own(self, path):
        """Gives a file to the server's account."""
        if ACCOUNT:
            entry = pwd.getpwnam(ACCOUNT)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def _init(self):
        self.own(self.directory)
        subprocess.run(
            [f"{BINDIR}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-N", "--locale=C", "-E", "UTF8"],
            check=True, stdout=subprocess.DEVNULL, cwd=self.directory, **self._as_account())
        self.set(**{})

    def set(self, **settings):
        """Writes the settings; they take effect at the next start or reload."""
        self.settings.update({k.replace("__", "."): v for k, v in settings.items()})
        lines = [f"{k} = {v}\n" for k, v in self.settings.items()]
        lines += [f"port = {self.port}\n", f"unix_socket_directories = '{self.socket_dir}'\n"]
        with open(os.path.join(self.data, "postgresql.auto.conf"), "w") as out:
            out.writelines(lines)

    def write_hba(self, text):
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as out:
            out.write(text)

    def start(self, wait=True):
        log = open(self.log_path, "ab")
        self.own(self.log_path)
        self.process = subprocess.Popen(
            [f"{BINDIR}/postgres", "-D", self.data], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=self.directory, preexec_fn=die_with_parent, **self._as_account())
        log.close()
        if wait:
            self.await_ready()

    def await_ready(self):
        deadline = time.monotonic() + STARTUP_SECONDS
        while True:
            try:
                self.query("postgres", "SELECT 1")
                return
            except (OSError, wire.ServerError, EOFError) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {error}\n{self.log()}") from error
            time.sleep(0.05)

    def stop(self):
        """Fast shutdown; harmless when it is not running."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(20)
        self.process = None

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def query(self, database, sql, user="postgres"):
        """Rows of text of one statement, on a connection of its own that no observer counts."""
        with wire.Client(("127.0.0.1", self.port)) as client:
            client.startup(user=user, database=database)
            return client.rows(sql)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def log_size(self):
        return os.path.getsize(self.log_path)

    def errors_since(self, offset):
        """Errors in the log from that offset on, as a Counter of SQLSTATEs; those of database postgres, where the
        tests' own helpers connect, are left out."""
        with open(self.log_path, "rb") as log:
            log.seek(offset)
            text = log.read().decode(errors="replace")
        found = (LOG_LINE.match(line) for line in text.splitlines())
        return Counter(m[2] for m in found if m and m[3] != "postgres")

    def reset_statements(self):
        self.query("postgres", "SELECT public.pg_stat_statements_reset()")

    def statement_calls(self, database):
        """sum(calls) in that database; fails when pg_stat_statements had to forget some."""
        if self.query("postgres", "SELECT dealloc FROM public.pg_stat_statements_info") != [["0"]]:
            raise RuntimeError("pg_stat_statements lost entries: raise pg_stat_statements.max")
        return int(self.query("postgres", "SELECT coalesce(sum(calls), 0) FROM public.pg_stat_statements s JOIN "
                              f"pg_database d ON d.oid = s.dbid WHERE d.datname = '{database}'")[0][0])

    def create_database(self, name, *statements):
        self.query("postgres", "CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")
        self.query("postgres", f"CREATE DATABASE {name}")
        for statement in statements:
            self.query(name, statement)
