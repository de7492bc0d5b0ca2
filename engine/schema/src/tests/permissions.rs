//! Permissions: which alternatives policies have, against drawn worlds and a judge that tries all combinations.

use std::cell::RefCell;
use std::convert::Infallible;
use std::ops::ControlFlow;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::sketch::{identity, patch, row, schema};
use crate::*;

/// Rows by table, each named by its place; counts what is read.
struct World {
    tables: Vec<String>,
    columns: Vec<Vec<String>>,
    rows: Vec<Vec<Vec<Option<Value>>>>,
    reads: RefCell<Vec<String>>,
}

impl World {
    /// Rows as `table: cell, cell, ...` lines.
    fn new(schema: &Schema, text: &str) -> World {
        let tables = schema.tables().iter().map(|table| table.name.to_string()).collect();
        let columns = schema.tables().iter().map(|table| table.columns.iter().map(|c| c.name.to_string()).collect());
        let columns = columns.collect();
        let mut rows = vec![Vec::new(); schema.tables().len()];
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, cells) = line.split_once(": ").unwrap();
            let (index, table) = schema.table_by_name(name).unwrap();
            rows[index].push(row(table, &cells.split(", ").collect::<Vec<_>>()));
        }
        World { tables, columns, rows, reads: RefCell::default() }
    }

    fn found(&self, table: usize) -> impl Iterator<Item = Result<FoundRow<usize>, Infallible>> {
        self.rows[table].iter().enumerate().map(|(handle, cells)| Ok(FoundRow { handle, cells: cells.clone() }))
    }
}

impl Rows for World {
    type Handle = usize;
    type Error = Infallible;

    fn matching(
        &self,
        table: usize,
        equal: &[(usize, Value)],
    ) -> impl Iterator<Item = Result<FoundRow<usize>, Infallible>> {
        let columns: Vec<String> = equal.iter().map(|(column, _)| self.columns[table][*column].clone()).collect();
        self.reads.borrow_mut().push(format!("{} by {}", self.tables[table], columns.join(", ")));
        self.found(table).filter(move |row| {
            let cells = &row.as_ref().unwrap().cells;
            equal.iter().all(|(column, value)| cells[*column].as_ref() == Some(value))
        })
    }

    fn all(&self, table: usize) -> impl Iterator<Item = Result<FoundRow<usize>, Infallible>> {
        self.reads.borrow_mut().push(format!("all {}", self.tables[table]));
        self.found(table)
    }
}

/// A schema and rows of it.
struct Scene {
    schema: Schema,
    world: World,
}

impl Scene {
    fn new(schema_text: &str, rows: &str) -> Scene {
        let schema = schema(schema_text);
        let world = World::new(&schema, rows);
        Scene { schema, world }
    }

    /// The alternatives for a command on a row, given as `table: cell, cell, ...`, by an author, and what was read to find
    /// them.
    fn check(&self, command: Command, cells: &str, author: u8, expected: Expect) {
        let Scene { schema, world } = self;
        let (name, cells) = cells.split_once(": ").unwrap();
        let (_, table) = schema.table_by_name(name).unwrap();
        let at_hand = row(table, &cells.split(", ").collect::<Vec<_>>());
        let author = identity(author);
        let subject = Subject { row: &at_hand, author: &author };
        let mut lines = Vec::new();
        world.reads.take();
        visit_alternatives(schema, table.policies_for(command), subject, world, &mut |alternative| {
            let witnesses: Vec<String> = alternative
                .witnesses
                .iter()
                .map(|witness| format!("{}#{}", schema.tables()[witness.table].name, witness.handle))
                .collect();
            lines.push(format!("{} by [{}]\n", alternative.policy.name, witnesses.join(", ")));
            ControlFlow::Continue(())
        })
        .unwrap();
        let is_permitted = is_permitted(schema, table.policies_for(command), subject, world).unwrap();
        assert_eq!(is_permitted, !lines.is_empty());
        expected.assert_eq(&format!("{}read: {}\n", lines.concat(), world.reads.take().join("; ")));
    }
}

