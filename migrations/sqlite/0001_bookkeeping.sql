-- Bookkeeping of the sidecar in an application's SQLite database. Run once, in order, inside the installing transaction.
-- Built-in SQL of SQLite 3.32 and later only: a function that the application's library lacks would fail its writes.

-- Rows that were written here and are not in the log yet: keys only, in the order of the statements.
-- Filled by triggers with plain INSERTs (an outer OR IGNORE or OR REPLACE overrides any other form, and here there is
-- nothing to conflict with). Emptied by the sidecar, all but the last line, which it turns into a mark: so no number is
-- used twice. (AUTOINCREMENT would promise the same, at a third of the speed of transactions of one row.)
CREATE TABLE treaty_queue (
  seq        INTEGER PRIMARY KEY,
  table_name TEXT,                               -- NULL: a mark, a transaction starts here
  row_id,                                        -- the row's id exactly as it was written
  at         INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))  -- milliseconds
);

-- What this database is and what its tables show. One row.
CREATE TABLE treaty_state (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  space    TEXT NOT NULL,     -- id of the space
  identity TEXT NOT NULL,     -- the node's default identity: the author of rows that name none
  instance TEXT NOT NULL,     -- random; the data directory holds the same
  schema   TEXT NOT NULL,     -- the schema version that the triggers are made for
  shown    TEXT NOT NULL      -- the version that the tables show: entry ids, sorted, separated by spaces
);

-- INSERT INTO treaty_tx DEFAULT VALUES, as the first statement of a transaction, marks its start.
CREATE TABLE treaty_tx (mark INTEGER PRIMARY KEY);
CREATE TRIGGER treaty_tx_mark AFTER INSERT ON treaty_tx BEGIN
  INSERT INTO treaty_queue (table_name) VALUES (NULL);
  DELETE FROM treaty_tx;
END;

-- Holds a row while, and only while, the sidecar writes (in its own transaction): triggers then do nothing.
CREATE TABLE treaty_applying (one INTEGER PRIMARY KEY CHECK (one = 1));

-- The row whose author the application named last, by writing treaty_author. Only early warnings of policies read it.
CREATE TABLE treaty_named (one INTEGER PRIMARY KEY CHECK (one = 1), table_name TEXT, row_id);

-- Rows that are in the log but not in their tables, because an earlier claim of a unique key stands against them.
CREATE TABLE treaty_withheld (
  table_name TEXT NOT NULL,
  row_id     TEXT NOT NULL,
  winner     TEXT NOT NULL,   -- id of the row that holds the key
  report     INTEGER NOT NULL,  -- its cursor in treaty_rollbacks
  PRIMARY KEY (table_name, row_id)
);

-- What was rolled back, one line per operation. For applications to read; never written by them. What is revived gets a
-- second line, with the same words and a new cursor; both have `reinstated` then. What stands: WHERE reinstated IS NULL.
CREATE TABLE treaty_rollbacks (
  cursor     INTEGER PRIMARY KEY AUTOINCREMENT,
  entry      TEXT,            -- NULL: refused before it entered the log
  table_name TEXT NOT NULL,
  row_id     TEXT NOT NULL,
  operation  TEXT NOT NULL,   -- 'insert', 'update', 'delete'
  author     TEXT NOT NULL,
  lost       TEXT NOT NULL,   -- JSON: the values that were lost, by column
  reason     TEXT NOT NULL,   -- a stable code
  message    TEXT NOT NULL,   -- a sentence for a person
  culprit    TEXT,            -- the entry that caused it
  noticed    TEXT NOT NULL,   -- UTC
  reinstated TEXT             -- UTC, if it was revived since
);
