# SPDX-License-Identifier: MIT
"""The proxy's client connections, counted from its open files by a process without privileges."""

import socket

import psycopg
import pytest

from harness import MirrorProxy, cluster, wait_for


@pytest.fixture
def proxy(stand):
    with MirrorProxy(stand.directory, stand.primary, stand.mirror, name="counted") as it:
        yield it


def counted(observer):
    return observer.metrics().get("mirror_observer_client_connections")


def test_connections_to_a_port_that_the_proxy_listens_on_are_its_clients_and_those_to_its_servers_are_not(
        stand, observe, proxy):
    observer = observe(fresh=False, proxy={"pid": proxy.process.pid})
    clients = [psycopg.connect(host=proxy.host, port=proxy.port, dbname="app", user="postgres",
                               autocommit=True) for _ in range(3)]
    silent = [socket.create_connection((proxy.host, proxy.port)) for _ in range(2)]
    wait_for(lambda: counted(observer) == 5, "five clients to be counted")
    clients[0].execute("SELECT 1")
    assert proxy.settled()["connections"] > 0  # to the mirror; none of them counts
    wait_for(lambda: counted(observer) == 5, "five clients to be counted still")
    for client in clients + silent:
        client.close()
    wait_for(lambda: counted(observer) == 0, "no client to be counted")


def test_connections_of_a_unix_domain_socket_named_as_postgresql_does_are_clients(stand, observe):
    stand.pgpool.stop()
    clusters = [cluster(("192.0.2.1:5432", "app"), ("192.0.2.2:5432", "app"))]
    observer = observe(clusters, fresh=False, proxy={"pid": stand.primary.process.pid})
    clients = [psycopg.connect(host=stand.primary.directory, port=stand.primary.port, dbname="app", user="postgres")
               for _ in range(3)]
    wait_for(lambda: counted(observer) == 3, "three clients to be counted")
    for client in clients:
        client.close()
    wait_for(lambda: counted(observer) == 0, "no client to be counted")
