# SPDX-License-Identifier: MIT
"""Run as the first process of a container (namespaces of its own for network, processes and mounts): a server, the test
proxy and an observer on the addresses and the pin that it is told, which the host uses too.

Reads lines "run N" and "end" from stdin; answers each with a line of JSON on stdout.
"""

import json
import os
import subprocess
import sys

import psycopg

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness  # noqa: E402
from harness import mirror_proxy, postgres  # noqa: E402


def statements(metrics):
    return {target: metrics.get("pgdog_mirror_statements_total", cluster="app_mirror", target=target, status="success")
            for target in ("primary", "mirror")}


def serve(proxy, observer):
    print(json.dumps({"pid": proxy.process.pid}), flush=True)
    for line in sys.stdin:
        word, *number = line.split()
        if word == "end":
            break
        with psycopg.connect(host=proxy.host, port=proxy.port, dbname="app", user="postgres", autocommit=True) as client:
            for i in range(int(number[0])):
                client.execute("SELECT %s::int", (i,))
        truth = proxy.settled()
        observer.settled()
        print(json.dumps({"truth": {target: truth[target] for target in ("primary", "mirror")},
                          "observed": statements(observer.metrics()), "log": observer.process.output()}), flush=True)


def main(directory, port, proxy_port, listen_port, pin, select):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)
    os.chdir(directory)
    postgres.free_port = lambda: int(port)
    # Seen in this mount namespace only.
    here = os.path.join(directory, "exe")
    os.mkdir(here)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", here], check=True)
    program = os.path.join(here, "mirror-proxy")
    subprocess.run(["cp", mirror_proxy.BINARY, program], check=True)
    mirror_proxy.BINARY = program
    proxy_keys = {"comm": {"comm": "mirror-proxy"}, "exe": {"exe": program}}[select]
    with harness.Server(directory, "server") as server:
        server.query("CREATE DATABASE twin")
        pair = [(server.address, name) for name in ("app", "twin")]
        with harness.Observer(directory, [harness.cluster(*pair)], proxy=proxy_keys, port=int(listen_port), pin=pin) as observer, \
                harness.MirrorProxy(directory, server, server, listen=f"127.0.0.1:{proxy_port}",
                                    mirror_database="twin") as proxy:
            serve(proxy, observer)


main(*sys.argv[1:])
