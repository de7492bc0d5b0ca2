-- Causality's table, format 1: the encoded clock of each entry (see causality/clock.rs).
CREATE TABLE clock(
  pos   INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
);
