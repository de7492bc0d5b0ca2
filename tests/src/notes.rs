//! The row that benchmarks write: about 280 bytes with its UUID key, in a table that any member may write.

use rusqlite::{Connection, params};

/// A schema with the benchmark's table; who may write it is open, as in the anchors it is compared with.
pub const NOTES_SCHEMA: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL);
REVOKE UPDATE (who) ON members FROM PUBLIC;
CREATE POLICY members_appoint ON members FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE notes (
  id         UUID PRIMARY KEY,
  writer     TEXT NOT NULL,
  title      TEXT NOT NULL,
  body       TEXT NOT NULL,
  stars      INTEGER NOT NULL DEFAULT 0,
  updated_at BIGINT NOT NULL
);
CREATE POLICY anyone_writes  ON notes FOR INSERT WITH CHECK (true);
CREATE POLICY anyone_edits   ON notes FOR UPDATE USING (true);
CREATE POLICY anyone_removes ON notes FOR DELETE USING (true);
CREATE POLICY members_sync   ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
INSERT INTO members (who) VALUES (author());
";

/// The same table as an application without Treaty would make it: the baseline.
pub const NOTES_RAW: &str =
    "CREATE TABLE notes (id TEXT PRIMARY KEY, writer TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
  stars INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL)";

/// The key of the numbered row: a version 4 UUID, spread over the key space by a fixed permutation.
pub fn note_id(number: u32) -> String {
    let mut mixed = u64::from(number).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        mixed >> 32,
        mixed >> 16 & 0xffff,
        mixed >> 4 & 0xfff,
        mixed & 0xfff,
        number
    )
}

/// The title and the body of the numbered row.
pub fn note_text(number: u32) -> (String, String) {
    (format!("note number {number}"), format!("{number} ").repeat(190 / (number.to_string().len() + 1)))
}

/// Inserts the rows of `numbers` in one transaction.
pub fn insert_notes(connection: &Connection, numbers: std::ops::Range<u32>) {
    connection.execute_batch("BEGIN IMMEDIATE").expect("the writer waits for the lock");
    let mut insert = connection
        .prepare_cached(
            "INSERT INTO notes (id, writer, title, body, stars, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .expect("the table is there");
    for number in numbers {
        let (title, body) = note_text(number);
        insert
            .execute(params![note_id(number), "somebody", title, body, number % 5, i64::from(number)])
            .expect("a new key");
    }
    connection.execute_batch("COMMIT").expect("nothing forbids it");
}

/// Updates the rows of `numbers` in one transaction.
pub fn update_notes(connection: &Connection, numbers: std::ops::Range<u32>) {
    connection.execute_batch("BEGIN IMMEDIATE").expect("the writer waits for the lock");
    let mut update = connection
        .prepare_cached("UPDATE notes SET stars = stars + 1, updated_at = updated_at + 1 WHERE id = ?1")
        .expect("the table is there");
    for number in numbers {
        update.execute([note_id(number)]).expect("the row is there");
    }
    connection.execute_batch("COMMIT").expect("nothing forbids it");
}
