//! HTTP: every route as docs/spec/openapi.json describes it, reports in order and resumable, limits, refusals, stopping.

use std::collections::BTreeSet;

use serde_json::Value;
use treaty_tests::http::{Answer, Event, Events, get, request};
use treaty_tests::openapi::Document;
use treaty_tests::{Kind, NOTES_SCHEMA, Node, Sidecar, wait_until};

/// The description that the server is held to.
fn described() -> Document {
    Document::parse(include_str!("../../docs/spec/openapi.json"))
}

/// A node whose local writes can be refused.
pub(crate) struct Refusing {
    pub(crate) node: Node,
    stranger: String,
}

impl Refusing {
    pub(crate) fn new(kind: Kind) -> Refusing {
        let node = Node::on(kind);
        node.init(NOTES_SCHEMA);
        Refusing { node, stranger: Node::new().identity() }
    }

    /// Writes a note in somebody else's name, whose key is not here: the sidecar puts it back and reports it.
    pub(crate) fn refuse(&self, title: &str) {
        self.node.sql(&format!(
            "INSERT INTO notes (writer, title, body, updated_at, treaty_author) VALUES ('x', '{title}', '', 0, '{}')",
            self.stranger
        ));
    }

    /// Reports as the database has them, without a sidecar's help.
    fn write_reports(&self, count: u32, lost: &str) {
        let (table, row) = match self.node.kind() {
            Kind::Sqlite => ("treaty_rollbacks", "'row ' || n"),
            Kind::Postgres => ("treaty.rollbacks", "gen_random_uuid()"),
        };
        self.node.owner_sql(&format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
             INSERT INTO {table} (table_name, row_id, operation, author, lost, reason, message, noticed)
             SELECT 'notes', {row}, 'insert', 'somebody', '{lost}', 'refused', 'a sentence', '2026-01-01T00:00:00.000Z'
             FROM n"
        ));
    }
}

fn wait_for_reports(sidecar: &Sidecar, count: u64) {
    wait_until("the refusal is reported", || get(sidecar.http(), "/v1/status").json()["rollbacks"] == count);
}

fn cursors(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.json();
    let reports = page["rollbacks"].as_array().expect("a list").iter();
    reports.map(|report| report["cursor"].as_u64().expect("a number")).collect()
}

treaty_tests::on_each_database!(
    every_route_is_described_and_answers_as_described,
    http_and_the_command_line_say_the_same,
    pages_are_cut_and_go_on_where_they_end,
    a_long_poll_returns_with_the_report_it_waited_for,
    a_stream_sends_reports_as_they_come_and_goes_on_after_the_last_event,
    a_reader_that_does_not_read_costs_no_memory,
    too_many_waiting_readers_are_told_so_and_others_are_served,
    metrics_are_the_documented_ones_and_count,
    it_is_served_where_told_or_not_at_all,
);

