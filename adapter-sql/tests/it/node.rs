//! A node for tests: a real database file, a real store, no network. Entries are handed over directly.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;
use treaty::application::{Application, Place};
use treaty::apply::Applied;
use treaty::capture::Drained;
use treaty::database::{Database, DatabaseError, Existing, Missing, Node as Owner};
use treaty::home::Home;
use treaty::keystore::Keystore;
use treaty::link::ReplicaLink;
use treaty::postgres::{PostgresDatabase, Purpose};
use treaty::sqlite::SqliteDatabase;
use treaty_engine::causality::{Past, Pos};
use treaty_engine::cotx::{VerdictWriter, Void, VoidReason};
use treaty_engine::hash::EntryId;
use treaty_engine::identity::Keypair;
use treaty_engine::log::{Entry, LogStore};
use treaty_engine::relation::CoTx;
use treaty_engine::replica::{GenesisDraft, LocalRow, Replica};
use treaty_engine::store::{Durability, Sqlite};
use treaty_schema::{Schema, Table, Timestamp};
use treaty_testkit::FailNth;

use crate::both::{Server, next_database};

/// Pause at which tests cut a backlog, in milliseconds.
pub(crate) const GAP_MS: i64 = 250;

/// A schema that is open to all.
pub(crate) const OPEN: &str = "
CREATE TABLE people (id UUID PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER, score DOUBLE PRECISION);
CREATE TABLE notes (
  id UUID PRIMARY KEY, owner UUID REFERENCES people (id) ON DELETE CASCADE, title TEXT NOT NULL,
  price NUMERIC(8,2), at TIMESTAMP, done BOOLEAN NOT NULL DEFAULT FALSE, kind TEXT
);
REVOKE UPDATE (kind) ON notes FROM PUBLIC;
CREATE POLICY a ON people FOR INSERT WITH CHECK (true);
CREATE POLICY b ON people FOR UPDATE USING (true);
CREATE POLICY c ON people FOR DELETE USING (true);
CREATE POLICY d ON notes FOR INSERT WITH CHECK (true);
CREATE POLICY e ON notes FOR UPDATE USING (true);
CREATE POLICY f ON notes FOR DELETE USING (true);
CREATE POLICY g ON treaty_peers FOR SELECT USING (true);
CREATE POLICY h ON treaty_schema FOR INSERT WITH CHECK (false);
";

/// A node.
pub(crate) struct TestNode {
    pub(crate) directory: TempDir,
    pub(crate) keypair: Arc<Keypair>,
    pub(crate) keys: Keystore,
    pub(crate) schema: Schema,
    pub(crate) replica: Replica,
    pub(crate) application: Option<Application>,
    file: String,
    server: Option<Server>,
    old_log: Option<TempDir>,
}

impl TestNode {
    /// Founds a space with a schema in a new database.
    pub(crate) fn found(schema: &str) -> TestNode {
        TestNode::found_in(schema, |_| {}, next_database(true)).unwrap()
    }

    /// Founds a space over a file that `prepare` has written to.
    pub(crate) fn found_over(schema: &str, prepare: impl FnOnce(&Connection)) -> Result<TestNode, DatabaseError> {
        TestNode::found_in(schema, prepare, None)
    }

