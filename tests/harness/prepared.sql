-- SPDX-License-Identifier: MIT
-- pgbench's own transaction without BEGIN and END: PostgreSQL 15's pg_stat_statements counts a utility statement that
-- runs from the same prepared statement again only once, so it would be no truth for those two.
\set aid random(1, 100000)
\set tid random(1, 10)
\set delta random(-5000, 5000)
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, 1, :aid, :delta, CURRENT_TIMESTAMP);
