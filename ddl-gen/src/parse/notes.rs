//! Notes: what a schema forbids by saying nothing.

use sqlparser::tokenizer::Location;
use treaty_schema::{Command, Schema, Table};

use crate::diagnostic::Mistake;

/// Returns a note for each table and command that no policy permits to anybody.
///
/// * `place` - where a table of that index stands in the text.
pub(super) fn notes(schema: &Schema, place: impl Fn(usize) -> Location) -> Vec<Mistake> {
    let mut notes = Vec::new();
    for (index, table) in schema.tables().iter().enumerate() {
        for (command, word, clause) in COMMANDS {
            if table.policies_for(command).next().is_some() || is_moot(table, command) {
                continue;
            }
            let message = format!("nobody may {word} in {}: it has no policy for that", table.name);
            let help =
                format!("to open it to all, write CREATE POLICY name ON {} FOR {word} {clause} (true);", table.name);
            notes.push(Mistake::new(place(index), message).help(help));
        }
    }
    let start = Location { line: 1, column: 1 };
    if schema.schema_policies().is_empty() {
        let help = "write CREATE POLICY name ON treaty_schema FOR INSERT WITH CHECK (...);";
        notes.push(Mistake::new(start, "nobody may ever change this schema: treaty_schema has no policy").help(help));
    }
    if schema.peer_policies().is_empty() {
        let help = "write CREATE POLICY name ON treaty_peers FOR SELECT USING (...);";
        notes.push(Mistake::new(start, "nobody may sync this space: treaty_peers has no policy").help(help));
    }
    notes
}

const COMMANDS: [(Command, &str, &str); 3] = [
    (Command::Insert, "INSERT", "WITH CHECK"),
    (Command::Update, "UPDATE", "USING"),
    (Command::Delete, "DELETE", "USING"),
];

/// Whether the command can do nothing anyway: an update of a table whose columns never change.
fn is_moot(table: &Table, command: Command) -> bool {
    command == Command::Update && !table.columns.iter().any(|column| column.updatable)
}
