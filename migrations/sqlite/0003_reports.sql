-- Which operation of its entry a report is about: a revived change is told again by its report, found here.
ALTER TABLE treaty_rollbacks ADD COLUMN tx INTEGER;   -- index of the co-transaction in the entry; NULL: refused
ALTER TABLE treaty_rollbacks ADD COLUMN step INTEGER; -- index of the operation in the co-transaction; NULL: refused
CREATE INDEX treaty_rollbacks_operation ON treaty_rollbacks (entry, tx, step) WHERE reinstated IS NULL;
CREATE INDEX treaty_rollbacks_row ON treaty_rollbacks (table_name, row_id) WHERE reinstated IS NULL;
