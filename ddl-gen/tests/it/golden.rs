//! The examples of schema-examples/: each schema gives exactly the SQL beside it.
//!
//! `TREATY_BLESS=1 cargo test -p treaty-ddl` rewrites the SQL; the difference is then for a person to judge.

use std::fs;
use std::path::{Path, PathBuf};

use treaty_ddl::{SchemaFile, parse, sql};

/// The folder of the examples.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema-examples")
}

/// The schema of one example.
pub(crate) fn example(name: &str) -> SchemaFile {
    let path = examples().join(name).join("schema.sql");
    let text = fs::read_to_string(&path).expect("each example has a schema.sql");
    parse(&path.display().to_string(), &text).expect("the examples are valid")
}

/// The names of all examples, sorted.
pub(crate) fn names() -> Vec<String> {
    let folders = fs::read_dir(examples()).expect("the folder of the examples exists");
    let mut names: Vec<String> = folders
        .map(|entry| entry.expect("the folder is readable"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("names of examples are ASCII"))
        .collect();
    names.sort();
    names
}

fn check(name: &str, file: &str, found: &str) {
    let path = examples().join(name).join(file);
    if std::env::var_os("TREATY_BLESS").is_some() {
        fs::write(&path, found).expect("the folder is writable");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{} differs from what the schema gives; see with TREATY_BLESS=1 and git diff",
        path.display()
    );
}

#[test]
fn each_example_gives_the_sql_beside_it() {
    for name in names() {
        let file = example(&name);
        check(&name, "sqlite.sql", &sql::sqlite::install(&file.schema));
        check(&name, "postgres.sql", &sql::postgres::install(&file.schema));
    }
}

#[test]
fn the_notes_example_has_its_tables_and_its_founder() {
    let file = example("notes");
    assert_eq!(file.schema.tables().len(), 2);
    assert_eq!(file.genesis_rows.len(), 1);
    assert_eq!(file.notes, []);
}

#[test]
fn the_example_of_the_documentation_is_valid() {
    let page = fs::read_to_string(examples().join("../docs/schema-files.md")).expect("the page exists");
    let text =
        page.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has an example");
    parse("schema-files.md", text).expect("and it is valid");
}
