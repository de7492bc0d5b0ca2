-- The log's tables, format 1. Places are chain << 36 | sequence; ids are 32 bytes.

-- Headers are rebuilt from these rows; space and format version are those of the store.
CREATE TABLE entry(
  pos           INTEGER PRIMARY KEY,
  id            BLOB    NOT NULL,
  height        INTEGER NOT NULL,
  author        INTEGER NOT NULL, -- author.no
  time_ms       INTEGER NOT NULL,
  parents       BLOB    NOT NULL, -- places, 8 bytes each, in the order of the header
  payload_hash  BLOB    NOT NULL,
  payload_bytes INTEGER NOT NULL,
  signature     BLOB    NOT NULL
);

-- Entries by the first 8 bytes of their ids, as a signed number. Different entries may share them.
CREATE TABLE entry_by_prefix(
  prefix INTEGER NOT NULL,
  pos    INTEGER NOT NULL,
  PRIMARY KEY(prefix, pos)
) WITHOUT ROWID;

CREATE TABLE author(
  no  INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE -- suite byte and key
);

-- The first segment of each payload; then the others, if any.
CREATE TABLE payload(
  pos   INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
);
CREATE TABLE payload_rest(
  pos     INTEGER NOT NULL,
  segment INTEGER NOT NULL, -- from 1
  bytes   BLOB    NOT NULL,
  UNIQUE(pos, segment)
);

-- Entries whose parents are not all here, in order of arrival.
CREATE TABLE parked(
  no      INTEGER PRIMARY KEY,
  id      BLOB    NOT NULL UNIQUE,
  author  BLOB    NOT NULL, -- suite byte and key
  size    INTEGER NOT NULL, -- bytes of header and payload
  header  BLOB    NOT NULL, -- header and signature, as sent
  payload BLOB    NOT NULL
);
CREATE INDEX parked_by_author ON parked(author, no, id, size);

CREATE TABLE parked_wait(
  parent BLOB NOT NULL,
  child  BLOB NOT NULL,
  PRIMARY KEY(parent, child)
) WITHOUT ROWID;
CREATE INDEX parked_wait_by_child ON parked_wait(child);

-- Ids that were refused, in order; the oldest are forgotten.
CREATE TABLE refused(
  no INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE
);
