//! An administrator removes a member who works offline meanwhile: what he wrote without having seen it is rolled back on
//! every node and reported; what he wrote before stays; answering as if he had not heard changes nothing.
//!
//! A removed member is heard by nobody who knows of the removal, so in these tests his work gets around through a member
//! who has not heard of it yet. He cheats as a real one would: by restoring a copy of his node.

use serde_json::Value;
use treaty_tests::{Node, Pair, field, wait_in_step, wait_until};

use crate::offline::{SHARED, meet};
use crate::quick_start::{NOTES, join};

const ISSUES: &str = include_str!("../../schema-examples/issue-tracker/schema.sql");

/// Transactions that the member writes offline, and rows in each.
const TRANSACTIONS: u32 = 100;
const ROWS: u32 = 100;

/// Anna founded the space; Ben is an administrator appointed by her, Carla an editor. All hold the same, none runs.
struct Group {
    anna: Node,
    ben: Node,
    carla: Node,
}

impl Group {
    fn new(pair: Pair) -> Group {
        let (anna, ben, carla) = pair.three();
        let group = Group { anna, ben, carla };
        let Group { anna, ben, carla } = &group;
        anna.init(NOTES);
        appoint(anna, &ben.identity(), "admin");
        join(anna, ben);
        appoint(anna, &carla.identity(), "editor");
        join(anna, carla);
        meet(anna, ben);
        write(anna, "Anna's");
        write(ben, "Ben's, from before");
        write(carla, "Carla's");
        meet(anna, carla);
        meet(anna, ben);
        meet(anna, carla);
        group
    }
}

fn appoint(node: &Node, who: &str, role: &str) {
    node.sql(&format!("INSERT INTO members (who, role) VALUES ('{who}', '{role}')"));
}

fn dismiss(node: &Node, who: &str) {
    node.transaction(&format!("DELETE FROM members WHERE who = '{who}'"));
}

fn write(node: &Node, title: &str) {
    node.sql(&format!(
        "INSERT INTO notes (owner, title) VALUES ('{}', '{}')",
        node.identity(),
        title.replace('\'', "''")
    ));
}

fn titles(node: &Node) -> Vec<String> {
    node.rows("SELECT title FROM notes ORDER BY title")
}

fn members(node: &Node) -> Vec<String> {
    node.rows("SELECT who || ' ' || role FROM members ORDER BY 1")
}

/// The one entry in which `author` did `operation` on a row of members.
fn entry_of(node: &Node, author: &str, operation: &str) -> String {
    let logged = node.lines(&["log", "--table", "members", "--limit", "1000"]);
    let found: Vec<&Value> =
        logged.iter().filter(|line| line["author"] == author && line["operation"] == operation).collect();
    assert_eq!(found.len(), 1, "{operation} by {author}: {logged:?}");
    field(found[0], "entry").to_owned()
}

/// Runs both sidecars until `fact` holds: for nodes of which one has no access any more, so they are not in step after.
fn talk_until(first: &Node, second: &Node, what: &str, fact: impl FnMut() -> bool) {
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    wait_until(what, fact);
    up_first.stop();
    up_second.stop();
}

treaty_tests::on_every_pair!(
    ten_thousand_rows_of_a_removed_member_are_rolled_back_everywhere,
    updates_and_deletes_of_a_removed_member_are_undone_column_by_column,
    what_relies_on_no_row_cannot_be_revoked,
    removing_the_remover_without_having_heard_changes_nothing,
    a_counter_removal_from_a_restored_copy_changes_nothing,
    what_relied_on_a_rolled_back_row_falls_with_it_and_names_it,
    what_a_void_dismissal_had_rolled_back_is_reinstated,
);

fn ten_thousand_rows_of_a_removed_member_are_rolled_back_everywhere(pair: Pair) {
    let group = Group::new(pair);
    let Group { anna, ben, carla } = &group;
    let before = titles(anna);
    let identity = ben.identity();
    for transaction in 0..TRANSACTIONS {
        ben.transaction(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO notes (owner, title) SELECT '{identity}', 'offline {transaction} ' || i FROM n"
        ));
    }
    dismiss(anna, &identity);
    meet(ben, carla);
    assert_eq!(
        carla.value("SELECT count(*) FROM notes WHERE title LIKE 'offline %'"),
        "10000",
        "nobody has told Carla"
    );
    meet(carla, anna);
    talk_until(anna, ben, "Ben hears of it", || {
        ben.value("SELECT count(*) FROM notes WHERE title LIKE 'offline %'") == "0"
    });
    let culprit = entry_of(anna, &anna.identity(), "delete");
    for node in [anna, ben, carla] {
        assert_eq!(titles(node), before, "earlier rows stay, later ones go");
        let told = node.rows(
            "SELECT operation, table_name, reason, author, culprit, count(*), count(DISTINCT row_id)
             FROM treaty_rollbacks GROUP BY 1, 2, 3, 4, 5",
        );
        assert_eq!(told, [format!("insert|notes|permission|{identity}|{culprit}|10000|10000")]);
        let lost = node.value("SELECT count(DISTINCT lost ->> 'title') FROM treaty_rollbacks WHERE reinstated IS NULL");
        assert_eq!(lost, "10000");
        assert_eq!(node.rows("SELECT DISTINCT treaty_status FROM notes"), ["committed"]);
    }
    assert_eq!(anna.verified_digest(), carla.verified_digest());
}