const TRACKER: &str = "
    CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL, level INTEGER);
    REVOKE UPDATE (who, role, level) ON members FROM PUBLIC;
    CREATE TABLE projects (id UUID PRIMARY KEY, owner IDENTITY NOT NULL);
    REVOKE UPDATE (owner) ON projects FROM PUBLIC;
    CREATE TABLE grants (id UUID PRIMARY KEY, project UUID NOT NULL REFERENCES projects, member UUID NOT NULL REFERENCES members);
    REVOKE UPDATE (project, member) ON grants FROM PUBLIC;
    CREATE TABLE issues (id UUID PRIMARY KEY, project UUID NOT NULL REFERENCES projects, title TEXT, weight INTEGER);
    REVOKE UPDATE (project) ON issues FROM PUBLIC;
    CREATE POLICY own ON issues FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM projects p WHERE p.id = project AND p.owner = author()));
    CREATE POLICY granted ON issues FOR INSERT
        WITH CHECK (EXISTS (SELECT 1 FROM grants g, members m WHERE g.project = issues.project AND m.id = g.member AND m.who = author()));
    CREATE POLICY admin_or_open ON issues FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin')
        OR project = '00000000-0000-0000-0000-000000000000');
    CREATE POLICY two_keys ON issues FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author())
        AND EXISTS (SELECT 1 FROM members k WHERE k.role = 'keeper' AND k.level > 1));";

const PEOPLE: &str = "
    members: 1, author 1, admin, 1
    members: 2, author 2, editor, NULL
    members: 3, author 2, keeper, 1
    members: 4, author 3, keeper, 2
    members: 5, author 4, keeper, 3
    projects: 6, author 1
    projects: 7, author 2
    grants: 1, 6, 2
    grants: 2, 6, 3
    grants: 3, 7, 4";

