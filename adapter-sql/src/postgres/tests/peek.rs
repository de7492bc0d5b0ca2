//! Reading beside a sidecar: what is read, and from where.

use treaty_testkit::PostgresServer;

use super::database;
use crate::config::DatabaseUrl;
use crate::peek::{self, PageMax, Peek, PeekError};

const NONE: [u64; 0] = [];
const PAGE: PageMax = PageMax { reports: 500, bytes: 1 << 20 };

/// An empty database, and what runs SQL in it as its owner.
fn empty() -> (DatabaseUrl, impl Fn(&str)) {
    let (name, _) = database();
    let server = PostgresServer::shared();
    let url = format!("postgres:///{name}?host={}&port={}&user={name}", server.folder(), server.port());
    let run = move |sql: &str| drop(server.psql(&name, &name, sql).unwrap());
    (DatabaseUrl::parse(&url).unwrap(), run)
}

/// One with Treaty's bookkeeping and a row of state.
fn installed() -> (DatabaseUrl, impl Fn(&str)) {
    let (url, run) = empty();
    run(&treaty_ddl::sql::postgres::bookkeeping());
    run(&format!(
        "INSERT INTO treaty.state (space, identity, instance, schema, shown) VALUES ('', '', '', '', '{}')",
        "07".repeat(32)
    ));
    (url, run)
}

fn add_reports(run: &impl Fn(&str), count: u32, message_bytes: u32) {
    run(&format!(
        "INSERT INTO treaty.rollbacks (table_name, row_id, operation, author, lost, reason, message, noticed)
         SELECT 'notes', gen_random_uuid(), 'update', 'id1', '{{\"title\": \"x\"}}', 'refused', repeat('m', {message_bytes}),
         '2031-05-17 14:00:00.25+02' FROM generate_series(1, {count})"
    ));
}

fn cursors(peek: &mut dyn Peek, after: u64, page: PageMax) -> Vec<u64> {
    peek.rollbacks(after, page).unwrap().iter().map(|report| report.cursor).collect()
}

#[test]
fn a_database_without_treaty_is_told_from_one_that_is_not_there() {
    let (url, _) = empty();
    assert!(!peek::is_installed(&url).unwrap());
    assert!(matches!(peek::open(&url), Err(PeekError::NotInstalled { .. })));
    let gone = DatabaseUrl::parse("postgres://u:hunter2@127.0.0.1:1/d").unwrap();
    let error = peek::open(&gone).err().unwrap();
    assert!(matches!(error, PeekError::Open { .. }));
    let debug = format!("{error:?}");
    let words = format!("{debug} {:#}", anyhow::Error::new(error));
    assert!(words.contains("postgres://u@127.0.0.1:1/d") && !words.contains("hunter2"), "{words}");
}

#[test]
fn state_counts_rows_that_wait_and_reports_that_stand() {
    let (url, run) = installed();
    assert!(peek::is_installed(&url).unwrap());
    let mut peek = peek::open(&url).unwrap();
    run(
        "INSERT INTO treaty.queue (table_name, row_id, view) SELECT 'notes', i, 0 FROM (SELECT gen_random_uuid()) r (i), \
         generate_series(1, 3)",
    );
    add_reports(&run, 3, 1);
    run("UPDATE treaty.rollbacks SET reinstated = now() WHERE cursor = 2");
    let state = peek.state().unwrap();
    assert_eq!((state.queued, state.rollbacks), (1, 2));
    assert_eq!(state.shown.ids().iter().map(ToString::to_string).collect::<Vec<_>>(), ["07".repeat(32)]);
    assert_eq!(peek.rollbacks_by_reason(0).unwrap(), (vec![("refused".to_owned(), 2)], 3));
    assert_eq!(peek.rollbacks_by_reason(3).unwrap(), (vec![], 3));
    run("UPDATE treaty.state SET shown = 'x'");
    assert!(matches!(peek.state(), Err(PeekError::Damaged { .. })));
}

#[test]
fn reports_come_in_pages_and_a_cursor_from_elsewhere_is_found_out() {
    let (url, run) = installed();
    let mut peek = peek::open(&url).unwrap();
    assert_eq!(cursors(&mut *peek, 0, PAGE), NONE);
    assert!(matches!(peek.rollbacks(1, PAGE), Err(PeekError::Ahead { after: 1, last: 0 })));
    add_reports(&run, 5, 1_000);
    assert_eq!(cursors(&mut *peek, 0, PageMax { reports: 2, ..PAGE }), [1, 2]);
    assert_eq!(cursors(&mut *peek, 2, PageMax { bytes: 1_500, ..PAGE }), [3, 4]);
    assert_eq!(cursors(&mut *peek, 4, PageMax { bytes: 1, ..PAGE }), [5]);
    assert_eq!(cursors(&mut *peek, 5, PAGE), NONE);
    assert!(matches!(peek.rollbacks(6, PAGE), Err(PeekError::Ahead { after: 6, last: 5 })));
    let report = &peek.rollbacks(4, PAGE).unwrap()[0];
    assert_eq!((report.noticed.as_str(), report.lost.get()), ("2031-05-17T12:00:00.250Z", r#"{"title": "x"}"#));
    // Cursors that were given and deleted since are no strangers.
    run("DELETE FROM treaty.rollbacks");
    assert_eq!(cursors(&mut *peek, 5, PAGE), NONE);
}

#[test]
fn reading_goes_on_after_the_server_has_ended_the_session() {
    let (url, _) = installed();
    let mut peek = peek::open(&url).unwrap();
    let DatabaseUrl::Postgres(server) = &url else { panic!("{url}") };
    PostgresServer::shared().end_sessions(server.options().unwrap().get_database().unwrap(), "true");
    assert!(matches!(peek.state(), Err(PeekError::Read { .. })));
    assert_eq!(peek.state().unwrap().queued, 0);
}

#[test]
fn http_reads_in_threads_of_its_runtime_and_may_drop_a_connection_anywhere() {
    let (url, _) = installed();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let queued = runtime.block_on(async {
        let opened = tokio::task::spawn_blocking(move || {
            let mut peek = peek::open(&url).unwrap();
            (peek.state().unwrap().queued, peek)
        });
        let (queued, peek) = opened.await.unwrap();
        drop(peek);
        queued
    });
    assert_eq!(queued, 0);
}