    fn found_in(
        schema: &str,
        prepare: impl FnOnce(&Connection),
        server: Option<Server>,
    ) -> Result<TestNode, DatabaseError> {
        let file = treaty_ddl::parse("schema.sql", schema).unwrap();
        let keypair = Keypair::generate(&[1; 32]);
        let author = keypair.identity();
        let now = Timestamp::from_micros(0).unwrap();
        let mut seed = 0;
        let rows = file.genesis_rows.iter().map(|row| {
            let cells = row.resolve(&author, now, &mut || fresh_uuid(&mut seed));
            LocalRow { table: row.table, cells }
        });
        let draft = GenesisDraft { patch: file.patch, rows: rows.collect(), nonce: [7; 16] };
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&directory.path().join("log.sqlite"), Durability::Normal).unwrap();
        let replica = Replica::create(store, &keypair, draft, 1).unwrap();
        TestNode::over(directory, keypair, replica, (prepare, server))
    }

    /// Joins the space of another node with a new database.
    pub(crate) fn join(other: &TestNode, seed: u8) -> TestNode {
        TestNode::join_in(other, seed, |_| {}, next_database(false))
    }

    /// Joins the space of another node over a file that `prepare` has written to.
    pub(crate) fn join_over(other: &TestNode, seed: u8, prepare: impl FnOnce(&Connection)) -> TestNode {
        TestNode::join_in(other, seed, prepare, None)
    }

    fn join_in(other: &TestNode, seed: u8, prepare: impl FnOnce(&Connection), server: Option<Server>) -> TestNode {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&directory.path().join("log.sqlite"), Durability::Normal).unwrap();
        let genesis = other.entries().remove(0);
        let replica = Replica::join(store, genesis, other.replica.space()).unwrap();
        TestNode::over(directory, Keypair::generate(&[seed; 32]), replica, (prepare, server)).unwrap()
    }

    fn over(
        directory: TempDir,
        keypair: Keypair,
        replica: Replica,
        (prepare, server): (impl FnOnce(&Connection), Option<Server>),
    ) -> Result<TestNode, DatabaseError> {
        if server.is_none() {
            prepare(&Connection::open(directory.path().join("app.db")).unwrap());
        }
        let keypair = Arc::new(keypair);
        let keys = Keystore::of(keypair.clone(), &Home::at(directory.path().to_owned()));
        let schema = replica.schema().clone();
        let mut node = TestNode {
            directory,
            keypair,
            keys,
            schema,
            replica,
            application: None,
            file: "app.db".to_owned(),
            server,
            old_log: None,
        };
        node.install(Existing::Adopt)?;
        Ok(node)
    }

    pub(crate) fn install(&mut self, existing: Existing) -> Result<(), DatabaseError> {
        let schema = self.schema.clone();
        let owner = self.owner(&schema);
        let database = self.open(Missing::Created)?;
        let (application, _) =
            Application::install(database, &owner, existing, "instance", &mut link(&mut self.replica, &mut self.keys))?;
        self.application = Some(application);
        Ok(())
    }

    pub(crate) fn owner<'s>(&self, schema: &'s Schema) -> Owner<'s> {
        Owner { schema, space: self.replica.space(), identity: self.keypair.identity(), gap_ms: GAP_MS }
    }

    fn open(&self, missing: Missing) -> Result<Box<dyn Database>, DatabaseError> {
        Ok(match &self.server {
            Some(server) => Box::new(PostgresDatabase::open(&server.options(), Purpose::Sidecar, false)?),
            None => Box::new(SqliteDatabase::open(&self.path(), missing)?),
        })
    }

    /// The database, if it is a server's.
    pub(crate) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// The application's database file.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(&self.file)
    }

    /// Moves the database to another name.
    pub(crate) fn move_database(&mut self, file: &str) {
        self.run("PRAGMA wal_checkpoint(TRUNCATE)");
        let from = self.path();
        file.clone_into(&mut self.file);
        std::fs::rename(from, self.path()).unwrap();
    }

    /// Opens the log again, with a gate that its writes pass.
    pub(crate) fn reopen_log(&mut self, gate: Option<FailNth>) {
        let store = Sqlite::open(&self.directory.path().join("log.sqlite"), Durability::Normal).unwrap();
        let store = match gate {
            Some(gate) => store.guarded_by(Box::new(gate)),
            None => store,
        };
        self.replica = Replica::open(store).unwrap().unwrap();
    }

    /// Writes the verdict on the first transaction of an entry into the log, as if another entry had come: void for its
    /// author's permission, by the genesis, or live again.
    pub(crate) fn judge(&mut self, entry: EntryId, verdict: Judged) {
        let mut store = Sqlite::open(&self.directory.path().join("log.sqlite"), Durability::Normal).unwrap();
        let of = CoTx { pos: store.position_of(&entry).unwrap().unwrap(), transaction: 0 };
        let culprit = Some(CoTx { pos: Pos::GENESIS, transaction: 0 });
        let void = Void { reason: VoidReason::Permission, operation: 0, culprit, row: None, part: 0 };
        let tx = store.begin().unwrap();
        tx.insert_flip(of, Some(&void).filter(|_| verdict == Judged::Void)).unwrap();
        tx.commit().unwrap();
        self.replica = Replica::open(store).unwrap().unwrap();
    }

    /// Replaces the database by a copy.
    pub(crate) fn replace_database(&self, copy: &std::path::Path) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.path().display()));
        }
        std::fs::copy(copy, self.path()).unwrap();
    }

    /// Replaces the log by what it was.
    pub(crate) fn replace_log(&mut self, log: &[u8], wal: &[u8]) {
        let old = tempfile::tempdir().unwrap();
        let path = old.path().join("log.sqlite");
        std::fs::write(&path, log).unwrap();
        std::fs::write(old.path().join("log.sqlite-wal"), wal).unwrap();
        self.replica = Replica::open(Sqlite::open(&path, Durability::Normal).unwrap()).unwrap().unwrap();
        self.old_log = Some(old);
    }

    /// A connection as an application opens it.
    pub(crate) fn client(&self) -> Connection {
        assert!(self.server.is_none(), "the test is for SQLite alone");
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        connection
    }

    /// Runs statements as an application does, one transaction each.
    pub(crate) fn run(&self, sql: &str) {
        if let Some(server) = &self.server {
            return server.run(sql);
        }
        self.client().execute_batch(sql).unwrap();
    }

    /// Stops the sidecar and starts it again.
    pub(crate) fn restart(&mut self) -> Result<(), DatabaseError> {
        self.stop();
        self.start(Place::Same)
    }

    /// Stops the sidecar, with whatever it had not finished.
    pub(crate) fn stop(&mut self) {
        self.application = None;
    }

    pub(crate) fn start(&mut self, place: Place) -> Result<(), DatabaseError> {
        let schema = self.schema.clone();
        let owner = self.owner(&schema);
        let database = self.open(Missing::Refused)?;
        let application = Application::open(database, &owner, place, &mut link(&mut self.replica, &mut self.keys))?;
        self.application = Some(application);
        Ok(())
    }

    pub(crate) fn with<T>(&mut self, work: impl FnOnce(&mut Application, &mut ReplicaLink<'_>) -> T) -> T {
        let mut link = link(&mut self.replica, &mut self.keys);
        work(self.application.as_mut().unwrap(), &mut link)
    }

    pub(crate) fn drain(&mut self) -> Drained {
        self.with(|application, link| application.drain(link)).unwrap()
    }

    /// Applies until there is nothing left to apply.
    pub(crate) fn apply(&mut self) -> Vec<Applied> {
        let mut all = Vec::new();
        loop {
            let applied = self.with(|application, link| application.apply(link)).unwrap();
            let is_last = applied.is_last;
            all.push(applied);
            if is_last {
                return all;
            }
        }
    }

    /// Looks for commits; marks what could not be marked before.
    pub(crate) fn look(&mut self) {
        self.with(|application, _| application.look()).unwrap();
    }

    pub(crate) fn audit(&mut self) -> u64 {
        self.with(|application, link| application.audit(link)).unwrap()
    }

    /// Everything in the log, parents first.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        entries_of(&self.replica)
    }

    /// Takes what another node has.
    pub(crate) fn pull(&mut self, other: &TestNode) {
        let outcome = self.replica.ingest(other.entries()).unwrap();
        assert!(outcome.refused.is_empty() && outcome.parked.is_empty(), "{outcome:?}");
    }

    /// Answers a query as text: rows by line, columns by `|`.
    pub(crate) fn ask(&self, sql: &str) -> String {
        if let Some(server) = &self.server {
            return server.ask(sql);
        }
        let connection = self.client();
        let mut statement = connection.prepare(sql).unwrap();
        let count = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let cell = |index| match row.get_ref(index).unwrap() {
                rusqlite::types::ValueRef::Null => "-".to_owned(),
                rusqlite::types::ValueRef::Integer(integer) => integer.to_string(),
                rusqlite::types::ValueRef::Real(real) => format!("{real:?}"),
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                rusqlite::types::ValueRef::Blob(bytes) => format!("x{bytes:?}"),
            };
            lines.push((0..count).map(cell).collect::<Vec<_>>().join("|"));
        }
        lines.join("\n")
    }

    /// Checks that the tables hold exactly what the log says at the version that they show, and hold every foreign key.
    pub(crate) fn check_tables(&mut self) {
        for (index, table) in self.schema.clone().tables().iter().enumerate() {
            assert_eq!(self.table_rows(table), self.log_rows(index), "table {}", table.name);
        }
        if self.server.is_none() {
            assert_eq!(self.ask("SELECT * FROM pragma_foreign_key_check"), "", "references that dangle");
        }
    }

    /// Checks that rows which differ from the log have a line in the queue.
    pub(crate) fn check_nothing_missed(&mut self) {
        for (index, table) in self.schema.clone().tables().iter().enumerate() {
            let (found, expected) = (self.table_rows(table), self.log_rows(index));
            for row in found.symmetric_difference(&expected) {
                let id = row.split('|').nth(table.id_column).unwrap();
                let line = format!(
                    "SELECT count(*) > 0 FROM treaty_queue WHERE table_name = '{}' AND row_id = '{id}'",
                    table.name
                );
                assert_eq!(self.ask(&line), "1", "row {row} of {} is not in the queue", table.name);
            }
        }
    }

    /// The rows of a table of the database.
    fn table_rows(&self, table: &Table) -> BTreeSet<String> {
        let columns: Vec<String> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let found = self.ask(&format!("SELECT {} FROM \"{}\"", columns.join(", "), table.name));
        found.lines().map(str::to_owned).collect()
    }

    /// The rows that the tables should show, by the log.
    fn log_rows(&mut self, table: usize) -> BTreeSet<String> {
        let shown = self.with(|application, _| application.shown()).unwrap();
        let rows = self.replica.page_of_rows(table, &shown, None, usize::MAX).unwrap();
        rows.into_iter()
            .map(|(_, row)| {
                let cells = row.cells.iter().map(|cell| cell.as_ref().map_or("-".into(), show));
                cells.collect::<Vec<String>>().join("|")
            })
            .collect()
    }

    /// Checks that the tables hold exactly what the log holds, all of it committed.
    pub(crate) fn check_settled(&mut self) {
        let shown = self.with(|application, _| application.shown()).unwrap();
        assert_eq!(shown, self.replica.newest().unwrap());
        self.check_tables();
        for table in self.schema.tables() {
            let count = self.ask(&format!("SELECT count(*) FROM \"{}\" WHERE treaty_status = 'pending'", table.name));
            assert_eq!(count, "0", "pending rows of {}", table.name);
        }
        assert_eq!(self.with(|application, _| application.waiting()).unwrap(), 0);
    }
}