#[test]
fn each_way_of_making_a_policy_true_is_an_alternative() {
    let scene = Scene::new(TRACKER, PEOPLE);
    scene.check(
        Command::Insert,
        "issues: 9, 6, a, 0",
        1,
        expect![[r#"
            own by [projects#0]
            read: projects by id; members by who; grants by project, member; projects by id
        "#]],
    );
    scene.check(Command::Insert,
        "issues: 9, 6, a, 0",
        2,
        expect![[r#"
            granted by [members#1, grants#0]
            granted by [members#2, grants#1]
            read: projects by id; members by who; grants by project, member; grants by project, member; projects by id; members by who; grants by project, member
        "#]],
    );
    scene.check(
        Command::Insert,
        "issues: 9, 7, a, 0",
        2,
        expect![[r#"
            own by [projects#1]
            read: projects by id; members by who; grants by project, member; grants by project, member; projects by id
        "#]],
    );
    scene.check(Command::Insert,
        "issues: 9, 7, a, 0",
        4,
        expect![[r#"
            read: projects by id; members by who; grants by project, member; projects by id; members by who; grants by project, member
        "#]],
    );
}

#[test]
fn branches_of_or_and_rows_of_several_exists_are_combined() {
    let scene = Scene::new(TRACKER, PEOPLE);
    scene.check(
        Command::Update,
        "issues: 9, 6, a, 0",
        1,
        expect![[r#"
        admin_or_open by [members#0]
        read: members by who, role; members by who, role
    "#]],
    );
    scene.check(
        Command::Update,
        "issues: 9, 0, a, 0",
        1,
        expect![[r#"
        admin_or_open by [members#0]
        admin_or_open by []
        read: members by who, role; members by who, role
    "#]],
    );
    scene.check(
        Command::Update,
        "issues: 9, 0, a, 0",
        9,
        expect![[r#"
        admin_or_open by []
        read: members by who, role; members by who, role
    "#]],
    );
    scene.check(Command::Delete,
        "issues: 9, 6, a, 0",
        2,
        expect![[r#"
        two_keys by [members#1, members#3]
        two_keys by [members#1, members#4]
        two_keys by [members#2, members#3]
        two_keys by [members#2, members#4]
        read: members by who; members by role; members by who; members by role; members by role; members by who; members by role
    "#]],
    );
    scene.check(
        Command::Delete,
        "issues: 9, 6, a, 0",
        9,
        expect![[r#"
        read: members by who; members by who
    "#]],
    );
}

#[test]
fn without_a_policy_nothing_is_permitted() {
    let scene = Scene::new(TRACKER, PEOPLE);
    scene.check(
        Command::Insert,
        "members: 9, author 1, admin, 1",
        1,
        expect![[r#"
        read: 
    "#]],
    );
}

#[test]
fn a_search_stops_at_the_first_alternative_asked_for() {
    let Scene { schema, world } = Scene::new(TRACKER, PEOPLE);
    let (_, issues) = schema.table_by_name("issues").unwrap();
    let at_hand = row(issues, &["9", "6", "a", "0"]);
    let author = identity(2);
    let subject = Subject { row: &at_hand, author: &author };
    let mut visited = 0;
    visit_alternatives(&schema, issues.policies_for(Command::Insert), subject, &world, &mut |_| {
        visited += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(visited, 1);
}

#[test]
fn what_cannot_be_evaluated_is_not_true() {
    let scene = Scene::new(
        "CREATE TABLE t (id UUID PRIMARY KEY, i INTEGER);
         REVOKE UPDATE (i) ON t FROM PUBLIC;
         CREATE POLICY not_overflown ON t FOR INSERT WITH CHECK (NOT i + 1 > 0);
         CREATE POLICY some_row ON t FOR DELETE USING (EXISTS (SELECT 1 FROM t o WHERE o.i + 1 > 0));
         CREATE POLICY by_sum ON t FOR UPDATE USING (EXISTS (SELECT 1 FROM t o WHERE o.i = t.i + 1));",
        "t: 1, 2147483647\nt: 2, 5",
    );
    scene.check(
        Command::Insert,
        "t: 9, 2147483647",
        1,
        expect![[r#"
        read: 
    "#]],
    );
    scene.check(
        Command::Insert,
        "t: 9, -5",
        1,
        expect![[r#"
        not_overflown by []
        read: 
    "#]],
    );
    scene.check(
        Command::Delete,
        "t: 9, 0",
        1,
        expect![[r#"
        some_row by [t#1]
        read: all t; all t
    "#]],
    );
    scene.check(
        Command::Update,
        "t: 9, 4",
        1,
        expect![[r#"
        by_sum by [t#1]
        read: t by i; t by i
    "#]],
    );
    scene.check(
        Command::Update,
        "t: 9, 2147483647",
        1,
        expect![[r#"
        read: 
    "#]],
    );
    scene.check(
        Command::Update,
        "t: 9, NULL",
        1,
        expect![[r#"
        read: 
    "#]],
    );
}

#[test]
fn rows_are_found_by_equal_numbers_of_other_kinds() {
    let scene = Scene::new(
        "CREATE TABLE t (id UUID PRIMARY KEY, i INTEGER, g BIGINT, n NUMERIC(6,2), d DOUBLE);
         REVOKE UPDATE (i, g, n, d) ON t FROM PUBLIC;
         CREATE POLICY int_by_numeric ON t FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM t o WHERE o.i = t.n));
         CREATE POLICY double_by_numeric ON t FOR UPDATE USING (EXISTS (SELECT 1 FROM t o WHERE o.d = t.n));
         CREATE POLICY numeric_by_double ON t FOR DELETE USING (EXISTS (SELECT 1 FROM t o WHERE o.n = t.d));",
        "t: 1, 5, 0, 0.10, 0.1\nt: 2, 6, 0, 5.00, 5",
    );
    scene.check(
        Command::Insert,
        "t: 9, 0, 0, 5.00, 0",
        1,
        expect![[r#"
        int_by_numeric by [t#0]
        read: t by i; t by i
    "#]],
    );
    scene.check(
        Command::Insert,
        "t: 9, 0, 0, 5.50, 0",
        1,
        expect![[r#"
        read: 
    "#]],
    );
    scene.check(
        Command::Update,
        "t: 9, 0, 0, 0.10, 0",
        1,
        expect![[r#"
        double_by_numeric by [t#0]
        read: t by d; t by d
    "#]],
    );
    scene.check(
        Command::Delete,
        "t: 9, 0, 0, 0, 0.1",
        1,
        expect![[r#"
        numeric_by_double by [t#0]
        read: all t; all t
    "#]],
    );
}

#[test]
fn system_relations_have_no_row_at_hand() {
    let schema = schema(
        "CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY);
         REVOKE UPDATE (who) ON members FROM PUBLIC;
         CREATE POLICY p ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));",
    );
    let world = World::new(&schema, "members: 1, author 1");
    let may_sync = |author: u8| {
        let author = identity(author);
        is_permitted(&schema, schema.peer_policies(), Subject { row: &[], author: &author }, &world).unwrap()
    };
    assert!(may_sync(1));
    assert!(!may_sync(2));
}

/// Conditions over `t (id, a, b)` with EXISTS over t and u, as text.
fn condition() -> impl Strategy<Value = String> {
    let columns = |slots: &'static [&'static str]| prop::sample::select(slots);
    let scalar =
        (columns(&["t.a", "t.b", "1"]), prop::sample::select(vec!["=", "<>", "<"]), columns(&["t.a", "t.b", "2"]))
            .prop_map(|(left, op, right)| format!("{left} {op} {right}"));
    let inner = columns(&["x.a", "x.b", "y.a", "y.id", "t.a", "t.id", "x.id", "1"]);
    let test = (inner.clone(), prop::sample::select(vec!["=", "=", "=", "<>", "<"]), inner)
        .prop_filter("ids meet ids", |(left, _, right)| left.ends_with("id") == right.ends_with("id"))
        .prop_map(|(left, op, right)| format!("{left} {op} {right}"));
    let filter = prop::collection::vec(test, 1..4)
        .prop_flat_map(|tests| prop::sample::select(vec![" AND ", " OR "]).prop_map(move |joint| tests.join(joint)));
    let exists = filter.prop_map(|filter| format!("EXISTS (SELECT 1 FROM t x, u y WHERE {filter})"));
    let leaf = prop_oneof![scalar, exists];
    leaf.prop_recursive(3, 8, 3, |inner| {
        (prop::collection::vec(inner, 1..4), prop::sample::select(vec![" AND ", " OR "]))
            .prop_map(|(items, joint)| format!("({})", items.join(joint)))
    })
}

/// All ways in which a condition is true, found by trying every row for every table.
fn tried(condition: &SchemaCondition, env: Env<'_>, world: &World) -> Vec<Vec<(usize, usize)>> {
    match condition {
        Condition::Scalar(expr) => {
            if is_true(expr, env) {
                vec![Vec::new()]
            } else {
                Vec::new()
            }
        }
        Condition::Or(items) => items.iter().flat_map(|item| tried(item, env, world)).collect(),
        Condition::And(items) => items.iter().fold(vec![Vec::new()], |ways, item| {
            let more = tried(item, env, world);
            ways.iter().flat_map(|way| more.iter().map(move |next| [&way[..], next].concat())).collect()
        }),
        Condition::Exists(exists) => {
            let mut ways = Vec::new();
            let [first, second] = [usize::from(exists.from[0]), usize::from(exists.from[1])];
            for (x, first_row) in world.rows[first].iter().enumerate() {
                for (y, second_row) in world.rows[second].iter().enumerate() {
                    let rows = [env.rows[0], first_row, second_row];
                    if is_true(&exists.filter, Env { rows: &rows, author: env.author }) {
                        ways.push(vec![(first, x), (second, y)]);
                    }
                }
            }
            ways
        }
    }
}

proptest! {
    #[test]
    fn planned_search_finds_what_trying_everything_finds(
        condition in condition(),
        cells in prop::collection::vec(prop::collection::vec(prop::option::of(1_i32..4), 2), 0..5),
        at_hand in prop::collection::vec(prop::option::of(1_i32..4), 2),
    ) {
        let tables = "CREATE TABLE t (id UUID PRIMARY KEY, a INTEGER, b INTEGER); REVOKE UPDATE (a, b) ON t FROM PUBLIC;
            CREATE TABLE u (id UUID PRIMARY KEY, a INTEGER, b INTEGER); REVOKE UPDATE (a, b) ON u FROM PUBLIC;";
        let text = format!("{tables} CREATE POLICY p ON t FOR DELETE USING ({condition});");
        let schema = match Schema::empty().apply(&patch(&text)) {
            Ok(schema) => schema,
            Err(violations) => {
                prop_assert!(violations.iter().all(|violation| violation.message.contains("in more than")));
                return Ok(());
            }
        };
        let as_row = |id: usize, cells: &[Option<i32>]| {
            let id = Some(Value::Uuid([u8::try_from(id).unwrap(); 16]));
            [id].into_iter().chain(cells.iter().map(|cell| cell.map(Value::Integer))).collect::<Vec<_>>()
        };
        let mut world = World::new(&schema, "");
        for (index, cells) in cells.iter().enumerate() {
            world.rows[index % 2].push(as_row(index, cells));
        }
        let (_, table) = schema.table_by_name("t").unwrap();
        let at_hand = as_row(0, &at_hand);
        let author = identity(1);
        let subject = Subject { row: &at_hand, author: &author };
        let mut found = Vec::new();
        visit_alternatives(&schema, &table.policies, subject, &world, &mut |alternative| {
            let mut witnesses: Vec<_> = alternative.witnesses.iter().map(|witness| (witness.table, witness.handle)).collect();
            witnesses.sort_unstable();
            found.push(witnesses);
            ControlFlow::Continue(())
        })
        .unwrap();
        let env = Env { rows: &[&at_hand], author: Some(&author) };
        let mut expected = tried(&table.policies[0].condition, env, &world);
        expected.iter_mut().for_each(|way| way.sort_unstable());
        expected.sort();
        found.sort();
        prop_assert_eq!(is_permitted(&schema, &table.policies, subject, &world), Ok(!expected.is_empty()));
        prop_assert_eq!(found, expected);
    }
}
