# SPDX-License-Identifier: MIT
"""A PostgreSQL server in a directory of its own. Its pg_stat_statements and its log are the tests' truth."""

import glob
import json
import os
import re
import signal
import subprocess

import psycopg

from .process import Process, free_port, wait_for


def newest():
    """The newest PostgreSQL server of Debian's packages that is installed: (its version, its programs' folder)."""
    return max(((int(path.split("/")[4]), os.path.dirname(path))
                for path in glob.glob("/usr/lib/postgresql/[1-9][0-9]/bin/postgres")), default=(0, "none is installed"))


VERSION, BIN = newest()
USER = "postgres"

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{directory}'
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 50000
pg_stat_statements.track = top
pg_stat_statements.save = off
compute_query_id = on
logging_collector = on
log_destination = 'jsonlog'
log_directory = 'log'
log_rotation_size = 0
log_min_messages = warning
lc_messages = 'C'
"""


class Server:
    """host, port, version; database `app` owned by the superuser `postgres`, trusted from 127.0.0.1."""

    host = "127.0.0.1"
    version = VERSION  # the major one

    def __init__(self, directory, name, settings=""):
        self.name = name
        self.directory = os.path.join(directory, name)
        self.data = os.path.join(self.directory, "data")
        self.port = free_port()
        self.process = None
        if not VERSION:
            raise RuntimeError("no PostgreSQL server below /usr/lib/postgresql: scripts/setup --demo")
        os.mkdir(self.directory)
        if os.getuid() == 0:
            import pwd
            entry = pwd.getpwnam(USER)
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)
        self._initdb()
        with open(os.path.join(self.data, "postgresql.auto.conf"), "w", encoding="ascii") as file:
            file.write(SETTINGS.format(port=self.port, directory=self.directory) + settings)
        self.start()
        try:
            self.query("CREATE DATABASE app", database="postgres")
            self.query("CREATE EXTENSION pg_stat_statements", database="postgres")
        except BaseException:
            self.stop(signal.SIGQUIT)
            raise

    def _initdb(self):
        with Process([f"{BIN}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
                      "--locale=C"], f"{self.directory}/initdb.log", user=USER) as initdb:
            if initdb.wait() != 0:
                raise RuntimeError(f"initdb failed:\n{initdb.output()}")

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def path_address(self):
        """Of the Unix-domain socket, as in the observer's configuration."""
        return f"unix:{self.directory}/.s.PGSQL.{self.port}"

    def start(self):
        # SIGINT is PostgreSQL's fast shutdown: open sessions are ended.
        self.process = Process([f"{BIN}/postgres", "-D", self.data], f"{self.directory}/server.log", user=USER,
                               stop_signal=signal.SIGINT)

        def ready():
            if not self.process.running():
                raise RuntimeError(f"PostgreSQL did not start:\n{self.process.output()}")
            return subprocess.run([f"{BIN}/pg_isready", "-q", "-h", self.host, "-p", str(self.port)],
                                  check=False).returncode == 0
        wait_for(ready, f"{self.name} to accept connections", timeout=60)

    def stop(self, number=signal.SIGINT):
        if self.process:
            self.process.stop(number)

    def connect(self, database="app", **parameters):
        """A connection of our own, past the proxy; autocommit."""
        return psycopg.connect(host=self.host, port=self.port, dbname=database, autocommit=True,
                               **{"user": "postgres", **parameters})

    def query(self, sql, database="app", parameters=None):
        with self.connect(database) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else None

    def demand_password(self, role):
        """From now on that role needs its password, also from 127.0.0.1."""
        path = os.path.join(self.data, "pg_hba.conf")
        with open(path, encoding="ascii") as file:
            rules = file.read()
        if f" {role} " not in rules:
            with open(path, "w", encoding="ascii") as file:
                file.write(f"host all {role} 127.0.0.1/32 scram-sha-256\n{rules}")
        self.query("SELECT pg_reload_conf()", database="postgres")

    def reset_counts(self):
        self.query("SELECT pg_stat_statements_reset()", database="postgres")

    def counts(self, database="app"):
        """sum(calls) of what clients of `database` ran since reset_counts(), as PostgreSQL itself counted."""
        with self.connect("postgres") as connection:
            calls = connection.execute("SELECT coalesce(sum(s.calls), 0)::bigint FROM pg_stat_statements s"
                                       " JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = %s",
                                       (database,)).fetchone()[0]
            dealloc = connection.execute("SELECT dealloc FROM pg_stat_statements_info").fetchone()[0]
        if dealloc:
            raise RuntimeError("pg_stat_statements evicted entries: its counts are no truth")
        return calls

    def calls(self, database="app"):
        """{statement text: calls}, to see what a difference is made of."""
        return dict(self.query("SELECT s.query, sum(s.calls)::bigint FROM pg_stat_statements s"
                               " JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = %s GROUP BY 1",
                               database="postgres", parameters=(database,)))

    def _log(self, database):
        """The entries of the server's log that concern that database."""
        for path in sorted(glob.glob(f"{self.data}/log/*.json")):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    entry = json.loads(line) if line.endswith("\n") else {}
                    if entry.get("dbname") == database:
                        yield entry

    def errors(self, database="app"):
        """The server's own log of errors: [(severity, SQLSTATE, statement or None)] in that database."""
        return [(entry["error_severity"], entry.get("state_code"), entry.get("statement"))
                for entry in self._log(database) if entry["error_severity"] in ("ERROR", "FATAL", "PANIC")]

    def logged_statements(self, database="app"):
        """Statements in its log, of sessions with log_statement = 'all'."""
        return sum(re.match(r"statement: |execute ", entry.get("message", "")) is not None
                   for entry in self._log(database) if entry["error_severity"] == "LOG")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
