//! The queue and the rows that lines name, read and locked beside other sessions.

use std::collections::BTreeSet;

use super::{Installed, row_id, texts};
use crate::capture::{Line, Said, ShownRow};
use crate::database::{SeqRanges, StoredId, WriteScope};
use crate::postgres::session::doing;
use crate::postgres::{queue, rows, scope, sweep};

const NOTES: &str = "
CREATE TABLE notes (id UUID PRIMARY KEY, title TEXT);
CREATE TABLE tags (id UUID PRIMARY KEY, name TEXT);
";

fn insert(table: &str, id: u8) -> String {
    format!("INSERT INTO {table} (id) VALUES ('{}');", row_id(id))
}

fn read(installed: &mut Installed) -> Vec<Line> {
    let Installed { session, tables, .. } = installed;
    scope::begin_read(session).unwrap();
    let queue = queue::read(session, tables).unwrap();
    session.rollback();
    assert!(!queue.is_cut && queue.nameless.is_empty());
    queue.lines
}

/// The rows of lines, by transaction.
fn shown(lines: &[Line]) -> Vec<Vec<u8>> {
    let parts = lines.chunk_by(|before, after| before.transaction == after.transaction);
    let row = |line: &Line| match line.said {
        Said::Touched(row) => row.id.0[0],
        Said::Mark => 0,
    };
    parts.map(|part| part.iter().map(row).collect()).collect()
}

#[test]
fn lines_of_a_transaction_come_together_in_the_order_of_last_lines() {
    let mut installed = Installed::new(NOTES);
    let mut other = installed.other();
    other.begin("BEGIN").map_err(doing("x")).unwrap();
    other.script(&format!("SET search_path = public; {}", insert("notes", 1))).map_err(doing("x")).unwrap();
    installed.run(&insert("notes", 2));
    assert_eq!(shown(&read(&mut installed)), [[2]]);
    other.script(&insert("tags", 3)).map_err(doing("x")).unwrap();
    other.commit().map_err(doing("x")).unwrap();
    installed.run(&insert("notes", 4));
    assert_eq!(shown(&read(&mut installed)), [vec![2], vec![1, 3], vec![4]]);
}

#[test]
fn lines_that_were_not_read_stay_even_between_those_that_were() {
    let mut installed = Installed::new(NOTES);
    installed.run(&insert("notes", 1));
    let mut other = installed.other();
    other.begin("BEGIN").map_err(doing("x")).unwrap();
    other.script(&format!("SET search_path = public; {}", insert("notes", 2))).map_err(doing("x")).unwrap();
    installed.run(&insert("notes", 3));
    let taken = SeqRanges::of(read(&mut installed).iter().map(|line| line.seq));
    other.commit().map_err(doing("x")).unwrap();

    let Installed { session, tables, .. } = &mut installed;
    let rows = [2, 3].map(|number| ShownRow { table: 0, id: row_id(number) });
    let mut touched =
        |rows: &[ShownRow], seen: &SeqRanges| queue::touched_outside(session, tables, rows, seen).unwrap();
    assert_eq!(touched(&rows, &taken), BTreeSet::from([rows[0]]));
    assert_eq!(touched(&rows, &SeqRanges::default()), BTreeSet::from(rows));
    assert_eq!(touched(&rows[1..], &taken), BTreeSet::new());
    assert_eq!(queue::remove(session, &taken).unwrap(), 2);
    let mut touched = |rows: &[ShownRow]| queue::touched_outside(session, tables, rows, &SeqRanges::default()).unwrap();
    assert_eq!(touched(&rows), BTreeSet::from([rows[0]]));
    assert_eq!(touched(&[ShownRow { table: 1, id: row_id(2) }]), BTreeSet::new());
    assert_eq!(queue::waiting(session).unwrap(), 1);
    assert_eq!(shown(&read(&mut installed)), [[2]]);
}

#[test]
fn a_line_tells_author_view_and_time() {
    let mut installed = Installed::new(NOTES);
    let author = "id1aedqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqpl3o37na";
    installed.run(&format!("SET treaty.author = '{author}'; {}", insert("notes", 1)));
    installed.run("UPDATE treaty.state SET view = 7");
    installed.run(&insert("notes", 2));
    let Installed { session, tables, .. } = &mut installed;
    scope::begin_read(session).unwrap();
    let queue = queue::read(session, tables).unwrap();
    assert_eq!(queue.authors, [author]);
    let told: Vec<_> = queue.lines.iter().map(|line| (line.author, line.view)).collect();
    assert_eq!(told, [(Some(0), 0), (None, 7)]);
    assert!(queue.lines[0].at_ms > 1_700_000_000_000 && queue.lines[0].at_ms <= queue.lines[1].at_ms);
    assert!(queue.lines[0].transaction > 0 && queue.lines[0].transaction < queue.lines[1].transaction);
}

#[test]
fn truncate_is_the_deletion_of_each_row() {
    let mut installed = Installed::new(NOTES);
    installed.run(&format!("{}{}", insert("notes", 1), insert("notes", 2)));
    let before = SeqRanges::of(read(&mut installed).iter().map(|line| line.seq));
    queue::remove(&mut installed.session, &before).unwrap();
    installed.run("TRUNCATE notes");
    assert_eq!(shown(&read(&mut installed)), [[1, 2]]);
}

#[test]
fn rows_are_appended_and_counted() {
    let mut installed = Installed::new(NOTES);
    installed.run(&format!("{}{}", insert("notes", 1), insert("notes", 2)));
    let Installed { session, tables, .. } = &mut installed;
    session.script("DELETE FROM treaty.queue").map_err(doing("x")).unwrap();
    assert!(queue::is_empty(session).unwrap());
    assert_eq!(queue::append_all(session, &tables[0]).unwrap(), 2);
    queue::append(session, &tables[1], &[StoredId::of(row_id(5))], None).unwrap();
    assert_eq!(queue::ids(session, &tables[1]).unwrap(), BTreeSet::from([row_id(5).to_string()]));
    assert_eq!(queue::waiting(session).unwrap(), 3);
}

