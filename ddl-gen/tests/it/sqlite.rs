//! The SQL for SQLite, executed: constraints, capture, status, and each trap of capture that SQLite sets.

mod capture;
mod constraints;
mod policies;

use rusqlite::Connection;
use treaty_ddl::{SchemaFile, parse, sql};

/// This node's identity in the tests; its form is right, its checksum is nobody's business here.
pub(crate) const NODE: &str = "id1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// Somebody else.
pub(crate) const OTHER: &str = "id1bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A table with a second UNIQUE key, open to all.
const OPEN: &str = "
    CREATE TABLE t (id UUID PRIMARY KEY, n INTEGER UNIQUE, v TEXT);
    CREATE POLICY a ON t FOR INSERT WITH CHECK (true);
    CREATE POLICY b ON t FOR UPDATE USING (true);
    CREATE POLICY c ON t FOR DELETE USING (true);";

/// A schema whose names need quotes, doubled quotes, and more care.
pub(crate) const NAMES: &str = r#"
    CREATE TABLE "a""b'c" (id UUID PRIMARY KEY, "select" IDENTITY, "it's" TEXT CHECK ("it's" <> '$treaty$'), "ä ö" INTEGER UNIQUE);
    REVOKE UPDATE ("select") ON "a""b'c" FROM PUBLIC;
    CREATE POLICY "it's ""mine""" ON "a""b'c" FOR INSERT WITH CHECK ("select" = author());
    CREATE POLICY "%s" ON "a""b'c" FOR UPDATE USING ("select" = author());
    CREATE TABLE "$treaty$" (id UUID PRIMARY KEY, up UUID CONSTRAINT "to""" REFERENCES "a""b'c" ON DELETE CASCADE);
    CREATE POLICY p ON "$treaty$" FOR DELETE USING (EXISTS (SELECT 1 FROM "a""b'c" "r""1" WHERE "r""1"."select" = author()));"#;

/// What works on [`NAMES`], and what fails.
pub(crate) const NAMES_RIGHT: &str = r#"
    INSERT INTO "a""b'c" (id, "select", "it's", "ä ö") VALUES ($1, $node, 'x', 1);
    UPDATE "a""b'c" SET "it's" = 'y';"#;
pub(crate) const NAMES_WRONG: &str = r#"INSERT INTO "a""b'c" ("select") VALUES ($other)"#;

/// Parses a schema that is expected to be valid.
pub(crate) fn schema(text: &str) -> SchemaFile {
    parse("schema.sql", text).expect("the schema of a test is valid")
}

/// A database with the schema installed and this node as the default author.
struct Database {
    connection: Connection,
}

/// The id of row `number`: a UUID that ends in it.
fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

impl Database {
    fn new(text: &str) -> Database {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF").unwrap();
        connection.execute_batch(&sql::sqlite::install(&schema(text).schema)).unwrap();
        let state = "INSERT INTO treaty_state (one, space, identity, instance, schema, shown) \
                     VALUES (1, 'space', ?1, 'instance', 'schema', 'shown')";
        connection.execute(state, [NODE]).unwrap();
        Database { connection }
    }

    /// As [`Database::new`], with the pragma that the application's connection may have set.
    fn recursive(text: &str) -> Database {
        let database = Database::new(text);
        database.run("PRAGMA recursive_triggers = ON");
        database
    }

    /// Runs statements; `$1`, `$2`, ... stand for the ids of those numbers, `$node` and `$other` for identities.
    fn run(&self, sql: &str) {
        self.connection.execute_batch(&expand(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs statements that fail; returns the error.
    fn fails(&self, sql: &str) -> String {
        match self.connection.execute_batch(&expand(sql)) {
            Ok(()) => panic!("{sql}: does not fail"),
            Err(error) => error.to_string(),
        }
    }

    /// Runs statements as the sidecar does.
    fn apply(&self, sql: &str) {
        self.run(&format!("BEGIN; INSERT INTO treaty_applying VALUES (1); {sql}; DELETE FROM treaty_applying; COMMIT"));
    }

    /// Empties the queue; returns its lines as `table:number`, a mark as `-`.
    fn queue(&self) -> String {
        let mut statement =
            self.connection.prepare("SELECT table_name, row_id FROM treaty_queue ORDER BY seq").unwrap();
        let lines = statement.query_map([], |row| {
            let (table, row): (Option<String>, Option<String>) = (row.get(0)?, row.get(1)?);
            Ok(match (table, row) {
                (Some(table), Some(row)) => format!("{table}:{}", row[24..].trim_start_matches('0')),
                _ => "-".to_owned(),
            })
        });
        let lines = lines.unwrap().collect::<Result<Vec<_>, _>>().unwrap().join(" ");
        self.run("DELETE FROM treaty_queue");
        lines
    }

    /// The result of a query of one text column, rows between spaces.
    fn rows(&self, sql: &str) -> String {
        let mut statement = self.connection.prepare(&expand(sql)).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        let shown = rows.map(|row| row.unwrap().unwrap_or_else(|| "NULL".to_owned()));
        shown.collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn any_name_can_be_a_name() {
    let database = Database::new(NAMES);
    database.run(NAMES_RIGHT);
    let error = database.fails(NAMES_WRONG);
    assert!(error.contains(r#"a"b'c: policy it's "mine" refuses this INSERT"#), "{error}");
}

fn expand(sql: &str) -> String {
    let mut text = sql.replace("$node", &format!("'{NODE}'")).replace("$other", &format!("'{OTHER}'"));
    for number in (1..=30).rev() {
        text = text.replace(&format!("${number}"), &format!("'{}'", id(number)));
    }
    text
}
