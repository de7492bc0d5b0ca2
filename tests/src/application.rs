//! Applications that know nothing of Treaty: SQL through rusqlite, the sqlite3 shell, and Python.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::Value as SqlValue;

use crate::Node;

impl Node {
    /// A connection of the application, with the patience that an application beside a writer needs.
    pub fn connect(&self) -> Connection {
        let connection = Connection::open(self.database()).expect("the database opens");
        connection.busy_timeout(Duration::from_secs(30)).expect("a pragma");
        connection.pragma_update(None, "foreign_keys", true).expect("a pragma");
        connection
    }

    /// Runs statements of the application.
    pub fn sql(&self, statements: &str) {
        self.connect().execute_batch(statements).unwrap_or_else(|cause| panic!("{statements}: {cause}"));
    }

    /// Runs statements of the application that must fail, and returns the message.
    pub fn sql_fails(&self, statements: &str) -> String {
        self.connect().execute_batch(statements).expect_err(statements).to_string()
    }

    /// Runs statements through the `sqlite3` shell, as the README does.
    pub fn shell(&self, statements: &str) -> String {
        let output = Command::new("sqlite3")
            .args(["-cmd", ".timeout 30000"])
            .arg(self.database())
            .arg(statements)
            .output()
            .expect("the sqlite3 shell is installed (./test does it)");
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Rows of a query, each value as SQL would print it, joined by `|`.
    pub fn rows(&self, query: &str) -> Vec<String> {
        let connection = self.connect();
        let mut statement = connection.prepare(query).unwrap_or_else(|cause| panic!("{query}: {cause}"));
        let column_count = statement.column_count();
        let mut rows = statement.query([]).expect("a query without parameters");
        let mut shown = Vec::new();
        while let Some(row) = rows.next().unwrap_or_else(|cause| panic!("{query}: {cause}")) {
            let cells: Vec<String> = (0..column_count).map(|index| show(&row.get(index).expect("in range"))).collect();
            shown.push(cells.join("|"));
        }
        shown
    }

    /// The one value of a query.
    pub fn value(&self, query: &str) -> String {
        let rows = self.rows(query);
        assert_eq!(rows.len(), 1, "{query}: one row expected: {rows:?}");
        rows.into_iter().next().unwrap_or_default()
    }

    /// Every replicated column of every row of `table`, sorted: what must be equal on all nodes.
    pub fn table(&self, table: &str) -> Vec<String> {
        let columns = self.rows(&format!(
            "SELECT name FROM pragma_table_info('{table}') WHERE name NOT LIKE 'treaty\\_%' ESCAPE '\\' ORDER BY cid"
        ));
        let list: Vec<String> = columns.iter().map(|name| format!("quote(\"{name}\")")).collect();
        self.rows(&format!("SELECT {} FROM \"{table}\" ORDER BY id", list.join(", ")))
    }
}

fn show(value: &SqlValue) -> String {
    match value {
        SqlValue::Null => "NULL".to_owned(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Real(number) => number.to_string(),
        SqlValue::Text(text) => text.clone(),
        SqlValue::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// A Python script of `tests/applications` with arguments, not yet started; SQLAlchemy is importable.
pub fn python(script: &str, arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("applications").join(script);
    let mut command = Command::new("python3");
    command.arg(path).args(arguments).env_remove("PYTHONPATH");
    if let Some(packages) = std::env::var_os("TREATY_TEST_PYTHONPATH") {
        command.env("PYTHONPATH", packages);
    }
    command
}
