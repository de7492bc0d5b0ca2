//! Schema text that is right: what is read from it. And text that is anything: nothing panics.

use expect_test::expect;
use proptest::prelude::*;
use rusqlite::Connection;
use treaty_ddl::{GenesisCell, parse, sql};
use treaty_schema::{Change, Identity, Suite, Timestamp, Value};

use crate::golden::{example, examples, names};

#[test]
fn unnamed_constraints_are_named_as_postgresql_names_them() {
    let text = "CREATE TABLE t (
      id UUID PRIMARY KEY, a INTEGER CHECK (a > 0) CHECK (a < 9), b INTEGER UNIQUE, c UUID REFERENCES t,
      UNIQUE (a, b), CHECK (a > b), CONSTRAINT given CHECK (b > 0));
      CREATE UNIQUE INDEX ON t (c, b);
      CREATE UNIQUE INDEX by_hand ON t (c) NULLS DISTINCT;";
    let file = parse("s.sql", text).unwrap();
    let table = &file.schema.tables()[0];
    let checks = table.checks.iter().map(|check| check.name.as_str());
    let uniques = table.uniques.iter().map(|unique| unique.name.as_str());
    let keys = table.foreign_keys.iter().map(|key| key.name.as_str());
    let all: Vec<&str> = checks.chain(uniques).chain(keys).collect();
    expect!["t_a_check t_a_check1 t_check given t_b_key t_a_b_key t_c_b_idx by_hand t_c_fkey"]
        .assert_eq(&all.join(" "));
}

#[test]
fn a_derived_name_is_cut_to_what_postgresql_keeps() {
    let long = "a".repeat(40);
    let file = parse("s.sql", &format!("CREATE TABLE {long} (id UUID PRIMARY KEY, {long} INTEGER UNIQUE);")).unwrap();
    let name = file.schema.tables()[0].uniques[0].name.as_str();
    assert_eq!(name, format!("{}_{}_key", "a".repeat(29), "a".repeat(29)));
}

#[test]
fn the_vector_of_the_specification_is_read_as_it_says() {
    let page = std::fs::read_to_string(examples().join("../docs/spec/schema.md")).unwrap();
    let block =
        |fence: &str| page.split(fence).nth(1).and_then(|rest| rest.split("```").next()).unwrap().trim().to_owned();
    let vectors = page.find("## SCHEMA-8").unwrap();
    assert!(page[vectors..].contains("```sql"), "the first SQL of the page is the vector's");
    let file = parse("s.sql", &block("```sql\n")).unwrap();
    assert_eq!(file.schema.version().to_string(), block("```version\n"));
}

#[test]
fn genesis_rows_keep_open_what_only_the_founder_knows() {
    let file = example("notes");
    let row = &file.genesis_rows[0];
    assert_eq!(row.cells[..2], [GenesisCell::RandomUuid, GenesisCell::Author]);
    let founder = Identity { suite: Suite::Ed25519, key: [7; 32] };
    let values = row.resolve(&founder, Timestamp::from_micros(0).unwrap(), &mut || [4; 16]);
    assert_eq!(values[0], Some(Value::Uuid([4; 16])));
    assert_eq!(values[1], Some(Value::Identity(founder)));
    assert_eq!(values[2].as_ref().map(Value::to_text), Some("admin".to_owned()));
}

#[test]
fn genesis_rows_may_refer_to_each_other_by_literal_ids() {
    let text = "CREATE TABLE t (id UUID PRIMARY KEY, up UUID REFERENCES t, at TIMESTAMPTZ DEFAULT now());
      INSERT INTO t (id) VALUES ('00000000-0000-4000-8000-000000000001');
      INSERT INTO t (up) VALUES ('00000000-0000-4000-8000-000000000001');";
    let file = parse("s.sql", text).unwrap();
    assert_eq!(file.genesis_rows.len(), 2);
    assert!(matches!(file.genesis_rows[0].cells[2], GenesisCell::Now(_)));
}

#[test]
fn unique_indexes_and_constraints_are_the_same_rule() {
    let index = "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT); CREATE UNIQUE INDEX k ON t (a);";
    let constraint = "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, CONSTRAINT k UNIQUE (a));";
    assert_eq!(parse("s.sql", index).unwrap().patch, parse("s.sql", constraint).unwrap().patch);
}

#[test]
fn parentheses_comments_and_case_do_not_change_a_schema() {
    let one = "CREATE TABLE t (id UUID PRIMARY KEY, a INTEGER CHECK (a > 1 AND a < 5));";
    let other = "create /* now */ table T (ID uuid primary key, A int -- comment\n check ((((a) > 1) and (a < (5)))));";
    assert_eq!(parse("s.sql", one).unwrap().patch, parse("s.sql", other).unwrap().patch);
}

#[test]
fn the_examples_have_nothing_but_intended_notes() {
    for name in names() {
        for change in &example(&name).patch.changes {
            assert!(!matches!(change, Change::RevokeUpdate { columns, .. } if columns.is_empty()));
        }
    }
}

/// Pieces of schema text, so that random sequences of them get past the first token.
const PIECES: [&str; 44] = [
    "CREATE TABLE t (",
    "id UUID PRIMARY KEY",
    ",",
    ")",
    "(",
    ";",
    "CREATE POLICY p ON t",
    "FOR INSERT",
    "FOR DELETE",
    "WITH CHECK (",
    "USING (",
    "EXISTS (SELECT 1 FROM t WHERE",
    "author()",
    "a INTEGER",
    "b TEXT",
    "CHECK (",
    "a > 1",
    "AND",
    "OR",
    "NOT",
    "IN (1, 2)",
    "BETWEEN 1 AND 2",
    "IS NOT NULL",
    "'text'",
    "'",
    "\"",
    "DEFAULT",
    "now()",
    "REVOKE UPDATE (a) ON t",
    "FROM PUBLIC",
    "INSERT INTO t (a) VALUES (1)",
    "UNIQUE",
    "REFERENCES t",
    "ON DELETE",
    "CASCADE",
    "--",
    "\n",
    "$$",
    "::",
    "-",
    "length(b)",
    "coalesce(a, 1)",
    "NUMERIC(3, 1)",
    "é",
];

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = parse("s.sql", &text);
    }

    #[test]
    fn no_sequence_of_pieces_makes_the_parser_panic(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        let _ = parse("s.sql", &pieces.join(" "));
    }

    #[test]
    fn no_damage_to_an_example_makes_the_parser_panic(from in 0usize..2000, length in 0usize..60, with in "\\PC{0,8}") {
        let text = std::fs::read_to_string(examples().join("notes/schema.sql")).unwrap();
        let chars: Vec<char> = text.chars().collect();
        let from = from.min(chars.len());
        let to = (from + length).min(chars.len());
        let damaged: String = chars[..from].iter().chain(with.chars().collect::<Vec<_>>().iter()).chain(&chars[to..]).collect();
        match parse("s.sql", &damaged) {
            Ok(file) => {
                let installed = Connection::open_in_memory().unwrap().execute_batch(&sql::sqlite::install(&file.schema));
                prop_assert!(installed.is_ok(), "{installed:?}\n{damaged}");
            }
            Err(diagnostics) => {
                prop_assert!(!diagnostics.is_empty());
                prop_assert!(diagnostics.is_sorted_by_key(|found| (found.line, found.column)));
            }
        }
    }
}
