//! An application consumes rollbacks: `examples/rollbacks/rollbacks.py` against real sidecars, with everything killed
//! and restarted underneath. It misses no report and handles none twice.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;
use treaty_testkit::Port;
use treaty_tests::http::get;
use treaty_tests::{Kind, Node, Pair, field, wait_in_step, wait_until};

use crate::http::Refusing;
use crate::quick_start::{NOTES, admit, join, write_note};

/// The example as its README runs it. Dropping it kills it.
struct Reader {
    child: Child,
}

impl Reader {
    fn start(address: &str, todo: &Path) -> Reader {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/rollbacks/rollbacks.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(format!("http://{address}")).arg(todo).stdout(Stdio::null());
        Reader { child: command.spawn().expect("python3 is installed") }
    }

    /// SIGKILL, wherever it is; it must not have ended by itself.
    fn kill(mut self) {
        assert_eq!(self.child.try_wait().expect("the child is ours"), None, "the reader gave up");
        self.child.kill().expect("the child is ours");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the reader has done so far: the cursors that it handled, in its own order.
fn handled(todo: &Path) -> Vec<u64> {
    let Ok(connection) = Connection::open(todo) else { return Vec::new() };
    connection.busy_timeout(std::time::Duration::from_secs(30)).expect("a pragma");
    let table = connection.query_row("SELECT 1 FROM sqlite_schema WHERE name = 'todo'", [], |_| Ok(()));
    if table.optional().expect("a database").is_none() {
        return Vec::new();
    }
    let mut statement = connection.prepare("SELECT cursor FROM todo ORDER BY id").expect("the table is there");
    let cursors = statement.query_map([], |row| row.get::<_, i64>(0)).expect("a query");
    cursors.map(|cursor| cursor.expect("a cursor").unsigned_abs()).collect()
}

/// The to-dos that the reader has made so far.
fn texts(todo: &Path) -> Vec<String> {
    if handled(todo).is_empty() {
        return Vec::new();
    }
    let connection = Connection::open(todo).expect("it was there");
    let mut statement = connection.prepare("SELECT text FROM todo ORDER BY id").expect("the table is there");
    let texts = statement.query_map([], |row| row.get(0)).expect("a query");
    texts.map(|text| text.expect("text")).collect()
}

fn reported(node: &Node) -> Vec<u64> {
    let lines = node.rows("SELECT cursor FROM treaty_rollbacks ORDER BY cursor");
    lines.iter().map(|cursor| cursor.parse().expect("a number")).collect()
}

/// Rooms, bookings, and who may book.
const ROOMS: &str = include_str!("../../schema-examples/room-booking/schema.sql");

treaty_tests::on_every_pair!(
    both_nodes_tell_their_readers_of_a_booking_that_lost_and_to_whom,
    a_reader_learns_that_what_was_rolled_back_counts_after_all,
);

fn both_nodes_tell_their_readers_of_a_booking_that_lost_and_to_whom(pair: Pair) {
    let (steward, resident) = pair.nodes();
    steward.init(ROOMS);
    let who = resident.identity();
    steward.sql(&format!("INSERT INTO residents (who, name) VALUES ('{who}', 'Resident')"));
    join(&steward, &resident);
    for (node, purpose) in [(&steward, "inspection"), (&resident, "party")] {
        let holder = node.identity();
        node.sql(&format!(
            "INSERT INTO bookings (room_id, day, slot, holder, purpose)
             SELECT id, '2026-12-31', 40, '{holder}', '{purpose}' FROM rooms WHERE name = 'Library'"
        ));
    }
    let up_steward = steward.up(&[]);
    let up_resident = resident.up(&[up_steward.listen()]);
    for (node, sidecar) in [(&steward, &up_steward), (&resident, &up_resident)] {
        let todo = node.folder().join("todo.db");
        let reader = Reader::start(sidecar.http(), &todo);
        wait_until("the reader is told", || handled(&todo) == [1]);
        reader.kill();
        let report = get(sidecar.http(), "/v1/rollbacks").json()["rollbacks"][0].clone();
        assert_eq!((field(&report, "reason"), field(&report, "author")), ("unique", who.as_str()));
        assert_eq!((&report["lost"]["purpose"], &report["reinstated"]), (&Value::from("party"), &Value::Null));
        let row = field(&report, "row");
        let void = node.run(&["log", "--table", "bookings", "--row", row]);
        assert_eq!((field(&void, "verdict"), &void["culprit"]), ("void", &report["culprit"]));
        assert_eq!((&void["entry"], &void["message"]), (&report["entry"], &report["message"]));
        let winner = node.value("SELECT id FROM bookings");
        let live = node.run(&["log", "--table", "bookings", "--row", &winner]);
        assert_eq!((field(&live, "verdict"), &live["entry"]), ("live", &report["culprit"]));
        assert_eq!(node.value("SELECT purpose FROM bookings"), "inspection");
    }
    wait_in_step(&[&steward, &resident]);
    up_steward.stop();
    up_resident.stop();
    for node in [&steward, &resident] {
        let verified = node.run(&["verify"]);
        assert_eq!((&verified["ok"], field(&verified, "judged_by")), (&Value::Bool(true), "oracle"), "{verified}");
    }
    assert_eq!(steward.verified_digest(), resident.verified_digest());
    // The state is the same for another reason; the reference evaluator alone knows better.
    let log = Connection::open(resident.data().join("log.sqlite")).expect("the log is there");
    log.execute_batch("UPDATE cotx_void SET reason = (reason + 1) % 3").expect("it is SQLite");
    let output = resident.try_run(&["verify"]);
    let verified: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    let problem = verified["problems"][0].as_str().unwrap_or_default();
    assert!(problem.contains("by the reference evaluator void (unique"), "{verified}");
}

fn a_reader_learns_that_what_was_rolled_back_counts_after_all(pair: Pair) {
    let (anna, ben, cara) = pair.three();
    anna.init(NOTES);
    anna.sql(&format!("INSERT INTO members (who, role) VALUES ('{}', 'admin')", ben.identity()));
    admit(&anna, &cara);
    join(&anna, &ben);
    join(&anna, &cara);
    // All apart: Ben, an administrator, dismisses Cara, who writes; Anna, who appointed him, dismisses Ben.
    ben.sql(&format!("DELETE FROM members WHERE who = '{}'", cara.identity()));
    write_note(&cara, "from Cara");
    anna.sql(&format!("DELETE FROM members WHERE who = '{}'", ben.identity()));

    let todo = cara.folder().join("todo.db");
    let up_ben = ben.up(&[]);
    wait_until("Ben's side has signed it", || ben.status()["waiting"] == 0);
    let up_cara = cara.up(&[up_ben.listen()]);
    let reader = Reader::start(up_cara.http(), &todo);
    wait_until("Cara's reader hears of it", || texts(&todo).len() == 1);
    assert!(texts(&todo)[0].contains("was rolled back") && texts(&todo)[0].contains("from Cara"), "{:?}", texts(&todo));
    assert_eq!(cara.value("SELECT count(*) FROM notes"), "0");
    reader.kill();
    up_cara.stop();
    up_ben.stop();

    let up_anna = anna.up(&[]);
    let up_cara = cara.up(&[up_anna.listen()]);
    let reader = Reader::start(up_cara.http(), &todo);
    wait_until("Cara's reader hears that it counts", || texts(&todo).iter().any(|text| text.contains("after all")));
    reader.kill();
    wait_in_step(&[&anna, &cara]);
    for node in [&anna, &cara] {
        assert_eq!(node.value("SELECT title FROM notes"), "from Cara");
    }
    assert_eq!(handled(&todo), reported(&cara));
    // What stands is Ben's dismissal of Cara, rolled back.
    let standing = cara.rows("SELECT table_name, operation, author FROM treaty_rollbacks WHERE reinstated IS NULL");
    assert_eq!(standing, [format!("members|delete|{}", ben.identity())]);
    assert_eq!(cara.status()["rollbacks"], 1);
    up_anna.stop();
    up_cara.stop();
    assert_eq!(anna.verified_digest(), cara.verified_digest());
}

treaty_tests::on_each_database!(
    the_command_line_follows_reports_too,
    a_reader_killed_again_and_again_misses_no_report_and_doubles_none,
);

fn the_command_line_follows_reports_too(kind: Kind) {
    let refusing = Refusing::new(kind);
    let sidecar = refusing.node.up(&[]);
    refusing.refuse("first");
    wait_until("the first is reported", || reported(&refusing.node) == [1]);
    let mut command = refusing.node.command(&["rollbacks", "--after", "1", "--follow", "--json"]);
    let mut following = Reader { child: command.stdout(Stdio::piped()).spawn().expect("the binary starts") };
    let mut lines = BufReader::new(following.child.stdout.take().expect("piped")).lines();
    for (cursor, title) in [(2, "second"), (3, "third")] {
        refusing.refuse(title);
        let line = lines.next().expect("it goes on").expect("text");
        let report: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&report["cursor"], &report["lost"]["title"]), (&Value::from(cursor), &Value::from(title)));
    }
    following.kill();
    sidecar.stop();
}

