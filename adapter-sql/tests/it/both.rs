//! One test over either database, and over both in one space.
//!
//! Tests say what applications do in SQL that both databases know, and what they see as text that both print alike.

use std::cell::{Cell, RefCell};

use sqlx::postgres::{PgConnectOptions, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, Column, Connection, Executor, PgConnection, Row, TypeInfo, ValueRef};
use tokio::runtime::Runtime;
use treaty_testkit::PostgresServer;

/// The databases of a test's nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Databases {
    /// SQLite.
    Files,
    /// PostgreSQL.
    Servers,
    /// SQLite for the first node, then in turns.
    Mixed,
}

thread_local! {
    static DATABASES: Cell<Databases> = const { Cell::new(Databases::Files) };
    static MADE: Cell<u32> = const { Cell::new(0) };
}

/// Runs a test over databases of a kind.
pub(crate) fn over<T>(databases: Databases, test: impl FnOnce() -> T) -> T {
    DATABASES.set(databases);
    let done = test();
    DATABASES.set(Databases::Files);
    done
}

/// Makes the database of the next node; none if that is a file.
///
/// * `is_first` - whether the node founds its space.
pub(crate) fn next_database(is_first: bool) -> Option<Server> {
    let made = if is_first { 0 } else { MADE.get() };
    MADE.set(made + 1);
    match DATABASES.get() {
        Databases::Files => None,
        Databases::Servers => Some(Server::new()),
        Databases::Mixed => (made % 2 == 1).then(Server::new),
    }
}

/// Makes a test over PostgreSQL of one over SQLite.
macro_rules! on_postgres {
    ($($name:ident),* $(,)?) => {
        mod on_postgres {
            $(#[test]
            fn $name() {
                crate::both::over(crate::both::Databases::Servers, super::$name);
            })*
        }
    };
}
pub(crate) use on_postgres;

/// The same, and a test over both in one space.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        crate::both::on_postgres!($($name),*);
        mod on_both {
            $(#[test]
            fn $name() {
                crate::both::over(crate::both::Databases::Mixed, super::$name);
            })*
        }
    };
}
pub(crate) use on_both;

/// A database of the shared PostgreSQL server, and an application's connection to it.
pub(crate) struct Server {
    database: String,
    client: RefCell<Client>,
}

impl Server {
    fn new() -> Server {
        let database = PostgresServer::shared().create_database();
        let client = RefCell::new(Client::connect(&database));
        Server { database, client }
    }

    /// How to reach it.
    pub(crate) fn options(&self) -> PgConnectOptions {
        options(&self.database)
    }

    /// One more connection.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.database)
    }

    /// Runs statements as an application does, one transaction each.
    pub(crate) fn run(&self, sql: &str) {
        self.client.borrow_mut().run(sql).unwrap();
    }

    /// Answers a query as text.
    pub(crate) fn ask(&self, sql: &str) -> String {
        self.client.borrow_mut().ask(sql)
    }
}

/// How to reach a database of the shared server as its owner.
pub(crate) fn options(database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(PostgresServer::shared().port())
        .username(database)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

/// An application's connection.
pub(crate) struct Client {
    runtime: Runtime,
    connection: PgConnection,
}

impl Client {
    fn connect(database: &str) -> Client {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(PgConnection::connect_with(&options(database))).unwrap();
        Client { runtime, connection }
    }

    /// Runs statements one after the other, up to the first that fails.
    pub(crate) fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        for statement in translated(sql).split(';').filter(|statement| !statement.trim().is_empty()) {
            let Client { runtime, connection } = self;
            runtime.block_on(connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))))?;
        }
        Ok(())
    }

    /// Answers a query as text: rows by line, columns by `|`.
    pub(crate) fn ask(&mut self, sql: &str) -> String {
        let Client { runtime, connection } = self;
        let rows = runtime.block_on(sqlx::raw_sql(AssertSqlSafe(translated(sql))).fetch_all(connection)).unwrap();
        let line = |row: &PgRow| (0..row.len()).map(|index| cell(row, index)).collect::<Vec<_>>().join("|");
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// What SQLite calls otherwise, and what only SQLite has to be told.
fn translated(sql: &str) -> String {
    const WORDS: [(&str, &str); 10] = [
        ("treaty_queue", "treaty.queue"),
        ("treaty_state", "treaty.state"),
        ("PRAGMA foreign_keys = ON;", ""),
        ("INSERT INTO treaty_tx DEFAULT VALUES;", ""),
        ("->> '$.", "->> '"),
        ("substr(id,", "substr(id::text,"),
        ("substr(row_id,", "substr(row_id::text,"),
        ("substr(parent,", "substr(parent::text,"),
        ("row_id = lost", "row_id::text = lost"),
        ("group_concat(", "string_agg("),
    ];
    WORDS.iter().fold(sql.to_owned(), |sql, (theirs, ours)| sql.replace(theirs, ours))
}

/// A cell as SQLite's text would be.
fn cell(row: &PgRow, index: usize) -> String {
    let value = row.try_get_raw(index).unwrap();
    if value.is_null() {
        return "-".to_owned();
    }
    let text = value.as_str().unwrap().to_owned();
    match row.column(index).type_info().name() {
        "BOOL" => u8::from(text == "t").to_string(),
        "FLOAT8" => format!("{:?}", text.parse::<f64>().unwrap()),
        "JSONB" => treaty_schema::Json::parse(&text).unwrap().to_string(),
        _ => text,
    }
}
