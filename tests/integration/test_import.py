# SPDX-License-Identifier: MIT
"""`import`: the proxies' own configuration files, written anew in the shape of their documentation, become an observer.yaml."""
import subprocess

import pytest
import yaml
from harness.observer import BINARY

PGDOG = """
[general]
host = "0.0.0.0"
port = 6432
mirror_queue = 64
mirror_exposure = 0.5

[[databases]]
name = "prod"
host = "10.0.0.1"
role = "primary"

[[databases]]
name = "prod"
host = "10.0.0.2"
role = "replica"

[[databases]]
name = "staging"
host = "10.0.2.25"
port = 5433
database_name = "prod_copy"

[[databases]]
name = "sharded"
host = "10.0.3.1"
database_name = "shard_0"
shard = 0

[[databases]]
name = "sharded"
host = "10.0.3.2"
database_name = "shard_1"
shard = 1

[[mirroring]]
source_db = "prod"
destination_db = "staging"
queue_length = 256
exposure = 0.25
level = "dml"

[[mirroring]]
source_db = "prod"
destination_db = "sharded"
fresh_key = true

[admin]
password = "secret"
"""

USERS = """
[[users]]
name = "alice"
database = "prod"
password = "secret"

[[users]]
name = "alice"
database = "staging"
password = "secret"

[[users]]
name = "bob"
database = "sharded"
password = "secret"
"""

PGCAT = """
[general]
host = "0.0.0.0"
port = 6432
admin_username = "admin"
admin_password = "secret"

[pools.shop]
pool_mode = "transaction"

[pools.shop.users.0]
username = "shop"
password = "secret"
pool_size = 10

[pools.shop.shards.0]
database = "shop"
servers = [["10.0.0.1", 5432, "primary"], ["10.0.0.2", 5432, "replica"]]
mirrors = [["10.0.2.25", 5432, 0], ["10.0.2.26", 5432, 1], ["10.0.2.27", 5432, 7]]

[pools.shop.shards.1]
database = "shop_1"
servers = [["fd00::1", 5432, "primary"]]
mirrors = [["fd00::2", 5432, 0]]
weather = "fine"
"""

PGPOOL = """
# pgpool.conf
backend_clustering_mode = 'native_replication'
listen_addresses = '*'
port = 9999
backend_hostname0 = 'db1.example.com'
backend_port0 = 5432
backend_weight0 = 1          # as it comes
backend_hostname1 = '/run/postgresql'
backend_port1 = 5433
replicate_select = off
load_balance_mode = off
"""


@pytest.fixture
def imported(tmp_path):
    """imported({name: text}): exit status, the configuration, standard output, standard error."""
    def run(files):
        paths = []
        for name, text in files.items():
            (tmp_path / name).write_text(text)
            paths.append(str(tmp_path / name))
        done = subprocess.run([BINARY, "import", *paths], check=False, capture_output=True, text=True)
        if done.returncode == 0:
            (tmp_path / "observer.yaml").write_text(done.stdout + "mirror_metrics_enabled: false\n")
            checked = subprocess.run([BINARY, "--check", "--config", str(tmp_path / "observer.yaml")], check=False,
                                     capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr
        assert "secret" not in done.stdout + done.stderr
        return done.returncode, yaml.safe_load(done.stdout) if done.returncode == 0 else None, done.stdout, done.stderr
    return run


def test_pgdog_with_queue_exposure_level_replicas_and_shards(imported):
    status, config, _, said = imported({"pgdog.toml": PGDOG, "users.toml": USERS})
    assert status == 0
    assert config["proxy"] == {"comm": "pgdog"}
    first, second = config["clusters"]
    assert first == {"name": "prod_staging", "exposure": 0.25, "queue_limit": 256, "level": "dml",
                     "primary": {"address": ["10.0.0.1:5432", "10.0.0.2:5432"], "database": "prod"},
                     "mirror": {"address": "10.0.2.25:5433", "database": "prod_copy"}}
    assert second["mirror"] == {"address": ["10.0.3.1:5432", "10.0.3.2:5432"]}
    assert (second["exposure"], second["queue_limit"]) == (0.5, 64)
    assert "level" not in second
    line = PGDOG.splitlines().index("fresh_key = true") + 1
    assert f"pgdog.toml:{line}: [[mirroring]]: `fresh_key` is not known here" in said
    assert "the users of 'prod' and 'sharded' differ (alice, bob): PgDog does not mirror then" in said


def test_pgcat_with_mirrors_of_each_shard(imported):
    status, config, output, said = imported({"pgcat.toml": PGCAT})
    assert status == 0
    assert [(c["primary"], c["mirror"]) for c in config["clusters"]] == [
        ({"address": "10.0.0.1:5432", "database": "shop"}, {"address": "10.0.2.25:5432", "database": "shop"}),
        ({"address": "10.0.0.2:5432", "database": "shop"}, {"address": "10.0.2.26:5432", "database": "shop"}),
        ({"address": "[fd00::1]:5432", "database": "shop_1"}, {"address": "[fd00::2]:5432", "database": "shop_1"})]
    assert "there is no server 7, counted from 0" in said
    line = PGCAT.splitlines().index('weather = "fine"') + 1
    assert f"pgcat.toml:{line}: [pools.shop.shards.1]: `weather` is not known here" in said
    assert "weather" in output  # in the file too


def test_pgpool_in_native_replication(imported):
    status, config, _, said = imported({"pgpool.conf": PGPOOL})
    assert status == 0
    assert config["proxy"] == {"comm": "pgpool"}
    assert config["clusters"] == [{"name": "backend1", "primary": {"address": "db1.example.com:5432"},
                                   "mirror": {"address": "unix:/run/postgresql/.s.PGSQL.5433"}}]
    line = PGPOOL.splitlines().index("replicate_select = off") + 1
    assert f"pgpool.conf:{line}: replicate_select is off" in said


@pytest.mark.parametrize("name, text, status, sentence", [
    ("pgpool.conf", PGPOOL.replace("native_replication", "streaming_replication"), 1, "nothing is mirrored"),
    ("pgdog.toml", PGDOG.split("[[mirroring]]", maxsplit=1)[0], 1, "nothing is mirrored by this configuration"),
    ("pgdog.toml", PGDOG.replace('destination_db = "staging"', 'destination_db = "stagin"'), 2, "no [[databases]] is named 'stagin'"),
    ("pgdog.toml", "[[databases]]\nname = = 1\n", 2, "pgdog.toml: Invalid value (at line 2, column 8)"),
    ("other.toml", "[package]\nname = 'x'\n", 2, "is neither a pgdog.toml, users.toml, pgcat.toml nor pgpool.conf"),
    ("pgpool.conf", "backend_hostname0 = 'a'\nwhat is this\n", 2, "pgpool.conf:2: this is no `name = value`"),
], ids=["pgpool without replication", "PgDog without mirroring", "unknown database", "no TOML", "another file", "no setting"])
def test_what_cannot_be_imported_says_why(imported, name, text, status, sentence):
    code, _, output, said = imported({name: text})
    assert code == status, said
    assert sentence in said
    assert not output


def test_a_file_that_is_not_there_and_none_at_all():
    done = subprocess.run([BINARY, "import", "/nonexistent.toml"], check=False, capture_output=True, text=True)
    assert done.returncode == 2 and "/nonexistent.toml: No such file or directory" in done.stderr
    assert subprocess.run([BINARY, "import"], check=False, capture_output=True).returncode == 2
