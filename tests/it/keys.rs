//! UNIQUE keys as large as they may be travel between all databases; larger ones are refused where they are written, and no
//! node stops because of them: PostgreSQL's indexes hold 2,704 bytes of a row, SQLite's any number.

use treaty_tests::{Kind, Node, Pair, field, wait_in_step, wait_until};

use crate::mixed::Chance;
use crate::offline::meet;
use crate::quick_start::{admit, join};

/// Words, and tags of members.
const SPACE: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL);
REVOKE UPDATE (who, role) ON members FROM PUBLIC;
CREATE POLICY appoint ON members FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE words (id UUID PRIMARY KEY, word TEXT UNIQUE, tag TEXT, whose UUID, UNIQUE (tag, whose));
CREATE POLICY words_add  ON words FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY words_edit ON words FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY members_sync ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
INSERT INTO members (who, role) VALUES (author(), 'founder');
";

/// The table of words as an application made it, long before; without any CHECK of ours.
fn make_words(node: &Node) {
    node.owner_sql(match node.kind() {
        Kind::Sqlite => {
            "CREATE TABLE words (id TEXT PRIMARY KEY NOT NULL, word TEXT UNIQUE, tag TEXT, whose TEXT, UNIQUE (tag, whose))"
        }
        Kind::Postgres => {
            "CREATE TABLE words (id uuid PRIMARY KEY, word text UNIQUE, tag text, whose uuid, UNIQUE (tag, whose))"
        }
    });
}

fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Text of as many bytes, the same for every seed, in which nothing recurs: what does not compress.
fn noise(seed: u64, bytes: usize) -> String {
    let mut chance = Chance::new(seed);
    let letters = (b'a'..=b'z').chain(b'A'..=b'Z').chain(b'0'..=b'9').collect::<Vec<u8>>();
    (0..bytes)
        .map(|_| char::from(letters[usize::try_from(chance.below(letters.len() as u64)).expect("an index")]))
        .collect()
}

fn add(number: u32, word: &str) -> String {
    format!("INSERT INTO words (id, word) VALUES ('{}', '{word}')", id(number))
}

treaty_tests::on_every_pair!(
    the_largest_keys_arrive_and_go_back,
    what_no_check_keeps_out_is_undone_and_reported_and_stops_nobody,
);

fn the_largest_keys_arrive_and_go_back(pair: Pair) {
    let (first, second) = pair.nodes();
    first.init(SPACE);
    admit(&first, &second);
    join(&first, &second);
    let tag = |number: u32, tag: &str, whose: &str| {
        format!("INSERT INTO words (id, tag, whose) VALUES ('{}', '{tag}', {whose})", id(number))
    };
    first.sql(&add(1, &noise(1, 2048)));
    first.sql(&tag(2, &noise(2, 1984), &format!("'{}'", id(9))));
    second.sql(&add(3, &"é".repeat(1024)));
    second.sql(&tag(4, &noise(4, 1984), "NULL"));
    meet(&first, &second);
    first.sql(&format!("UPDATE words SET word = '{}' WHERE id = '{}'", noise(5, 2048), id(3)));
    second.sql(&format!("UPDATE words SET tag = '{}' WHERE id = '{}'", noise(6, 1984), id(2)));
    meet(&first, &second);
    assert_eq!(first.table("words"), second.table("words"));
    assert_eq!(first.value("SELECT count(*) FROM words WHERE treaty_status = 'committed'"), "4");
    for node in [&first, &second] {
        assert_eq!(node.lines(&["rollbacks"]), Vec::<serde_json::Value>::new());
    }
}

fn what_no_check_keeps_out_is_undone_and_reported_and_stops_nobody(pair: Pair) {
    let (first, second) = pair.nodes();
    make_words(&first);
    first.init(SPACE);
    admit(&first, &second);
    join(&first, &second);
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    first.owner_sql(&add(1, "short"));
    wait_in_step(&[&first, &second]);
    // As much as PostgreSQL's own index takes of what its owner writes; SQLite takes any.
    let longest = if pair.first == Kind::Sqlite { 6_000 } else { 2_600 };
    first.owner_sql(&add(2, &noise(2, longest)));
    wait_until("the insert is refused", || first.lines(&["rollbacks"]).len() == 1);
    first.owner_sql(&format!("UPDATE words SET word = '{}'", noise(3, 2049)));
    wait_until("the update is refused", || first.lines(&["rollbacks"]).len() == 2);
    for (report, (operation, row)) in first.lines(&["rollbacks"]).iter().zip([("insert", id(2)), ("update", id(1))]) {
        assert_eq!((field(report, "operation"), field(report, "row")), (operation, row.as_str()), "{report}");
        assert!(field(report, "message").contains("key_too_large"), "{report}");
        assert!(field(report, "message").contains("words_word_key (word)"), "{report}");
    }
    first.owner_sql(&add(3, &noise(4, 2048)));
    second.sql(&add(4, "from the other side"));
    wait_until("both write on", || {
        wait_in_step(&[&first, &second]);
        first.table("words").len() == 3 && second.table("words").len() == 3
    });
    assert_eq!(first.table("words"), second.table("words"));
    assert_eq!(second.lines(&["rollbacks"]), Vec::<serde_json::Value>::new());
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}

treaty_tests::on_each_database!(
    a_larger_key_fails_at_the_statement,
    a_table_with_a_larger_key_is_adopted_when_it_is_shortened,
);

fn a_larger_key_fails_at_the_statement(kind: Kind) {
    let node = Node::on(kind);
    node.init(SPACE);
    let said = node.sql_fails(&add(1, &noise(1, 2049)));
    assert!(said.contains("words_word_key must be at most 2048 bytes"), "{said}");
    node.sql(&add(1, &noise(1, 2048)));
    let said = node.sql_fails(&format!("UPDATE words SET tag = '{}'", noise(2, 1985)));
    assert!(said.contains("words_tag_whose_key must be at most 1984 bytes"), "{said}");
    let sidecar = node.up(&[]);
    wait_in_step(&[&node]);
    sidecar.stop();
    assert_eq!(node.rows("SELECT tag, treaty_status FROM words"), ["NULL|committed"]);
}

fn a_table_with_a_larger_key_is_adopted_when_it_is_shortened(kind: Kind) {
    let node = Node::on(kind);
    make_words(&node);
    node.owner_sql(&add(1, "short"));
    node.owner_sql(&add(2, &noise(2, 2_600)));
    node.owner_sql(&add(3, "short, too"));
    let file = node.folder().join("words.sql");
    std::fs::write(&file, SPACE).expect("the folder is writable");
    let said = node.fails(&["init", "--schema", &file.display().to_string(), "--database", &node.url()]);
    let expected = format!(
        "words row {}: key_too_large: table words: UNIQUE key words_word_key (word) counts 2600 bytes, at most 2048 fit",
        id(2)
    );
    assert!(said.contains(&expected), "{said}");
    assert_eq!(node.objects_of_ours(), Vec::<String>::new());
    node.owner_sql(&format!("UPDATE words SET word = '{}' WHERE id = '{}'", noise(2, 2048), id(2)));
    node.init(SPACE);
    assert_eq!(node.value("SELECT count(*) FROM words WHERE treaty_status = 'committed'"), "3");
}
