-- Relation's tables, format 2. An operation is (pos, at): its entry's position, and transaction << 20 | operation.
-- A row is the operation that inserted it. Values are not here but in the payloads, at offset, bytes long.

CREATE TABLE row_insert(
  pos    INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  tbl    INTEGER NOT NULL, -- index of the table in the schema
  id     BLOB    NOT NULL,
  offset INTEGER NOT NULL,
  bytes  INTEGER NOT NULL,
  marks  INTEGER NOT NULL, -- relation::Marks
  PRIMARY KEY(pos, at)
) WITHOUT ROWID;
CREATE INDEX row_by_id ON row_insert(tbl, id);

-- The ids of rows with twins when those may not be shown under their own.
CREATE TABLE row_derived_id(
  tbl INTEGER NOT NULL,
  id  BLOB    NOT NULL,
  pos INTEGER NOT NULL,
  at  INTEGER NOT NULL,
  PRIMARY KEY(tbl, id, pos, at)
) WITHOUT ROWID;

-- Updates of column groups, the greatest position first.
CREATE TABLE row_update(
  row_pos INTEGER NOT NULL,
  row_at  INTEGER NOT NULL,
  grp     INTEGER NOT NULL,
  height  INTEGER NOT NULL,
  prefix  INTEGER NOT NULL, -- the first 8 bytes of the entry's id, less 2^63 so that signed order is theirs
  pos     INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  offset  INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  PRIMARY KEY(row_pos, row_at, grp, height DESC, prefix DESC, pos, at)
) WITHOUT ROWID;

CREATE TABLE row_delete(
  row_pos INTEGER NOT NULL,
  row_at  INTEGER NOT NULL,
  pos     INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  PRIMARY KEY(row_pos, row_at, pos, at)
) WITHOUT ROWID;

-- Claims of UNIQUE keys, by the hash of constraint and key. A claim is closed at the height of an entry that releases it:
-- whoever sees all entries of that height need not look at it. Open ones have the greatest number.
CREATE TABLE row_claim(
  key     BLOB    NOT NULL,
  closed  INTEGER NOT NULL,
  row_pos INTEGER NOT NULL,
  row_at  INTEGER NOT NULL,
  pos     INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  PRIMARY KEY(key, closed, row_pos, row_at, pos, at)
) WITHOUT ROWID;

-- References by foreign keys, by the row referred to, then the operation that wrote them: those concurrent with an entry are ranges.
CREATE TABLE row_reference(
  target_pos  INTEGER NOT NULL,
  target_at   INTEGER NOT NULL,
  row_pos     INTEGER NOT NULL,
  row_at      INTEGER NOT NULL,
  tbl         INTEGER NOT NULL, -- of the row that refers
  foreign_key INTEGER NOT NULL, -- index in that table
  pos         INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  PRIMARY KEY(target_pos, target_at, pos, at, row_pos, row_at, tbl, foreign_key)
) WITHOUT ROWID;

-- Rows that policies look up, by the hash of columns and values; closed at the height of an entry that deletes the row. By the
-- position of the row: the most senior comes first.
CREATE TABLE row_guard(
  key    BLOB    NOT NULL,
  closed INTEGER NOT NULL,
  height INTEGER NOT NULL,
  prefix INTEGER NOT NULL, -- as in row_update
  pos    INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY(key, closed, height, prefix, pos, at)
) WITHOUT ROWID;
