-- Small facts of whoever holds the store, written with the entries that they go with.
CREATE TABLE note(
  key   TEXT PRIMARY KEY,
  bytes BLOB NOT NULL
) WITHOUT ROWID;
