# SPDX-License-Identifier: MIT
"""The server that transcripts are recorded from: every kind of login, TLS, and its own view of what happened."""
import glob
import json
import os
import shutil
import signal
import subprocess
from collections import Counter

from harness import Process, Server, wait_for, wire
from harness.postgres import BIN, USER

DATABASES = ("app", "nowhere")  # those that scenarios ask for
SETTINGS = "max_prepared_transactions = 4\nssl = on\n"
CLOSED = "hot_standby = off\n"  # with standby.signal: the server starts and takes no connections
HBA = """local all all trust
host all scram 127.0.0.1/32 scram-sha-256
host all md5 127.0.0.1/32 md5
host all clear 127.0.0.1/32 password
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""
SETUP = (
    "SET password_encryption = 'scram-sha-256'; CREATE ROLE app SUPERUSER LOGIN",
    "CREATE ROLE scram LOGIN PASSWORD 'secret'; CREATE ROLE clear LOGIN PASSWORD 'secret'",
    "CREATE ROLE full_role LOGIN CONNECTION LIMIT 0",
    "SET password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD 'secret'",
    "CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL)",
    "INSERT INTO account SELECT i, 'owner ' || i FROM generate_series(1, 20) i",
    "CREATE TABLE booking (id int, UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE entry (id int, note text)",
)


class RecordedServer(Server):
    """database `app` is what is recorded; whatever happens in `postgres` is the recorder's own."""

    def __init__(self, directory):
        super().__init__(directory, "recorded")
        try:
            self._make_certificate()
            self._write("pg_hba.conf", HBA)
            self.restart(SETTINGS)
            for statement in SETUP:
                self.query(statement)
        except BaseException:
            self.stop()
            raise

    @property
    def socket_path(self):
        return f"{self.directory}/.s.PGSQL.{self.port}"

    def _write(self, name, text, mode="w"):
        with open(os.path.join(self.data, name), mode, encoding="ascii") as out:
            out.write(text)

    def _own(self, path, mode):
        os.chmod(path, mode)
        if os.getuid() == 0:
            shutil.chown(path, USER, USER)

    def _make_certificate(self):
        crt, key = f"{self.data}/server.crt", f"{self.data}/server.key"
        subprocess.run(["openssl", "req", "-new", "-x509", "-days", "1", "-nodes", "-subj", "/CN=localhost", "-newkey",
                        "rsa:2048", "-keyout", key, "-out", crt], check=True, stderr=subprocess.DEVNULL)
        self._own(crt, 0o644)
        self._own(key, 0o600)

    def restart(self, more=""):
        self.stop()
        self._write("postgresql.auto.conf", more, "a")
        self.start()

    def admin(self, sql):
        return self.query(sql, database="postgres")

    def await_ready(self):
        def ready():
            try:
                return self.admin("SELECT 1")
            except Exception:  # whatever libpq says while the server recovers
                return None
        wait_for(ready, "the server to recover")

    def start_closed(self):
        """Restarts it so that it answers every start-up with 57P03."""
        self.stop()
        self._write("standby.signal", "")
        self._own(f"{self.data}/standby.signal", 0o600)
        self._write("postgresql.auto.conf", CLOSED, "a")
        self.process = Process([f"{BIN}/postgres", "-D", self.data], f"{self.directory}/server.log", user=USER,
                               stop_signal=signal.SIGINT)
        wait_for(self._refuses, "the server to refuse connections")

    def _refuses(self):
        try:
            with wire.Client((self.host, self.port)) as client:
                client.startup(user="postgres", database="postgres")
        except (OSError, wire.ServerError, EOFError) as error:
            return str(error) == "57P03"
        return False

    def open_again(self):
        self.stop()
        os.unlink(f"{self.data}/standby.signal")
        self.restart("hot_standby = on\n")

    def logged(self):
        """SQLSTATEs of all errors so far in recorded databases, as a Counter."""
        found = Counter()
        for path in sorted(glob.glob(f"{self.data}/log/*.json")):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    entry = json.loads(line) if line.endswith("\n") else {}
                    if entry.get("error_severity") in ("ERROR", "FATAL", "PANIC") and entry.get("dbname") in DATABASES:
                        found[entry["state_code"]] += 1
        return found
