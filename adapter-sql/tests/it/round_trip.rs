//! Values go from PostgreSQL to SQLite and back, and are bit for bit what they were.

use std::fmt::Write;

use proptest::prelude::*;
use treaty_schema::{LogicalType, Value};
use treaty_testkit::drawn_value;

use crate::both::{Databases, over};
use crate::node::{TestNode, id, sync};

/// Columns of every type.
const COLUMNS: [(&str, &str, LogicalType); 17] = [
    ("bo", "BOOLEAN", LogicalType::Boolean),
    ("i", "INTEGER", LogicalType::Integer),
    ("bi", "BIGINT", LogicalType::BigInt),
    ("d", "DOUBLE PRECISION", LogicalType::Double),
    ("n", "NUMERIC(38,0)", LogicalType::Numeric { precision: 38, scale: 0 }),
    ("m", "NUMERIC(38,38)", LogicalType::Numeric { precision: 38, scale: 38 }),
    ("p", "NUMERIC(9,2)", LogicalType::Numeric { precision: 9, scale: 2 }),
    ("t", "TEXT", LogicalType::Text),
    ("v", "VARCHAR(5)", LogicalType::Varchar { chars_max: 5 }),
    ("b", "BYTEA", LogicalType::Bytes),
    ("u", "UUID", LogicalType::Uuid),
    ("da", "DATE", LogicalType::Date),
    ("ti", "TIME", LogicalType::Time),
    ("ts", "TIMESTAMP", LogicalType::Timestamp),
    ("tz", "TIMESTAMPTZ", LogicalType::TimestampTz),
    ("j", "JSONB", LogicalType::Json),
    ("au", "IDENTITY", LogicalType::Identity),
];

fn schema() -> String {
    let columns: String = COLUMNS.iter().fold(String::new(), |mut text, (name, declared, _)| {
        write!(text, ", {name} {declared}").unwrap();
        text
    });
    format!(
        "CREATE TABLE every (id UUID PRIMARY KEY{columns});
         CREATE POLICY a ON every FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON treaty_peers FOR SELECT USING (true);"
    )
}

fn names() -> String {
    COLUMNS.map(|(name, ..)| name).join(", ")
}

/// A value as PostgreSQL's SQL.
fn literal(cell: Option<&Value>) -> String {
    let Some(value) = cell else { return "NULL".to_owned() };
    // In digits, so that no character of it means anything to anybody on the way.
    format!("convert_from('\\x{}', 'UTF8')", hex(value.to_text().as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn rows() -> impl Strategy<Value = Vec<Vec<Option<Value>>>> {
    let cells: Vec<_> =
        COLUMNS.iter().map(|(.., logical_type)| proptest::option::weighted(0.9, drawn_value(*logical_type))).collect();
    proptest::collection::vec(cells, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn from_a_server_to_a_file_and_back(rows in rows()) {
        over(Databases::Mixed, || {
            let mut file = TestNode::found(&schema());
            let mut server = TestNode::join(&file, 2);
            for (number, cells) in (1..).zip(&rows) {
                let values = cells.iter().zip(&COLUMNS).map(|(cell, (_, declared, _))| {
                    let declared = if *declared == "IDENTITY" { "TEXT" } else { declared };
                    format!("{}::{declared}", literal(cell.as_ref()))
                });
                let values = values.collect::<Vec<_>>().join(", ");
                server.run(&format!("INSERT INTO every (id, {}) VALUES ('{}', {values})", names(), id(number)));
            }
            sync(&mut file, &mut server);
            prop_assert_eq!(server.ask("SELECT count(*) FROM treaty_rollbacks"), "0");
            prop_assert_eq!(file.ask("SELECT count(*) FROM every WHERE treaty_status = 'committed'"), rows.len().to_string());
            prop_assert_eq!(file.audit(), 0);
            let shift = "substr(id, 1, 24) || '9' || substr(id, 26)";
            file.run(&format!("INSERT INTO every (id, {0}) SELECT {shift}, {0} FROM every", names()));
            sync(&mut file, &mut server);
            let cells = COLUMNS.map(|(name, ..)| format!("a.{name}")).join(", ");
            // *= compares what is stored, byte by byte.
            let same = format!(
                "SELECT count(*) FROM every a JOIN every b ON b.id::text = overlay(a.id::text placing '9' from 25) \
                 WHERE a.id <> b.id AND (SELECT r FROM (SELECT {cells}) r) *= (SELECT r FROM (SELECT {}) r)",
                cells.replace("a.", "b.")
            );
            prop_assert_eq!(server.ask(&same), rows.len().to_string());
            prop_assert_eq!(server.audit() + file.audit(), 0);
            Ok(())
        })?;
    }
}
