# SPDX-License-Identifier: MIT
"""Debian's unmodified pgpool-II 4.3 as a mirroring proxy: native replication sends each statement to both servers.

What it does of its own accord, seen with log_per_node_statement (the reasons why counts are compared with the servers'
and never with the client's):
see docs/architecture.md, "pgpool-II as the test proxy".
"""

import os
import signal
import socket

from .postgres import USER
from .process import Process, free_port, wait_for

SETTINGS = """
backend_clustering_mode = 'native_replication'
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{directory}'
socket_dir = '{directory}'
pcp_port = {pcp_port}
pcp_listen_addresses = '127.0.0.1'
pcp_socket_dir = '{directory}'
wd_ipc_socket_dir = '{directory}'
pid_file_name = '{directory}/pgpool.pid'
logdir = '{directory}'
work_dir = '{directory}'
{backends}
replicate_select = on
load_balance_mode = off
failover_on_backend_error = off
failover_on_backend_shutdown = off
sr_check_period = 0
health_check_period = 0
use_watchdog = off
memory_cache_enabled = off
check_temp_table = none
check_unlogged_table = off
num_init_children = {children}
max_pool = {max_pool}
child_life_time = 0
connection_cache = on
log_min_messages = warning
pool_passwd = '{directory}/pool_passwd'
"""

# A backend that fails is kept: without the flag pgpool-II would go on with the other one alone.
BACKEND = """backend_hostname{i} = '{host}'
backend_port{i} = {server.port}
backend_weight{i} = 1
backend_data_directory{i} = '{directory}/none{i}'
backend_flag{i} = 'DISALLOW_TO_FAILOVER'
"""


class Pgpool:
    host = "127.0.0.1"

    def __init__(self, directory, servers, children=16, max_pool=1, settings="", passwords="", name="pgpool",
                 by_path=False, program="/usr/sbin/pgpool"):
        """by_path: the servers are reached by their Unix-domain sockets."""
        self.program = program
        self.directory = os.path.join(directory, name)
        self.port = free_port()
        self.children = children
        os.makedirs(self.directory, exist_ok=True)
        backends = "".join(BACKEND.format(i=i, server=s, host=s.directory if by_path else s.host,
                                          directory=self.directory) for i, s in enumerate(servers))
        self._write("pgpool.conf", SETTINGS.format(port=self.port, pcp_port=free_port(), directory=self.directory,
                                                   backends=backends, children=children, max_pool=max_pool)
                    + settings)
        self._write("pool_hba.conf", "")
        self._write("pcp.conf", "")
        self._write("pool_passwd", passwords)
        if os.getuid() == 0:
            import pwd
            entry = pwd.getpwnam(USER)
            for path in [self.directory] + [os.path.join(self.directory, f) for f in os.listdir(self.directory)]:
                os.chown(path, entry.pw_uid, entry.pw_gid)
        self.process = None
        self.start()

    def _write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="ascii") as file:
            file.write(text)

    def start(self):
        conf = self.directory
        self.process = Process([self.program, "-n", "-f", f"{conf}/pgpool.conf", "-a", f"{conf}/pool_hba.conf",
                                "-F", f"{conf}/pcp.conf", "-k", "/dev/null"], f"{conf}/pgpool.log", user=USER,
                               stop_signal=signal.SIGINT)

        def listening():
            if not self.process.running():
                raise RuntimeError(f"pgpool-II did not start:\n{self.process.output()}")
            with socket.socket() as probe:
                return probe.connect_ex((self.host, self.port)) == 0
        wait_for(listening, "pgpool-II to listen", timeout=60)

    def stop(self):
        """SIGINT is its fast shutdown; what hangs is killed with its children."""
        if self.process:
            self.process.stop(timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
