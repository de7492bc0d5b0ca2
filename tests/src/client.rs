//! A connection of an application to either database, and how values are shown so that both show the same.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value as SqlValue;
use sqlx::postgres::{PgConnectOptions, PgRow, PgValueRef};
use sqlx::{AssertSqlSafe, Column, Connection as _, PgConnection, Row, TypeInfo, ValueRef};
use tokio::runtime::Runtime;
use treaty_schema::LogicalType;

/// A connection that an application keeps: statements in, rows out, whatever the database.
pub enum Client {
    /// To a SQLite file.
    Sqlite(rusqlite::Connection),
    /// To a PostgreSQL server.
    Postgres(Box<PostgresClient>),
}

/// What a database said against a statement.
pub type Refusal = String;

/// A value as it came from a database.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A whole number; a truth value is 0 or 1, as in SQLite.
    Integer(i64),
    /// A binary number.
    Real(f64),
    /// Everything that is text in SQLite, spelt canonically.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Client {
    /// Opens a SQLite file, with the patience that an application beside a writer needs.
    pub(crate) fn sqlite(path: &Path) -> Client {
        let connection = rusqlite::Connection::open(path).expect("the database opens");
        connection.busy_timeout(Duration::from_secs(30)).expect("a pragma");
        connection.pragma_update(None, "foreign_keys", true).expect("a pragma");
        Client::Sqlite(connection)
    }

    /// Connects to a PostgreSQL database.
    pub(crate) fn postgres(options: &PgConnectOptions) -> Result<Client, Refusal> {
        Ok(Client::Postgres(Box::new(PostgresClient::connect(options)?)))
    }

    /// Runs statements; on PostgreSQL they are one transaction unless they say otherwise.
    ///
    /// # Errors
    /// What the database said.
    pub fn run(&mut self, statements: &str) -> Result<(), Refusal> {
        match self {
            Client::Sqlite(connection) => connection.execute_batch(statements).map_err(|cause| cause.to_string()),
            Client::Postgres(client) => client.run(statements),
        }
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// What the database said.
    pub fn cells(&mut self, query: &str) -> Result<Vec<Vec<Cell>>, Refusal> {
        match self {
            Client::Sqlite(connection) => sqlite_cells(connection, query).map_err(|cause| cause.to_string()),
            Client::Postgres(client) => client.cells(query),
        }
    }

    /// The rows of a query, each value as SQL would print it, joined by `|`.
    ///
    /// # Errors
    /// What the database said.
    pub fn rows(&mut self, query: &str) -> Result<Vec<String>, Refusal> {
        let shown = |row: Vec<Cell>| row.iter().map(Cell::shown).collect::<Vec<_>>().join("|");
        Ok(self.cells(query)?.into_iter().map(shown).collect())
    }

    /// What begins a transaction that is told from the next one: SQLite has no numbers for them, so it is marked.
    pub fn begin(&self) -> &'static str {
        match self {
            Client::Sqlite(_) => "BEGIN IMMEDIATE; INSERT INTO treaty_tx DEFAULT VALUES",
            Client::Postgres(_) => "BEGIN",
        }
    }
}

/// A connection to PostgreSQL whose calls block.
pub struct PostgresClient {
    runtime: Runtime,
    connection: PgConnection,
}

impl PostgresClient {
    fn connect(options: &PgConnectOptions) -> Result<PostgresClient, Refusal> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connection = runtime.block_on(PgConnection::connect_with(options)).map_err(|cause| cause.to_string())?;
        Ok(PostgresClient { runtime, connection })
    }

    fn run(&mut self, statements: &str) -> Result<(), Refusal> {
        let running = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut self.connection);
        self.runtime.block_on(running).map(|_| ()).map_err(|cause| refusal(&cause))
    }

    fn cells(&mut self, query: &str) -> Result<Vec<Vec<Cell>>, Refusal> {
        let running = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_all(&mut self.connection);
        let rows: Vec<PgRow> = self.runtime.block_on(running).map_err(|cause| refusal(&cause))?;
        let cell = |row: &PgRow, index: usize| {
            let value = row.try_get_raw(index).expect("in range");
            postgres_cell(row.column(index).type_info().name(), &value)
        };
        Ok(rows.iter().map(|row| (0..row.len()).map(|index| cell(row, index)).collect()).collect())
    }
}

