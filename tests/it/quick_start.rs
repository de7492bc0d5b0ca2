//! What the README's quick start promises, by the same steps: two nodes, the sqlite3 shell, a stranger.

use treaty_tests::{Kind, Node, Pair, field, wait_in_step, wait_until};

/// The notes example: members by role, notes by owner.
pub(crate) const NOTES: &str = include_str!("../../schema-examples/notes/schema.sql");

/// A space founded by the first node, with the second a member and joined; neither sidecar runs.
pub(crate) fn two_members(pair: Pair) -> (Node, Node) {
    let (first, second) = pair.nodes();
    first.init(NOTES);
    admit(&first, &second);
    join(&first, &second);
    (first, second)
}

/// Makes the newcomer a member by inserting a row on `member`'s side.
pub(crate) fn admit(member: &Node, newcomer: &Node) {
    let identity = newcomer.identity();
    member.shell(&format!("INSERT INTO members (who, role) VALUES ('{identity}', 'editor')"));
}

/// Lets `newcomer` join through a sidecar on `member` that runs only meanwhile.
pub(crate) fn join(member: &Node, newcomer: &Node) {
    let sidecar = member.up(&[]);
    wait_until("the membership is in the log", || member.status()["waiting"] == 0);
    let ticket = field(&member.run(&["invite"]), "ticket").to_owned();
    let joined = newcomer.run(&["join", &ticket, "--database", &newcomer.url()]);
    assert_eq!(field(&joined, "space"), field(&member.status(), "space"));
    sidecar.stop();
}

/// Inserts a note of this node's own.
pub(crate) fn write_note(node: &Node, title: &str) {
    let identity = node.identity();
    node.shell(&format!("INSERT INTO notes (owner, title) VALUES ('{identity}', '{title}')"));
}

treaty_tests::on_every_pair!(
    a_change_shows_on_the_other_side_and_back,
    what_a_dismissed_member_wrote_offline_is_rolled_back_when_he_is_back,
    a_stranger_is_refused_on_both_sides_until_a_row_admits_it,
);

fn a_change_shows_on_the_other_side_and_back(pair: Pair) {
    let (first, second) = two_members(pair);
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    write_note(&first, "from the first");
    wait_until("the second shows it", || {
        second.value("SELECT count(*) FROM notes WHERE title = 'from the first'") == "1"
    });
    write_note(&second, "from the second");
    wait_until("the first shows it", || {
        first.value("SELECT count(*) FROM notes WHERE title = 'from the second'") == "1"
    });
    wait_in_step(&[&first, &second]);
    assert_eq!(first.table("notes"), second.table("notes"));
    assert_eq!(first.rows("SELECT DISTINCT treaty_status FROM notes"), ["committed"]);
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}

fn what_a_dismissed_member_wrote_offline_is_rolled_back_when_he_is_back(pair: Pair) {
    let (first, second) = two_members(pair);
    write_note(&second, "hello from Ben");
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    wait_in_step(&[&first, &second]);
    up_second.stop();
    first.shell(&format!("DELETE FROM members WHERE who = '{}'", second.identity()));
    write_note(&second, "written offline");
    let up_second = second.up(&[up_first.listen()]);
    wait_until("the note is rolled back", || second.rows("SELECT title FROM notes") == ["hello from Ben"]);
    let reports = second.lines(&["rollbacks"]);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0]["lost"]["title"], "written offline", "{reports:?}");
    assert_eq!(reports[0]["reason"], "permission", "{reports:?}");
    up_second.stop();
    up_first.stop();
}

fn a_stranger_is_refused_on_both_sides_until_a_row_admits_it(pair: Pair) {
    let (member, stranger) = pair.nodes();
    member.init(NOTES);
    let identity = stranger.identity();
    let sidecar = member.up(&[]);
    let ticket = field(&member.run(&["invite"]), "ticket").to_owned();
    let refusal = stranger.fails(&["join", &ticket, "--database", &stranger.url()]);
    assert!(refusal.contains("members_sync"), "the stranger learns which policy refused it: {refusal}");
    wait_until("the member's side tells of it too", || {
        sidecar.events().iter().any(|event| event.to_string().contains(&identity))
            || sidecar.complaints().contains(&identity)
    });
    assert!(stranger.is_untouched(), "a refused join leaves nothing behind");

    admit(&member, &stranger);
    wait_until("the membership is in the log", || member.status()["waiting"] == 0);
    stranger.run(&["join", &ticket, "--database", &stranger.url()]);
    assert_eq!(member.table("members"), stranger.table("members"));
    sidecar.stop();
}

treaty_tests::on_each_database!(
    what_the_schema_forbids_fails_in_the_application_at_once,
    a_data_directory_has_one_writer,
);

fn what_the_schema_forbids_fails_in_the_application_at_once(kind: Kind) {
    let (first, _second) = two_members(Pair::from(kind));
    let refusal = first.sql_fails("INSERT INTO notes (owner, title) VALUES ('id1nobody', 'x')");
    assert!(!refusal.is_empty());
    let identity = first.identity();
    let long = "x".repeat(201);
    first.sql_fails(&format!("INSERT INTO notes (owner, title) VALUES ('{identity}', '{long}')"));
    first.sql_fails("UPDATE members SET role = 'editor'");
    assert_eq!(first.value("SELECT count(*) FROM notes"), "0");
}

fn a_data_directory_has_one_writer(kind: Kind) {
    let node = Node::on(kind);
    node.init(NOTES);
    let sidecar = node.up(&[]);
    let refusal = node.fails(&["up"]);
    assert!(refusal.contains("in use by another treaty process"), "{refusal}");
    sidecar.stop();
}