fn updates_and_deletes_of_a_removed_member_are_undone_column_by_column(pair: Pair) {
    let dismissable = SHARED.replace(
        "CREATE TABLE items",
        "CREATE POLICY members_dismiss ON members FOR DELETE
           USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
         CREATE TABLE items",
    );
    let (anna, ben, carla) = pair.three();
    anna.init(&dismissable);
    for node in [&ben, &carla] {
        appoint(&anna, &node.identity(), "editor");
        join(&anna, node);
    }
    anna.sql("INSERT INTO items (name, amount, note) VALUES ('bolt', 1, 'iron'), ('nut', 1, 'iron')");
    meet(&anna, &carla);
    meet(&anna, &ben);

    ben.sql("UPDATE items SET amount = 7, price = '1.50' WHERE name = 'bolt'");
    ben.sql("DELETE FROM items WHERE name = 'nut'");
    anna.sql("UPDATE items SET note = 'zinc' WHERE name = 'bolt'");
    dismiss(&anna, &ben.identity());
    meet(&ben, &carla);
    assert_eq!(carla.rows("SELECT name, amount, price, note FROM items"), ["bolt|7|1.50|iron"]);
    meet(&carla, &anna);
    talk_until(&anna, &ben, "Ben hears of it", || ben.table("items") == anna.table("items"));
    for node in [&anna, &ben, &carla] {
        let items = node.rows("SELECT name, amount, price, note FROM items ORDER BY name");
        assert_eq!(items, ["bolt|1|NULL|zinc", "nut|1|NULL|iron"]);
        let told = node.rows(
            "SELECT operation, reason, author, lost ->> 'amount', lost ->> 'price' FROM treaty_rollbacks ORDER BY 1",
        );
        let author = ben.identity();
        assert_eq!(
            told,
            [format!("delete|permission|{author}|NULL|NULL"), format!("update|permission|{author}|7|1.50")]
        );
    }
}

fn what_relies_on_no_row_cannot_be_revoked(pair: Pair) {
    let group = Group::new(pair);
    let Group { anna, ben, carla } = &group;
    ben.sql("UPDATE notes SET stars = 5 WHERE title LIKE 'Ben%'");
    dismiss(anna, &ben.identity());
    meet(ben, carla);
    meet(carla, anna);
    for node in [anna, carla] {
        assert_eq!(
            node.value("SELECT stars FROM notes WHERE title LIKE 'Ben%'"),
            "5",
            "owners_edit asks for no member"
        );
        assert_eq!(node.lines(&["rollbacks"]), Vec::<Value>::new());
    }
}

fn removing_the_remover_without_having_heard_changes_nothing(pair: Pair) {
    let group = Group::new(pair);
    let Group { anna, ben, carla } = &group;
    dismiss(anna, &ben.identity());
    dismiss(ben, &anna.identity());
    meet(ben, carla);
    assert_eq!(members(carla).len(), 2, "Carla has heard Ben only: {:?}", members(carla));
    // Carla believes that Anna is out and takes nothing from her, until she dials her by her operator's word.
    let up_anna = anna.up(&[]);
    let up_carla = carla.up(&[up_anna.listen()]);
    wait_in_step(&[anna, carla]);
    up_carla.stop();
    up_anna.stop();
    check_removed(&group, &[anna, carla]);
}

