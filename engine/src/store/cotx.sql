-- Verdicts, format 2. A co-transaction is (pos, tx): its entry's position and its index there. An operation is (pos, at) as in
-- relation.sql. Everything here can be worked out anew from the log, but for the numbers of flips, which are this store's.

-- The co-transactions that are void now, and why.
CREATE TABLE cotx_void(
  pos         INTEGER NOT NULL,
  tx          INTEGER NOT NULL,
  reason      INTEGER NOT NULL, -- cotx::VoidReason
  operation   INTEGER NOT NULL, -- whose condition is false
  culprit_pos INTEGER,
  culprit_tx  INTEGER,
  row_pos     INTEGER,          -- the row that the condition is about
  row_at      INTEGER,
  part        INTEGER NOT NULL, -- index of the foreign key or UNIQUE key
  PRIMARY KEY(pos, tx)
) WITHOUT ROWID;

-- Every change of a verdict, in order; an entry that was void when it came has one, too. A reason stands for void, NULL for live.
CREATE TABLE cotx_flip(
  no          INTEGER PRIMARY KEY,
  pos         INTEGER NOT NULL,
  tx          INTEGER NOT NULL,
  reason      INTEGER,
  operation   INTEGER,
  culprit_pos INTEGER,
  culprit_tx  INTEGER,
  row_pos     INTEGER,
  row_at      INTEGER,
  part        INTEGER
);
CREATE INDEX cotx_flip_of ON cotx_flip(pos, tx, no);

-- Entries whose permission rests on a row, by that row.
CREATE TABLE cotx_reader(
  row_pos INTEGER NOT NULL,
  row_at  INTEGER NOT NULL,
  pos     INTEGER NOT NULL,
  PRIMARY KEY(row_pos, row_at, pos)
) WITHOUT ROWID;

-- Dependencies between concurrent entries, summed up by pairs of chains: of the entries of the source chain up to `source`, one
-- depends on `target`, and none on a later entry of the target chain. Both grow from row to row.
CREATE TABLE cotx_edge(
  source_chain INTEGER NOT NULL,
  target_chain INTEGER NOT NULL,
  source       INTEGER NOT NULL,
  target       INTEGER NOT NULL,
  PRIMARY KEY(source_chain, target_chain, source)
) WITHOUT ROWID;

-- The row that makes a co-transaction as senior as it was in its own past, NULL for none; holds for the later ones of the
-- entry up to the next row.
CREATE TABLE cotx_seniority(
  pos     INTEGER NOT NULL,
  tx      INTEGER NOT NULL,
  row_pos INTEGER,
  row_at  INTEGER,
  PRIMARY KEY(pos, tx)
) WITHOUT ROWID;

-- Co-transactions that depend on each other in a ring, by group.
CREATE TABLE cotx_dispute(
  pos INTEGER NOT NULL,
  tx  INTEGER NOT NULL,
  grp INTEGER NOT NULL,
  PRIMARY KEY(pos, tx)
) WITHOUT ROWID;
CREATE INDEX cotx_dispute_by_group ON cotx_dispute(grp);

-- What the members of a group depend on, directly or not, as far as it matters when they are decided.
CREATE TABLE cotx_dispute_region(
  pos INTEGER NOT NULL,
  tx  INTEGER NOT NULL,
  grp INTEGER NOT NULL,
  PRIMARY KEY(pos, tx, grp)
) WITHOUT ROWID;
CREATE INDEX cotx_dispute_region_by_group ON cotx_dispute_region(grp);

-- What a group takes as given: the entries up to `last` of each chain. Anything that hits one of them may unsettle the group.
CREATE TABLE cotx_dispute_ground(
  grp   INTEGER NOT NULL,
  chain INTEGER NOT NULL,
  last  INTEGER NOT NULL,
  PRIMARY KEY(grp, chain)
) WITHOUT ROWID;
CREATE INDEX cotx_dispute_ground_by_chain ON cotx_dispute_ground(chain, last);
