//! The product end to end: real processes, database files, QUIC on loopback.

mod commands;
mod two_nodes;

use treaty_tests::Lab;

/// The schema that these tests share unless they bring their own: members who write notes.
const NOTES: &str = include_str!("../../../schema-examples/notes/schema.sql");

/// A directory with `notes.sql` in it, for nodes that run the program as built.
fn lab() -> Lab {
    let lab = Lab::new(env!("CARGO_BIN_EXE_treaty-under-test"));
    lab.write("notes.sql", NOTES);
    lab
}
