# SPDX-License-Identifier: MIT
"""Real PostgreSQL servers, a real pgpool-II and the observer, for the demo, the tests and the benchmark.

Everything lives in one temporary directory, on free ports of 127.0.0.1, as the user `postgres`; a server that the
machine runs already is never touched. Whatever was started is stopped when its `with` block ends, and by the kernel
(a parent-death signal) should this process be killed.
"""

from .foreign_relay import ForeignRelay
from .load import Client, Pgbench, pgbench, pgbench_init
from .metrics import Metrics
from .mirror_proxy import MirrorProxy
from .observer import Observer, bpf_stats, cluster, configuration
from .pgpool import Pgpool
from .postgres import Server
from .process import Process, free_port, interruptible, wait_for
from .prometheus import Prometheus
from .stand import Stand, leftovers

__all__ = ["Client", "ForeignRelay", "Metrics", "MirrorProxy", "Observer", "Pgbench", "Pgpool", "Process", "Prometheus", "Server", "Stand",
           "bpf_stats", "cluster", "configuration", "free_port", "interruptible", "leftovers", "pgbench", "pgbench_init", "wait_for"]