#[test]
fn rows_that_somebody_else_has_are_told_without_waiting() {
    let mut installed = Installed::new(NOTES);
    installed.run(&format!("{}{}{}", insert("notes", 1), insert("notes", 2), insert("tags", 3)));
    let mut other = installed.other();
    other.begin("BEGIN").map_err(doing("x")).unwrap();
    let held = format!("UPDATE public.notes SET title = 'x' WHERE id = '{}'", row_id(1));
    other.script(&held).map_err(doing("x")).unwrap();
    let all = [(0, 1), (0, 2), (0, 9), (1, 3)].map(|(table, id)| ShownRow { table, id: row_id(id) });
    let Installed { session, tables, .. } = &mut installed;
    scope::begin_write(session, tables, WriteScope::Bookkeeping).unwrap();
    assert_eq!(rows::hold(session, tables, &all).unwrap(), BTreeSet::from([all[0]]));
    session.rollback();
    other.rollback();
    scope::begin_write(session, tables, WriteScope::Bookkeeping).unwrap();
    assert_eq!(rows::hold(session, tables, &all).unwrap(), BTreeSet::new());
    // Who is held cannot be written.
    other.script("SET lock_timeout = '10ms'").map_err(doing("x")).unwrap();
    assert!(other.script(&held).is_err());
}

#[test]
fn everything_waits_for_writers_and_then_sees_what_they_wrote() {
    let mut installed = Installed::new(NOTES);
    let mut other = installed.other();
    other.begin("BEGIN").map_err(doing("x")).unwrap();
    other.script(&format!("SET search_path = public; {}", insert("notes", 1))).map_err(doing("x")).unwrap();
    let Installed { session, tables, .. } = &mut installed;
    let busy = scope::begin_write(session, tables, WriteScope::Everything).unwrap_err();
    assert!(matches!(busy, crate::database::DatabaseError::Busy { .. }), "{busy:?}");
    let committing = std::thread::spawn(move || other.commit().map_err(doing("x")).unwrap());
    scope::begin_write(session, tables, WriteScope::Everything).unwrap();
    committing.join().unwrap();
    assert_eq!(texts(session, "SELECT row_id::text FROM treaty.queue"), [row_id(1).to_string()]);
}

#[test]
fn a_queue_that_was_emptied_is_cleaned_up() {
    let mut installed = Installed::new(NOTES);
    installed.run("INSERT INTO notes (id) SELECT gen_random_uuid() FROM generate_series(1, 5000)");
    let all = SeqRanges::of(read(&mut installed).iter().map(|line| line.seq));
    let Installed { session, .. } = &mut installed;
    assert_eq!(queue::remove(session, &all).unwrap(), 5_000);
    sweep::vacuum(session).unwrap();
    assert_eq!(texts(session, "SELECT (pg_relation_size('treaty.queue') > 0)::text"), ["true"]);
    sweep::cut(session).unwrap();
    assert_eq!(texts(session, "SELECT pg_relation_size('treaty.queue')::text"), ["0"]);
    assert_eq!(texts(session, "SHOW statement_timeout"), ["0"]);
}

#[test]
fn a_queue_that_the_server_takes_for_empty_is_not_compared_with_itself_line_by_line() {
    let mut installed = Installed::new(NOTES);
    let fill = "INSERT INTO notes (id) SELECT gen_random_uuid() FROM generate_series(1, 5000)";
    installed.run(fill);
    let all = SeqRanges::of(read(&mut installed).iter().map(|line| line.seq));
    queue::remove(&mut installed.session, &all).unwrap();
    sweep::vacuum(&mut installed.session).unwrap();
    installed.run(fill);
    let Installed { session, .. } = &mut installed;
    let sql = "SELECT reltuples::text FROM pg_catalog.pg_class WHERE oid = 'treaty.queue'::regclass";
    assert_eq!(texts(session, sql), ["0"]);
    let ids = "(SELECT array_agg(row_id) FROM (SELECT row_id FROM treaty.queue LIMIT 2000) q)";
    let touched = [("$1", "array_fill('notes'::text, ARRAY[2000])"), ("$2", ids), ("$3", "'{}'"), ("$4", "'{}'")];
    let touched = touched.iter().fold(queue::TOUCHED.to_owned(), |sql, (name, value)| sql.replace(name, value));
    let plan = |session: &mut _, sql: &str| texts(session, &format!("EXPLAIN {sql}")).join("\n");
    let (reading, touched) = (plan(session, &queue::reading()), plan(session, &touched));
    assert!(!reading.contains("Join") && !reading.contains("Nested Loop"), "{reading}");
    assert!(touched.contains("hashed SubPlan"), "{touched}");
}

#[test]
fn a_transaction_that_no_entry_could_hold_is_read_in_parts() {
    let mut installed = Installed::new(NOTES);
    let line_count = queue::LINES_READ_MAX + 1;
    installed.run(&format!(
        "INSERT INTO treaty.queue (table_name, row_id, view) SELECT 'notes', '{}', 0 FROM generate_series(1, {line_count})",
        row_id(1)
    ));
    let Installed { session, tables, .. } = &mut installed;
    scope::begin_read(session).unwrap();
    let queue = queue::read(session, tables).unwrap();
    assert!(queue.is_cut);
    assert_eq!(i64::try_from(queue.lines.len()).unwrap(), queue::LINES_READ_MAX);
}