/// Everything in a log, parents first.
pub(crate) fn entries_of(replica: &Replica) -> Vec<Entry> {
    let (index, store) = (replica.index(), replica.store());
    let all = index.difference(&index.whole(), &Past::EMPTY).collect(store).unwrap();
    all.into_iter().map(|pos| Entry::new(store.header(pos).unwrap(), store.payload(pos).unwrap()).unwrap()).collect()
}

/// Drains, exchanges and applies until both nodes show everything.
pub(crate) fn sync(a: &mut TestNode, b: &mut TestNode) {
    a.drain();
    b.drain();
    a.pull(b);
    b.pull(a);
    a.apply();
    b.apply();
    assert_eq!(a.replica.frontier(), b.replica.frontier());
    assert_eq!(a.replica.digest().unwrap(), b.replica.digest().unwrap());
}

/// A verdict that a test makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    Live,
    Void,
}

/// A row id that says which one it is.
pub(crate) fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

const NOW: u64 = 1_700_000_000_000;

fn fresh_uuid(seed: &mut u8) -> [u8; 16] {
    *seed += 1;
    let mut uuid = [*seed; 16];
    uuid[6] = 0x40;
    uuid[8] = 0x80;
    uuid
}

fn link<'l>(replica: &'l mut Replica, keys: &'l mut Keystore) -> ReplicaLink<'l> {
    ReplicaLink { replica, keys, now_ms: NOW }
}

fn show(value: &treaty_schema::Value) -> String {
    use treaty_schema::Value;
    match value {
        Value::Boolean(boolean) => u8::from(*boolean).to_string(),
        Value::Double(double) => format!("{:?}", double.as_f64()),
        Value::Bytes(bytes) => format!("x{:?}", bytes.as_slice()),
        other => other.to_text(),
    }
}