/// How often the reader is killed; every third time the sidecar is, too.
const ROUNDS: u64 = 15;

/// Writes that the reader need not have handled yet.
const AHEAD_MAX: u64 = 100;

fn a_reader_killed_again_and_again_misses_no_report_and_doubles_none(kind: Kind) {
    let refusing = Refusing::new(kind);
    let node = &refusing.node;
    let todo: PathBuf = node.folder().join("todo.db");
    let port = Port::claim();
    let address = port.address();
    let (is_over, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let number = written.fetch_add(1, Ordering::SeqCst) + 1;
                refusing.refuse(&format!("note {number}"));
                // Not so far ahead that the reader's last start takes longer than all the others.
                wait_until("the writer is not far ahead", || {
                    is_over.load(Ordering::SeqCst) || (handled(&todo).len() as u64) + AHEAD_MAX > number
                });
            }
        });
        let mut sidecar = node.up_with(&["--http", &address]);
        for round in 1..=ROUNDS {
            let reader = Reader::start(&address, &todo);
            if round % 3 == 0 {
                // Under the reader: it finds the next one by itself.
                if round % 2 == 0 {
                    sidecar.stop();
                } else {
                    sidecar.kill();
                }
                sidecar = node.up_with(&["--http", &address]);
            }
            let before = handled(&todo).len();
            wait_until("the reader goes on", || handled(&todo).len() > before);
            reader.kill();
        }
        is_over.store(true, Ordering::SeqCst);
        let reader = Reader::start(&address, &todo);
        wait_until("everything is in the log or reported", || node.status()["waiting"] == 0);
        wait_until("the reader is through", || handled(&todo).len() >= reported(node).len());
        reader.kill();
        sidecar.stop();
    });
    let count = written.load(Ordering::SeqCst);
    assert!(count > ROUNDS, "somebody wrote all along: {count}");
    assert_eq!(handled(&todo), reported(node), "every report once, in order");
    // One of each write: nothing was lost between the write and its report either.
    assert_eq!(node.value("SELECT count(DISTINCT lost ->> 'title') FROM treaty_rollbacks"), count.to_string());
    assert_eq!(reported(node).len() as u64, count);
    assert_eq!(node.value("SELECT count(*) FROM notes"), "0");
}