/// The server's own words, without the client's.
fn refusal(cause: &sqlx::Error) -> Refusal {
    cause.as_database_error().map_or_else(|| cause.to_string(), |told| told.message().to_owned())
}

/// A value that the server sent as text.
fn postgres_cell(type_name: &str, value: &PgValueRef<'_>) -> Cell {
    if value.is_null() {
        return Cell::Null;
    }
    let text = value.as_str().expect("the simple protocol sends text");
    match type_name {
        "BOOL" => Cell::Integer(i64::from(text == "t")),
        "INT2" | "INT4" | "INT8" => Cell::Integer(text.parse().expect("the server prints numbers")),
        "FLOAT4" | "FLOAT8" => Cell::Real(text.parse().expect("the server prints numbers")),
        "BYTEA" => Cell::Bytes(bytes_of(text.strip_prefix("\\x").expect("bytea_output is hex"))),
        // The one type whose canonical text is not what PostgreSQL prints.
        "JSONB" => Cell::Text(LogicalType::Json.parse(text).expect("the server prints JSON").to_text()),
        _ => Cell::Text(text.to_owned()),
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    pairs.map(|byte| byte.expect("hexadecimal digits")).collect()
}

fn sqlite_cells(connection: &rusqlite::Connection, query: &str) -> rusqlite::Result<Vec<Vec<Cell>>> {
    let mut statement = connection.prepare(query)?;
    let column_count = statement.column_count();
    let rows = statement
        .query_map([], |row| (0..column_count).map(|index| Ok(Cell::from(row.get::<_, SqlValue>(index)?))).collect())?;
    rows.collect()
}

impl From<SqlValue> for Cell {
    fn from(value: SqlValue) -> Cell {
        match value {
            SqlValue::Null => Cell::Null,
            SqlValue::Integer(number) => Cell::Integer(number),
            SqlValue::Real(number) => Cell::Real(number),
            SqlValue::Text(text) => Cell::Text(text),
            SqlValue::Blob(bytes) => Cell::Bytes(bytes),
        }
    }
}

impl Cell {
    /// As a person reads it.
    fn shown(&self) -> String {
        match self {
            Cell::Null => "NULL".to_owned(),
            Cell::Integer(number) => number.to_string(),
            Cell::Real(number) => number.to_string(),
            Cell::Text(text) => text.clone(),
            Cell::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// As a literal, which tells text from numbers and from NULL.
    pub(crate) fn quoted(&self) -> String {
        match self {
            Cell::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Cell::Bytes(_) => format!("X'{}'", self.shown()),
            Cell::Real(number) => format!("{number:?}"),
            Cell::Null | Cell::Integer(_) => self.shown(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Node};

    #[test]
    fn equal_values_are_shown_the_same_whatever_the_database() {
        let (sqlite, postgres) = (Node::on(Kind::Sqlite), Node::on(Kind::Postgres));
        sqlite.owner_sql(
            "CREATE TABLE t (id TEXT, b INTEGER, i INTEGER, r REAL, n TEXT, s TEXT, x BLOB, d TEXT, j TEXT, e TEXT);
             INSERT INTO t VALUES ('11111111-1111-4111-8111-111111111111', 1, -5, 1e15, '1.50', 'it''s', x'00FF',
               '2024-01-31 13:05:00.25+00', '{\"b\":1.5,\"aa\":[null]}', NULL)",
        );
        postgres.owner_sql(
            "CREATE TABLE t (id uuid, b boolean, i bigint, r float8, n numeric(5,2), s text, x bytea, d timestamptz, j jsonb, e text);
             INSERT INTO t VALUES ('11111111-1111-4111-8111-111111111111', true, -5, 1e15, 1.5, 'it''s', '\\x00ff',
               '2024-01-31 14:05:00.250+01', '{\"aa\": [null], \"b\": 1.50}', NULL)",
        );
        let shown = ["'11111111-1111-4111-8111-111111111111'|1|-5|1000000000000000.0|'1.50'|'it''s'|X'00ff'|\
             '2024-01-31 13:05:00.25+00'|'{\"b\":1.5,\"aa\":[null]}'|NULL"];
        assert_eq!(sqlite.table("t"), shown);
        assert_eq!(postgres.table("t"), shown);
        for node in [&sqlite, &postgres] {
            assert_eq!(node.rows("SELECT b, x, e FROM t"), ["1|00ff|NULL"]);
            assert!(node.sql_fails("INSERT INTO nowhere VALUES (1)").contains("nowhere"));
        }
    }
}
