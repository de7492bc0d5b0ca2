-- What the tables show is a version and the verdicts on it: the number of the last change of a verdict that they follow.
ALTER TABLE treaty_state ADD COLUMN basis INTEGER NOT NULL DEFAULT 0;
-- The last of these files that was run here.
ALTER TABLE treaty_state ADD COLUMN migration INTEGER NOT NULL DEFAULT 2;