fn every_route_is_described_and_answers_as_described(kind: Kind) {
    let document = described();
    let served: BTreeSet<&str> = treaty::http::paths().collect();
    assert_eq!(served, document.paths().into_iter().collect::<BTreeSet<_>>());

    let refusing = Refusing::new(kind);
    let sidecar = refusing.node.up(&[]);
    refusing.refuse("first");
    wait_for_reports(&sidecar, 1);
    let host = ("host", sidecar.http());
    for path in &served {
        let is_stream = path.ends_with("/stream");
        if !is_stream {
            let answer = get(sidecar.http(), path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert_eq!(answer.header("cache-control"), "no-store");
            document.check(path, &answer);
            let head = request(sidecar.http(), "HEAD", path, &[host]);
            assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        }
        for (status, answer) in [
            (400, get(sidecar.http(), &format!("{path}?nonsense=1"))),
            (403, request(sidecar.http(), "GET", path, &[("host", "evil.example")])),
            (403, request(sidecar.http(), "GET", path, &[])),
            (405, request(sidecar.http(), "POST", path, &[host])),
            (405, request(sidecar.http(), "OPTIONS", path, &[host])),
        ] {
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
            document.check(path, &answer);
        }
        for name in document.parameters(path) {
            let answer = get(sidecar.http(), &format!("{path}?{name}=x"));
            assert_eq!(answer.status, 400, "{path}?{name}=x");
            document.check(path, &answer);
        }
        if path.starts_with("/v1/rollbacks") {
            let ahead = get(sidecar.http(), &format!("{path}?after=2"));
            assert_eq!((ahead.status, ahead.json()["error"].as_str()), (409, Some("cursor_ahead")), "{path}");
            document.check(path, &ahead);
        }
    }
    let mut stream = Events::open(sidecar.http(), None);
    let event = stream.next().expect("the first report");
    document.check_named("Rollback", &event.data);
    let nowhere = get(sidecar.http(), "/v2");
    assert_eq!(nowhere.status, 404);
    document.check_named("Problem", &nowhere.json());
    sidecar.stop();
    assert_eq!(stream.next(), None, "the stream ends with the sidecar, in order");
}

fn http_and_the_command_line_say_the_same(kind: Kind) {
    let refusing = Refusing::new(kind);
    let sidecar = refusing.node.up(&[]);
    refusing.refuse("first");
    wait_for_reports(&sidecar, 1);
    let page = get(sidecar.http(), "/v1/rollbacks").json();
    assert_eq!(page["rollbacks"][0], refusing.node.run(&["rollbacks"]));
    assert_eq!(Events::open(sidecar.http(), None).next(), Some(Event { id: 1, data: page["rollbacks"][0].clone() }));
    assert_eq!(page["rollbacks"][0]["lost"]["title"], "first");
    assert_eq!(get(sidecar.http(), "/v1/status").json(), refusing.node.status());
    assert_eq!(refusing.node.status()["http"], sidecar.http());
    let said = refusing.node.fails(&["rollbacks", "--after", "2"]);
    assert!(said.contains("ahead of the last report, 1"), "{said}");
    sidecar.stop();
    assert_eq!(refusing.node.status()["http"], Value::Null);
}

fn pages_are_cut_and_go_on_where_they_end(kind: Kind) {
    let refusing = Refusing::new(kind);
    let sidecar = refusing.node.up(&[]);
    refusing.write_reports(250, "{}");
    let first = get(sidecar.http(), "/v1/rollbacks");
    assert_eq!((cursors(&first), first.json()["next"].as_u64()), ((1..=100).collect(), Some(100)));
    assert_eq!(cursors(&get(sidecar.http(), "/v1/rollbacks?after=100&limit=3")), [101, 102, 103]);
    assert_eq!(cursors(&get(sidecar.http(), "/v1/rollbacks?after=200&limit=1000")), (201..=250).collect::<Vec<_>>());
    let end = get(sidecar.http(), "/v1/rollbacks?after=250");
    assert_eq!((cursors(&end), end.json()["next"].as_u64()), (vec![], Some(250)));
    // What was handled may be thrown away; cursors go on.
    refusing.node.owner_sql(match kind {
        Kind::Sqlite => "DELETE FROM treaty_rollbacks",
        Kind::Postgres => "DELETE FROM treaty.rollbacks",
    });
    assert_eq!(cursors(&get(sidecar.http(), "/v1/rollbacks?after=250")), Vec::<u64>::new());
    refusing.write_reports(1, "{}");
    assert_eq!(cursors(&get(sidecar.http(), "/v1/rollbacks?after=250")), [251]);
}

fn a_long_poll_returns_with_the_report_it_waited_for(kind: Kind) {
    let refusing = Refusing::new(kind);
    let sidecar = refusing.node.up(&[]);
    assert_eq!(cursors(&get(sidecar.http(), "/v1/rollbacks?wait=1")), Vec::<u64>::new());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| get(sidecar.http(), "/v1/rollbacks?wait=55"));
        wait_until("somebody waits", || metric(&sidecar, "treaty_http_waiting") == "1");
        refusing.refuse("first");
        assert_eq!(cursors(&waiting.join().expect("it was answered")), [1]);
    });
    wait_until("nobody waits", || metric(&sidecar, "treaty_http_waiting") == "0");
    sidecar.stop();
}

fn a_stream_sends_reports_as_they_come_and_goes_on_after_the_last_event(kind: Kind) {
    let refusing = Refusing::new(kind);
    let sidecar = refusing.node.up(&[]);
    let mut stream = Events::open(sidecar.http(), None);
    for title in ["first", "second", "third"] {
        refusing.refuse(title);
        let event = stream.next().expect("a report");
        assert_eq!(event.data["lost"]["title"], title);
        assert_eq!(event.data["cursor"], event.id);
    }
    drop(stream);
    let mut again = Events::open(sidecar.http(), Some(1));
    assert_eq!([again.next().map(|event| event.id), again.next().map(|event| event.id)], [Some(2), Some(3)]);
    drop(again);
    wait_until("readers that went away are noticed", || metric(&sidecar, "treaty_http_waiting") == "0");
    sidecar.stop();
}

