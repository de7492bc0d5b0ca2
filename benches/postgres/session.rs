//! An application's connection: prepared statements that write the benchmark's rows, and questions with one number as answer.

use std::ops::Range;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sqlx::postgres::{PgConnectOptions, PgQueryResult};
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row};
use tokio::runtime::Runtime;
use treaty_testkit::PostgresServer;
use treaty_tests::{note_id, note_text};

/// How long rows may take to become visible before the run fails.
const PATIENCE: Duration = Duration::from_secs(600);

/// The rows of a statement, one array a column.
const INSERT: &str = "INSERT INTO notes (id, writer, title, body, stars, updated_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[])";
const INSERT_ONE: &str =
    "INSERT INTO notes (id, writer, title, body, stars, updated_at) VALUES ($1, $2, $3, $4, $5, $6)";
const UPDATE: &str = "UPDATE notes n SET stars = n.stars + 1, updated_at = x.updated_at
    FROM unnest($1::uuid[], $2::bigint[]) AS x (id, updated_at) WHERE n.id = x.id";

/// A connection to PostgreSQL whose calls block.
pub(crate) struct Session {
    runtime: Runtime,
    connection: PgConnection,
}

impl Session {
    /// Connects through the server's socket.
    pub(crate) fn connect(server: &PostgresServer, database: &str, role: &str) -> Session {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let options = PgConnectOptions::new_without_pgpass().host(server.folder()).port(server.port());
        let options = options.username(role).database(database);
        let connecting = PgConnection::connect_with(&options);
        let connection =
            runtime.block_on(connecting).unwrap_or_else(|cause| panic!("connecting to {database}: {cause}"));
        Session { runtime, connection }
    }

    /// Runs statements without parameters.
    pub(crate) fn run(&mut self, statements: &str) {
        let running = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut self.connection);
        self.runtime.block_on(running).unwrap_or_else(|cause| panic!("{statements}: {cause}"));
    }

    /// Inserts the rows in transactions of `size`: one statement each.
    pub(crate) fn insert(&mut self, numbers: Range<u32>, size: u32) {
        for first in numbers.clone().step_by(size as usize) {
            let part = first..(first + size).min(numbers.end);
            let expected = u64::from(part.end - part.start);
            let done = if size == 1 { self.insert_one(first) } else { self.insert_many(part) };
            assert_eq!(done.rows_affected(), expected, "rows written");
        }
    }

    fn insert_one(&mut self, number: u32) -> PgQueryResult {
        let (title, body) = note_text(number);
        let query = sqlx::query(INSERT_ONE).bind(uuid(number)).bind("somebody").bind(title).bind(body);
        let query = query.bind(stars(number)).bind(i64::from(number));
        self.runtime.block_on(query.execute(&mut self.connection)).expect("a new key")
    }

    fn insert_many(&mut self, numbers: Range<u32>) -> PgQueryResult {
        let (titles, bodies): (Vec<String>, Vec<String>) = numbers.clone().map(note_text).unzip();
        let query = sqlx::query(INSERT).bind(numbers.clone().map(uuid).collect::<Vec<_>>());
        let query = query.bind(vec!["somebody"; numbers.len()]).bind(titles).bind(bodies);
        let query = query.bind(numbers.clone().map(stars).collect::<Vec<_>>());
        let query = query.bind(numbers.map(i64::from).collect::<Vec<_>>());
        self.runtime.block_on(query.execute(&mut self.connection)).expect("new keys")
    }

    /// Updates the rows in transactions of `size`: one statement each.
    pub(crate) fn update(&mut self, numbers: Range<u32>, size: u32) {
        for first in numbers.clone().step_by(size as usize) {
            let part = first..(first + size).min(numbers.end);
            let query = sqlx::query(UPDATE).bind(part.clone().map(uuid).collect::<Vec<_>>());
            let query = query.bind(part.clone().map(|number| i64::from(number) + 1).collect::<Vec<_>>());
            let done = self.runtime.block_on(query.execute(&mut self.connection)).expect("nothing forbids it");
            assert_eq!(done.rows_affected(), u64::from(part.end - part.start), "rows written");
        }
    }
}

fn uuid(number: u32) -> Uuid {
    Uuid::parse_str(&note_id(number)).expect("keys are UUIDs")
}

fn stars(number: u32) -> i32 {
    i32::from(u8::try_from(number % 5).unwrap_or(0))
}

/// Rows written in a second.
pub(crate) fn rows_per_second(row_count: u32, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    f64::from(row_count) / start.elapsed().as_secs_f64()
}

/// Whoever answers questions.
pub(crate) trait Reader {
    /// The one number that a query yields.
    fn number(&mut self, query: &str) -> i64;
}

impl Reader for Session {
    fn number(&mut self, query: &str) -> i64 {
        let running = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_one(&mut self.connection);
        let row = self.runtime.block_on(running).unwrap_or_else(|cause| panic!("{query}: {cause}"));
        row.try_get(0).unwrap_or_else(|cause| panic!("{query}: {cause}"))
    }
}

impl Reader for Connection {
    fn number(&mut self, query: &str) -> i64 {
        self.query_row(query, [], |row| row.get(0)).unwrap_or_else(|cause| panic!("{query}: {cause}"))
    }
}

/// Waits until row `number - 1`, the last to be written, and `number` rows in all are visible.
pub(crate) fn until_visible(reader: &mut impl Reader, number: u32) {
    let last = format!("SELECT count(*) FROM notes WHERE id = '{}'", note_id(number - 1));
    until(reader, &last, 1, Duration::from_micros(200));
    until(reader, "SELECT count(*) FROM notes", i64::from(number), Duration::from_millis(5));
}

/// Waits until a query yields `number`, looking again after every `pause`.
pub(crate) fn until(reader: &mut impl Reader, query: &str, number: i64, pause: Duration) {
    let start = Instant::now();
    loop {
        let found = reader.number(query);
        assert!(found <= number, "{query}: {found}, where {number} was expected");
        if found == number {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "gave up waiting: {query} is {found}, not {number}");
        std::thread::sleep(pause);
    }
}