fn a_counter_removal_from_a_restored_copy_changes_nothing(pair: Pair) {
    let group = Group::new(pair);
    let Group { anna, ben, carla } = &group;
    let dora = Node::on(pair.second);
    appoint(anna, &dora.identity(), "editor");
    join(anna, &dora);
    meet(anna, ben);
    let yesterday = ben.back_up();

    dismiss(anna, &ben.identity());
    meet(anna, carla);
    talk_until(anna, ben, "Ben hears that he is out", || members(ben) == members(anna));

    // Ben goes back to yesterday, removes Anna, and finds somebody who has heard nothing.
    ben.restore(&yesterday);
    dismiss(ben, &anna.identity());
    write(ben, "back-dated");
    meet(ben, &dora);
    assert!(titles(&dora).contains(&"back-dated".to_owned()));
    meet(&dora, carla);
    meet(carla, anna);
    meet(anna, &dora);
    check_removed(&group, &[anna, carla, &dora]);
    for node in [anna, carla, &dora] {
        assert!(!titles(node).contains(&"back-dated".to_owned()));
        assert!(titles(node).contains(&"Ben's, from before".to_owned()));
    }
    // He is not let in by those who know.
    talk_until(anna, ben, "Ben hears that he is out", || members(ben) == members(anna));
}

fn what_relied_on_a_rolled_back_row_falls_with_it_and_names_it(pair: Pair) {
    let (anna, ben, carla) = pair.three();
    anna.init(ISSUES);
    for node in [&ben, &carla] {
        anna.sql(&format!(
            "INSERT INTO members (project_id, who) SELECT id, '{}' FROM projects WHERE key = 'MAIN'",
            node.identity()
        ));
        join(&anna, node);
    }
    meet(&anna, &ben);
    ben.sql(&format!(
        "INSERT INTO issues (project_id, reporter, title) SELECT id, '{}', 'leaking tap' FROM projects",
        ben.identity()
    ));
    anna.sql(&format!("DELETE FROM members WHERE who = '{}'", ben.identity()));
    meet(&ben, &carla);
    carla.sql(&format!(
        "INSERT INTO comments (issue_id, writer, body) SELECT id, '{}', 'I will see to it' FROM issues",
        carla.identity()
    ));
    meet(&carla, &anna);
    for node in [&anna, &carla] {
        assert_eq!(node.value("SELECT (SELECT count(*) FROM issues) || ' ' || (SELECT count(*) FROM comments)"), "0 0");
        let lost =
            |column: &str| node.value(&format!("SELECT {column} FROM treaty_rollbacks WHERE table_name = 'comments'"));
        assert_eq!(lost("author || ' ' || (lost ->> 'body')"), format!("{} I will see to it", carla.identity()));
        assert_eq!(lost("culprit"), node.value("SELECT entry FROM treaty_rollbacks WHERE table_name = 'issues'"));
        assert!(lost("message").contains("was itself rolled back"), "{}", lost("message"));
    }
}

fn what_a_void_dismissal_had_rolled_back_is_reinstated(pair: Pair) {
    let group = Group::new(pair);
    let Group { anna, ben, carla } = &group;
    dismiss(ben, &carla.identity());
    write(carla, "Carla's, offline");
    dismiss(anna, &ben.identity());
    let shows = |node: &Node| titles(node).contains(&"Carla's, offline".to_owned());
    talk_until(ben, carla, "Carla hears that she is out", || !shows(carla));
    assert_eq!(carla.rows("SELECT reinstated FROM treaty_rollbacks"), ["NULL"]);
    // Anna is more senior than Ben, and had dismissed him: his dismissal of Carla is void, and her note is back.
    meet(anna, carla);
    for node in [anna, carla] {
        assert!(shows(node));
        assert_eq!(members(node).len(), 2);
        let standing = node.rows("SELECT operation, table_name, author FROM treaty_rollbacks WHERE reinstated IS NULL");
        assert_eq!(standing, [format!("delete|members|{}", ben.identity())]);
    }
    let told = carla.rows(
        "SELECT operation, lost ->> 'title', reason FROM treaty_rollbacks WHERE reinstated IS NOT NULL ORDER BY cursor",
    );
    assert_eq!(told, ["insert|Carla's, offline|permission", "insert|Carla's, offline|permission"], "lost, and back");
}

/// Ben is out and Anna in; his removal of her is reported, as void for hers of him.
fn check_removed(group: &Group, nodes: &[&Node]) {
    let (anna, ben) = (group.anna.identity(), group.ben.identity());
    for node in nodes {
        let shown = members(node);
        assert!(
            shown.contains(&format!("{anna} admin")) && !shown.iter().any(|row| row.starts_with(&ben)),
            "{shown:?}"
        );
        let reports = node.lines(&["rollbacks"]);
        let report = reports
            .iter()
            .find(|report| report["operation"] == "delete" && report["reinstated"] == Value::Null)
            .expect("the counter-removal is reported");
        assert_eq!(report["table"], "members", "{report}");
        assert_eq!(report["author"], ben.as_str(), "{report}");
        assert_eq!(report["reason"], "permission", "{report}");
        assert_eq!(report["culprit"], entry_of(node, &anna, "delete"), "{report}");
        assert_eq!(report["entry"], entry_of(node, &ben, "delete"), "{report}");
    }
}
