-- What the tables show is a version and the verdicts on it: the number of the last change of a verdict that they follow.
ALTER TABLE treaty.state ADD COLUMN basis bigint NOT NULL DEFAULT 0;
-- The last of these files that was run here.
ALTER TABLE treaty.state ADD COLUMN migration bigint NOT NULL DEFAULT 2;

-- Which operation of its entry a report is about: a revived change is told again by its report, found here.
ALTER TABLE treaty.rollbacks ADD COLUMN tx bigint;    -- index of the co-transaction in the entry; NULL: refused
ALTER TABLE treaty.rollbacks ADD COLUMN step bigint;  -- index of the operation in the co-transaction; NULL: refused
CREATE INDEX rollbacks_operation ON treaty.rollbacks (entry, tx, step) WHERE reinstated IS NULL;
CREATE INDEX rollbacks_row ON treaty.rollbacks (table_name, row_id) WHERE reinstated IS NULL;
CREATE OR REPLACE VIEW public.treaty_rollbacks AS SELECT * FROM treaty.rollbacks;
