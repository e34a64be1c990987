# SPDX-License-Identifier: MIT
"""Clients: pgbench for volume, psycopg for single statements."""

import os
import re
import subprocess

import psycopg

from .postgres import BIN
from .process import Process

MODES = ("simple", "extended", "prepared", "pipelined")


def pgbench_init(server, scale=1):
    """The tables of pgbench, made on the server itself so that no proxy is involved."""
    subprocess.run([f"{BIN}/pgbench", "-i", "-q", "-s", str(scale), "-h", server.host, "-p", str(server.port), "-U",
                    "postgres", "app"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pgbench_argv(target, mode="simple", clients=4, seconds=None, transactions=None, options=()):
    """One of MODES: pgbench's own transaction where the servers' counts are a truth for it, else ours."""
    argv = [f"{BIN}/pgbench", "-n", "-h", target.host, "-p", str(target.port), "-U", "postgres",
            "-M", "prepared" if mode == "pipelined" else mode, "-c", str(clients), "-j", str(min(clients, 2))]
    argv += ["-T", str(seconds)] if seconds else ["-t", str(transactions or 100)]
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{mode}.sql")
    argv += ["-f", script] if os.path.exists(script) and not options else []
    return argv + list(options) + ["app"]


class Pgbench(Process):
    """A pgbench in the background."""

    def __init__(self, target, log, **options):
        super().__init__(pgbench_argv(target, **options), log)


def pgbench(target, **options):
    """Runs to its end; returns its transactions per second. RuntimeError carries its output."""
    done = subprocess.run(pgbench_argv(target, **options), check=False, capture_output=True, text=True)
    match = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not match:
        raise RuntimeError(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return float(match.group(1))


class Client:
    """One session through the proxy, autocommit."""

    def __init__(self, target, database="app", user="postgres", **parameters):
        self.connection = psycopg.connect(host=target.host, port=target.port, dbname=database, user=user,
                                          autocommit=True, **parameters)

    def run(self, sql, parameters=None):
        cursor = self.connection.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else None

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