fn a_reader_that_does_not_read_costs_no_memory(kind: Kind) {
    let refusing = Refusing::new(kind);
    let sidecar = refusing.node.up(&[]);
    let before = sidecar.memory_bytes_peak();
    // 50 MB of reports, with line ends where JSON allows them.
    let lost = format!("{{\n\"title\":\r\n\"{}\"}}", "x".repeat(10_000));
    refusing.write_reports(5_000, &lost);
    let mut stalled: Vec<Events> = (0..4).map(|_| Events::open(sidecar.http(), None)).collect();
    let mut after = 0;
    while after < 5_000 {
        let page = get(sidecar.http(), &format!("/v1/rollbacks?after={after}&limit=1000"));
        assert!(page.body.len() < 1 << 20, "a page ends: {} bytes", page.body.len());
        after = page.json()["next"].as_u64().expect("a cursor");
    }
    if let (Some(before), Some(now)) = (before, sidecar.memory_bytes_peak()) {
        assert!(now - before < 30 << 20, "{} MiB more", (now - before) >> 20);
    }
    for stream in &mut stalled {
        let event = stream.next().expect("they are served when they read");
        assert_eq!((event.id, event.data["lost"]["title"].as_str().map(str::len)), (1, Some(10_000)));
    }
    sidecar.stop();
}

fn too_many_waiting_readers_are_told_so_and_others_are_served(kind: Kind) {
    let refusing = Refusing::new(kind);
    let sidecar = refusing.node.up(&[]);
    let waiting: Vec<Events> =
        (0..treaty::http::limits::WAITERS_MAX).map(|_| Events::open(sidecar.http(), None)).collect();
    for path in ["/v1/rollbacks/stream", "/v1/rollbacks?wait=1"] {
        let refused = get(sidecar.http(), path);
        assert_eq!((refused.status, refused.json()["error"].as_str()), (503, Some("too_many_waiting")));
        assert_eq!(refused.header("retry-after"), "1");
        described().check(path.split('?').next().unwrap_or_default(), &refused);
    }
    for path in ["/healthz", "/v1/status", "/metrics", "/v1/rollbacks"] {
        assert_eq!(get(sidecar.http(), path).status, 200, "{path}");
    }
    drop(waiting);
    wait_until("there is room again", || get(sidecar.http(), "/v1/rollbacks?wait=1").status == 200);
    sidecar.stop();
}

fn metrics_are_the_documented_ones_and_count(kind: Kind) {
    let refusing = Refusing::new(kind);
    let sidecar = refusing.node.up(&[]);
    refusing.refuse("first");
    wait_for_reports(&sidecar, 1);
    let identity = refusing.node.identity();
    refusing
        .node
        .sql(&format!("INSERT INTO notes (writer, title, body, updated_at) VALUES ('{identity}', 'stands', '', 0)"));
    wait_until("the note is in the log", || metric(&sidecar, "treaty_imported_operations_total") == "1");
    assert_eq!(metric(&sidecar, "treaty_rollbacks_total{reason=\"refused\"}"), "1");
    assert_eq!(metric(&sidecar, "treaty_refused_transactions_total"), "1");
    assert_eq!(metric(&sidecar, "treaty_entries"), "2");
    assert_eq!(metric(&sidecar, "treaty_batch_seconds_count"), "2");
    assert_eq!(metric(&sidecar, "treaty_batch_seconds_bucket{le=\"+Inf\"}"), "2");

    let page = get(sidecar.http(), "/metrics");
    assert_eq!(page.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let told: BTreeSet<&str> =
        page.text().lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let table = include_str!("../../docs/spec/http.md").split("## Metrics").nth(1).expect("they are documented");
    let words = table.split('`').filter(|word| word.starts_with("treaty_"));
    assert_eq!(told, words.collect::<BTreeSet<_>>());
    for line in page.text().lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        assert!(value.parse::<f64>().is_ok() && told.iter().any(|known| name.starts_with(known)), "{line}");
    }
    sidecar.stop();
}

/// The value of a sample, by its name and labels.
fn metric(sidecar: &Sidecar, name: &str) -> String {
    let page = get(sidecar.http(), "/metrics");
    let found = page.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    assert!(found.is_some(), "no {name} in {}", page.text());
    found.unwrap_or_default().to_owned()
}

fn it_is_served_where_told_or_not_at_all(kind: Kind) {
    let node = Node::on(kind);
    node.init(NOTES_SCHEMA);
    let sidecar = node.up_with(&["--http", "off"]);
    assert_eq!(node.status()["http"], Value::Null);
    sidecar.stop();

    let said = node.fails(&["up", "--http", "0.0.0.0:0"]);
    assert!(said.contains("--http-public"), "{said}");
    let public = node.up_with(&["--http", "0.0.0.0:0", "--http-public"]);
    let (_, port) = public.http().rsplit_once(':').expect("an address");
    let elsewhere = request(&format!("127.0.0.1:{port}"), "GET", "/healthz", &[("host", "node.example")]);
    assert_eq!(elsewhere.status, 200, "a server open to others goes by any name");
    public.stop();

    let sidecar = node.up_with(&["--http", "[::1]:0"]);
    assert_eq!(get(sidecar.http(), "/healthz").json()["ok"], true);
    let taken = Node::on(kind);
    taken.init(NOTES_SCHEMA);
    let said = taken.fails(&["up", "--http", sidecar.http()]);
    assert!(said.contains("--http off"), "{said}");
    sidecar.stop();
}
