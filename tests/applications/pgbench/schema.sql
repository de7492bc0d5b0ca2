-- The tables of pgbench's own workload, with keys that are handed out by nobody.
CREATE TABLE pgbench_branches (id UUID PRIMARY KEY, bbalance INTEGER NOT NULL);
CREATE TABLE pgbench_tellers (id UUID PRIMARY KEY, bid UUID NOT NULL REFERENCES pgbench_branches (id), tbalance INTEGER NOT NULL);
CREATE TABLE pgbench_accounts (id UUID PRIMARY KEY, bid UUID NOT NULL REFERENCES pgbench_branches (id), abalance INTEGER NOT NULL);
CREATE TABLE pgbench_history (
  id    UUID PRIMARY KEY,
  tid   UUID NOT NULL REFERENCES pgbench_tellers (id),
  bid   UUID NOT NULL REFERENCES pgbench_branches (id),
  aid   UUID NOT NULL REFERENCES pgbench_accounts (id),
  delta INTEGER NOT NULL,
  mtime TIMESTAMP NOT NULL
);
CREATE POLICY branches_come   ON pgbench_branches FOR INSERT WITH CHECK (true);
CREATE POLICY branches_change ON pgbench_branches FOR UPDATE USING (true);
CREATE POLICY branches_go     ON pgbench_branches FOR DELETE USING (true);
CREATE POLICY tellers_come   ON pgbench_tellers FOR INSERT WITH CHECK (true);
CREATE POLICY tellers_change ON pgbench_tellers FOR UPDATE USING (true);
CREATE POLICY tellers_go     ON pgbench_tellers FOR DELETE USING (true);
CREATE POLICY accounts_come   ON pgbench_accounts FOR INSERT WITH CHECK (true);
CREATE POLICY accounts_change ON pgbench_accounts FOR UPDATE USING (true);
CREATE POLICY accounts_go     ON pgbench_accounts FOR DELETE USING (true);
CREATE POLICY history_come   ON pgbench_history FOR INSERT WITH CHECK (true);
CREATE POLICY history_change ON pgbench_history FOR UPDATE USING (true);
CREATE POLICY history_go     ON pgbench_history FOR DELETE USING (true);
CREATE POLICY banks_sync ON treaty_peers FOR SELECT USING (true);
