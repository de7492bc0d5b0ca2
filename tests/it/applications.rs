//! Applications that know nothing of Treaty write through their own libraries; everything arrives, whole and in order.

use treaty_tests::{Kind, Node, Pair, Sidecar, python, wait_in_step, wait_until};

use crate::offline::two_editors;
use crate::quick_start::admit;

/// The most memory a sidecar may hold, however long the log.
const MEMORY_BYTES_MAX: u64 = 200 << 20;

/// What one application writes: library, rows, rows in a transaction.
const WORK: [(&str, u64, u64); 4] =
    [("sqlite3", 10_000, 1), ("sqlalchemy", 10_000, 10), ("sqlite3", 30_000, 10), ("sqlalchemy", 50_000, 1_000)];

treaty_tests::on_each_database!(a_hundred_thousand_rows_arrive_complete_atomic_and_in_order,);

fn a_hundred_thousand_rows_arrive_complete_atomic_and_in_order(kind: Kind) {
    let (first, second) = two_editors(Pair { first: Kind::Sqlite, second: kind }, "");
    let third = Node::on(kind);
    admit(&first, &third);
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    let mut total = 0;
    for (work_index, (library, row_count, size)) in WORK.into_iter().enumerate() {
        let tag = format!("{library} {work_index}");
        write_and_watch(&first, &second, &[library, &tag, &row_count.to_string(), &size.to_string()]);
        total += row_count;
    }
    wait_in_step(&[&first, &second]);
    assert_eq!(second.value("SELECT count(*) FROM items"), total.to_string());
    assert_eq!(first.table("items"), second.table("items"));

    let ticket = first.run(&["invite"])["ticket"].as_str().expect("a ticket").to_owned();
    third.run(&["join", &ticket, "--database", &third.url()]);
    let up_third = third.up(&[up_first.listen()]);
    wait_in_step(&[&first, &second, &third]);
    assert_eq!(first.table("items"), third.table("items"));
    for sidecar in [&up_first, &up_second, &up_third] {
        check_memory(sidecar);
    }
}

/// Runs the application on `source` and, until its last row is there, checks that `target` shows whole transactions only,
/// and none without those before it.
fn write_and_watch(source: &Node, target: &Node, work: &[&str; 4]) {
    let [library, tag, row_count, size] = work;
    let database = source.application_url();
    let mut application =
        python("writer.py", &[library, &database, tag, row_count, size]).spawn().expect("Python starts");
    let size: u64 = size.parse().expect("a number");
    // One statement is one snapshot: rows seen, transactions seen, the last transaction's number plus one.
    let query = format!(
        "SELECT count(*), count(DISTINCT amount), coalesce(max(amount) + 1, 0) FROM items WHERE note = '{tag}'"
    );
    wait_until("the last row is there", || {
        let seen = target.value(&query);
        let counts: Vec<u64> = seen.split('|').map(|count| count.parse().expect("a count")).collect();
        let (rows, transactions, last) = (counts[0], counts[1], counts[2]);
        assert_eq!(rows, transactions * size, "{tag}: a transaction was seen in part");
        assert_eq!(transactions, last, "{tag}: a transaction was seen before an earlier one");
        rows.to_string() == **row_count
    });
    let status = application.wait().expect("the child is ours");
    assert!(status.success(), "{library} ended with {status}");
}

fn check_memory(sidecar: &Sidecar) {
    if let Some(bytes) = sidecar.memory_bytes_peak() {
        assert!(bytes < MEMORY_BYTES_MAX, "the sidecar held {} MiB", bytes >> 20);
    }
}
