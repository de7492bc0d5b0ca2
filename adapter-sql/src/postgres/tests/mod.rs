//! Tests against a real server.

mod fit;
mod peek;
mod queue;
mod session;
mod silence;
mod values;
mod wake;
mod writer;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use treaty_engine::hash::EntryId;
use treaty_engine::identity::Keypair;
use treaty_engine::relation::{RowId, RowName};
use treaty_engine::replica::RowImage;
use treaty_schema::{Schema, Value};
use treaty_testkit::PostgresServer;

use super::session::{Purpose, Session, column, doing, statement};
use super::table::{TableSql, tables};
use crate::capture::ShownRow;
use crate::database::{DatabaseError, Fate, WriteScope};

/// How to reach a database as a role of the same name.
fn options(server: &PostgresServer, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(server.port())
        .username(database)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

/// Makes an empty database on the shared server.
fn database() -> (String, PgConnectOptions) {
    let server = PostgresServer::shared();
    let name = server.create_database();
    let options = options(server, &name);
    (name, options)
}

/// A database with the tables of a schema, bookkeeping and triggers, and the sidecar's session.
struct Installed {
    name: String,
    options: PgConnectOptions,
    session: Session,
    tables: Vec<TableSql>,
}

impl Installed {
    fn new(schema: &str) -> Installed {
        let (name, options) = database();
        let mut session = Session::open(&options, Purpose::Sidecar).unwrap();
        let schema = open_to_all(schema);
        let sql = format!(
            "BEGIN;{}; INSERT INTO treaty.state (space, identity, instance, schema, shown) VALUES ('s', 'i', 'n', 'v', ''); COMMIT",
            treaty_ddl::sql::postgres::install(&schema)
        );
        session.script(&sql).map_err(doing("installing")).unwrap();
        Installed { name, options, session, tables: tables(&schema) }
    }

    /// What an application does.
    fn run(&self, sql: &str) {
        PostgresServer::shared().psql(&self.name, &self.name, sql).unwrap();
    }

    /// What an application sees: one line per row.
    fn query(&self, sql: &str) -> String {
        PostgresServer::shared().psql(&self.name, &self.name, sql).unwrap()
    }

    /// Ends sessions, and returns when they are gone.
    fn end_sessions(&self, condition: &str) {
        PostgresServer::shared().end_sessions(&self.name, condition);
    }

    /// A second session, of an application that leaves its transactions open.
    fn other(&self) -> Session {
        let mut other = Session::open(&self.options, Purpose::Reading).unwrap();
        other.script("SET default_transaction_read_only = off").map_err(doing("x")).unwrap();
        other
    }

    /// Writes a batch as the engine has it, in a transaction of its own.
    fn write(&mut self, fates: &[Fate]) -> Result<(), DatabaseError> {
        let Installed { session, tables, .. } = self;
        let rows: Vec<ShownRow> = fates.iter().map(|fate| fate.key).collect();
        super::scope::begin_write(session, tables, WriteScope::Rows(&rows))?;
        session.script("SET LOCAL treaty.applying = 'on'").map_err(doing("x"))?;
        super::writer::write(session, tables, fates)?;
        super::writer::check_references(session, tables, fates)?;
        session.commit().map_err(doing("committing"))
    }

    /// What becomes of a row: its values as text, in the order of the columns after `id`; `-` is NULL. None: it goes.
    fn fate(&self, table: &str, id: u8, values: Option<&str>) -> Fate {
        let table = self.tables.iter().position(|found| found.name() == table).unwrap();
        let columns = &self.tables[table].table.columns;
        let row = values.map(|values| {
            let words = values.split_whitespace();
            let cells = columns[1..].iter().zip(words).map(|(column, word)| {
                let text =
                    if word.len() == 1 && column.name.as_str() != "name" { uuid_text(word) } else { word.to_owned() };
                (word != "-")
                    .then(|| column.logical_type.parse(&text).or_else(|_| column.logical_type.parse(word)).unwrap())
            });
            image(std::iter::once(Some(Value::Uuid(row_id(id).0))).chain(cells).collect())
        });
        Fate { key: ShownRow { table, id: row_id(id) }, row, status: None }
    }
}

/// Reads tables, and lets everybody do everything with them.
fn open_to_all(tables: &str) -> Schema {
    let names = tables.split("CREATE TABLE ").skip(1).filter_map(|table| table.split_whitespace().next());
    let policies: String = names
        .map(|name| {
            format!(
                "CREATE POLICY a ON {name} FOR INSERT WITH CHECK (true); CREATE POLICY b ON {name} FOR UPDATE USING (true);
                 CREATE POLICY c ON {name} FOR DELETE USING (true);"
            )
        })
        .collect();
    let file = treaty_ddl::parse("schema.sql", &format!("{tables}{policies}")).unwrap();
    Schema::empty().apply(&file.patch).unwrap()
}

fn row_id(byte: u8) -> RowId {
    RowId([byte; 16])
}

/// A digit as the id of a row.
fn uuid_text(word: &str) -> String {
    word.parse().map_or(word.to_owned(), |digit| row_id(digit).to_string())
}

fn image(cells: Vec<Option<Value>>) -> RowImage {
    let name = RowName { entry: EntryId([9; 32]), transaction: 0, operation: 0 };
    RowImage { name, cells, author: Keypair::generate(&[1; 32]).identity() }
}

/// The first column of a query's rows, as text.
fn texts(session: &mut Session, sql: &str) -> Vec<String> {
    let rows = session.fetch(statement(sql)).map_err(doing("x")).unwrap();
    rows.iter().map(|row| column(row, 0).map_err(doing("x")).unwrap()).collect()
}
