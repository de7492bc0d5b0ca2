-- Scale 2, with a hundredth of pgbench's accounts. A key ends in the row's number, so that the script can name it.
INSERT INTO pgbench_branches (id, bbalance)
  SELECT ('bbbbbbbb-0000-4000-8000-' || 100000000000 + n)::uuid, 0 FROM generate_series(1, 2) n;
INSERT INTO pgbench_tellers (id, bid, tbalance)
  SELECT ('eeeeeeee-0000-4000-8000-' || 100000000000 + n)::uuid,
         ('bbbbbbbb-0000-4000-8000-' || 100000000001 + (n - 1) / 10)::uuid, 0
  FROM generate_series(1, 20) n;
INSERT INTO pgbench_accounts (id, bid, abalance)
  SELECT ('aaaaaaaa-0000-4000-8000-' || 100000000000 + n)::uuid,
         ('bbbbbbbb-0000-4000-8000-' || 100000000001 + (n - 1) / 1000)::uuid, 0
  FROM generate_series(1, 2000) n;
