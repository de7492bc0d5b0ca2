//! Applications that know nothing of Treaty: SQL through a client library, the database's own shell, and Python.

use std::path::Path;
use std::process::Command;

use crate::client::{Cell, Client, Refusal};
use crate::{Kind, Node};

impl Node {
    /// A connection of the application.
    pub fn client(&self) -> Client {
        self.try_client().unwrap_or_else(|cause| panic!("connecting: {cause}"))
    }

    /// A connection of the application, if the server answers.
    ///
    /// # Errors
    /// What the server said.
    pub fn try_client(&self) -> Result<Client, Refusal> {
        match self.postgres() {
            None => Ok(Client::sqlite(&self.database())),
            Some(database) => Client::postgres(&database.options(&database.application())),
        }
    }

    /// A connection of whoever owns the tables: for DDL.
    pub fn owner(&self) -> Client {
        match self.postgres() {
            None => Client::sqlite(&self.database()),
            Some(database) => {
                Client::postgres(&database.options(database.owner())).unwrap_or_else(|cause| panic!("{cause}"))
            }
        }
    }

    /// Runs statements of the application.
    pub fn sql(&self, statements: &str) {
        self.client().run(statements).unwrap_or_else(|cause| panic!("{statements}: {cause}"));
    }

    /// Runs statements of the application in one transaction that is told from others, whatever the database.
    pub fn transaction(&self, statements: &str) {
        let mut client = self.client();
        let whole = format!("{}; {statements}; COMMIT", client.begin());
        client.run(&whole).unwrap_or_else(|cause| panic!("{whole}: {cause}"));
    }

    /// Runs statements of whoever owns the tables: DDL.
    pub fn owner_sql(&self, statements: &str) {
        self.owner().run(statements).unwrap_or_else(|cause| panic!("{statements}: {cause}"));
    }

    /// Runs statements of the application that must fail, and returns the message.
    pub fn sql_fails(&self, statements: &str) -> String {
        self.client().run(statements).expect_err(statements)
    }

    /// Runs statements through the database's shell, as the README does: `sqlite3` or `psql`.
    pub fn shell(&self, statements: &str) -> String {
        if let Some(database) = self.postgres() {
            let said = database.server.psql(&database.name, &database.application(), statements);
            return said.unwrap_or_else(|error| panic!("{statements}: {error}"));
        }
        let output = Command::new("sqlite3")
            .args(["-cmd", ".timeout 30000"])
            .arg(self.database())
            .arg(statements)
            .output()
            .expect("the sqlite3 shell is installed (./test does it)");
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Rows of a query, each value as SQL would print it, joined by `|`; a truth value is 0 or 1.
    pub fn rows(&self, query: &str) -> Vec<String> {
        self.client().rows(query).unwrap_or_else(|cause| panic!("{query}: {cause}"))
    }

    /// The one value of a query.
    pub fn value(&self, query: &str) -> String {
        let rows = self.rows(query);
        assert_eq!(rows.len(), 1, "{query}: one row expected: {rows:?}");
        rows.into_iter().next().unwrap_or_default()
    }

    /// Every replicated column of every row of `table`, sorted: what must be equal on all nodes, whatever their databases.
    pub fn table(&self, table: &str) -> Vec<String> {
        let names = match self.kind() {
            Kind::Sqlite => format!(
                "SELECT name FROM pragma_table_info('{table}') WHERE name NOT LIKE 'treaty\\_%' ESCAPE '\\' ORDER BY cid"
            ),
            Kind::Postgres => format!(
                "SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0
                 AND NOT attisdropped AND attname NOT LIKE 'treaty\\_%' ORDER BY attnum"
            ),
        };
        let list: Vec<String> = self.rows(&names).iter().map(|name| format!("\"{name}\"")).collect();
        let query = format!("SELECT {} FROM \"{table}\" ORDER BY id", list.join(", "));
        let rows = self.client().cells(&query).unwrap_or_else(|cause| panic!("{query}: {cause}"));
        rows.iter().map(|row| row.iter().map(Cell::quoted).collect::<Vec<_>>().join("|")).collect()
    }

    /// Runs statements of whoever owns the tables, past every trigger of ours: as only the sidecar may.
    pub fn write_unseen(&self, statements: &str) {
        let (rest, wake) = match self.kind() {
            Kind::Sqlite => ("INSERT INTO treaty_applying VALUES (1)", "DELETE FROM treaty_applying"),
            Kind::Postgres => ("SET LOCAL treaty.applying = 'on'", "SET LOCAL treaty.applying = ''"),
        };
        self.owner_sql(&format!("BEGIN; {rest}; {statements}; {wake}; COMMIT"));
    }

    /// Whether nothing has been made in the database; a SQLite file is not even there.
    pub fn is_untouched(&self) -> bool {
        let tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        match self.kind() {
            Kind::Sqlite => !self.database().exists(),
            Kind::Postgres => self.objects_of_ours().is_empty() && self.rows(tables).is_empty(),
        }
    }

    /// What of ours is in the database: tables, views, triggers, functions and columns.
    pub fn objects_of_ours(&self) -> Vec<String> {
        let mut found = self.rows(match self.kind() {
            Kind::Sqlite => "SELECT name FROM sqlite_schema WHERE name LIKE 'treaty%'",
            Kind::Postgres => {
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'treaty%'
                 UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'treaty%'
                 UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '%treaty%'
                 UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE '%treaty%'
                 UNION ALL SELECT attname FROM pg_attribute WHERE attname LIKE 'treaty%' AND NOT attisdropped"
            }
        });
        found.sort();
        found
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
