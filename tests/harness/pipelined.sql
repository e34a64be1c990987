-- SPDX-License-Identifier: MIT
-- Three statements in flight at once, by libpq's pipeline mode.
\set aid random(1, 10000)
\set delta random(-5000, 5000)
\startpipeline
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :aid, :delta, '2026-01-01');
\endpipeline
