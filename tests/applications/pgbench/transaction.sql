\set aid random(100000000001, 100000002000)
\set bid random(100000000001, 100000000002)
\set tid random(100000000001, 100000000020)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE id = ('aaaaaaaa-0000-4000-8000-' || :aid)::uuid;
SELECT abalance FROM pgbench_accounts WHERE id = ('aaaaaaaa-0000-4000-8000-' || :aid)::uuid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE id = ('eeeeeeee-0000-4000-8000-' || :tid)::uuid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE id = ('bbbbbbbb-0000-4000-8000-' || :bid)::uuid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime)
  VALUES (('eeeeeeee-0000-4000-8000-' || :tid)::uuid, ('bbbbbbbb-0000-4000-8000-' || :bid)::uuid,
          ('aaaaaaaa-0000-4000-8000-' || :aid)::uuid, :delta, CURRENT_TIMESTAMP);
END;
