# SPDX-License-Identifier: MIT
"""pgpool-II talks TLS to both servers: everything is counted as over plain connections, by the servers' own counts.

The tests of the plain connections run over TLS as well: `MO_TEST_TLS=TLSv1.3 pytest ...`."""

import pytest

import harness
from harness import pgbench
from conftest import cannot_run
from test_pgpool import assert_counts_agree, requests, statements

VERSIONS = ("TLSv1.3", "TLSv1.2")


@pytest.fixture(scope="module", params=VERSIONS)
def stand(request):
    why = cannot_run()
    if why:
        pytest.skip(why)
    with harness.Stand("mo-tls", children=8, scale=1, tls=request.param) as it:
        yield it
    assert harness.leftovers(it.directory) == []


def versions_of(stand):
    """{TLS version: connections} of pgpool-II, as the servers tell."""
    rows = stand.mirror.query("SELECT s.version, count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)"
                              " WHERE a.datname = 'app' AND a.application_name <> 'truth' GROUP BY 1", database="postgres")
    return dict(rows)


@pytest.mark.parametrize("mode", ("simple", "prepared"))
def test_statements_over_tls_equal_the_servers_own_counts(stand, observe, mode):
    observer = observe()
    pgbench(stand.pgpool, mode=mode, clients=4, transactions=100)
    assert list(versions_of(stand)) == [stand.tls]
    metrics = assert_counts_agree(stand, observer)
    assert statements(metrics, "mirror") > 4 * 100 * 3
    assert requests(metrics, "failure") == requests(metrics, "unknown") == 0
    assert metrics.sum("pgdog_mirror_connections", state="encrypted") == 0
