//! Patches: what a valid one makes, and what each broken rule says.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::sketch::{patch, schema};
use crate::*;

/// The violations of a patch on the empty schema, one paragraph each; `valid` if there are none.
pub(super) fn check(text: &str, expected: Expect) {
    expected.assert_eq(&judged(&Schema::empty(), text));
}

/// The violations of a patch on the schema that another one makes.
fn check_after(before: &str, text: &str, expected: Expect) {
    expected.assert_eq(&judged(&schema(before), text));
}

fn judged(before: &Schema, text: &str) -> String {
    let Err(violations) = before.apply(&patch(text)) else { return "valid".to_owned() };
    assert!(!violations.is_empty());
    let lines: Vec<String> = violations
        .iter()
        .map(|violation| {
            let help = violation.help.as_ref().map_or(String::new(), |help| format!("\n  help: {help}"));
            format!("{} {:?}: {}{help}\n", violation.place.change, violation.place.part, violation.message)
        })
        .collect();
    lines.concat()
}

const NOTES: &str = "
    CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('admin', 'editor')), UNIQUE (who, role));
    REVOKE UPDATE (who, role) ON members FROM PUBLIC;
    CREATE POLICY admins_appoint ON members FOR INSERT
        WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
    CREATE POLICY admins_dismiss ON members FOR DELETE
        USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
    CREATE TABLE notes (id UUID PRIMARY KEY, owner IDENTITY NOT NULL, title TEXT NOT NULL CHECK (length(title) <= 200),
        body TEXT NOT NULL DEFAULT '', stars INTEGER NOT NULL DEFAULT 0 CHECK (stars >= 0));
    REVOKE UPDATE (owner) ON notes FROM PUBLIC;
    CREATE POLICY editors_write ON notes FOR INSERT
        WITH CHECK (owner = author() AND EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
    CREATE POLICY owners_edit ON notes FOR UPDATE USING (owner = author());
    CREATE POLICY owners_remove ON notes FOR DELETE USING (owner = author());
    CREATE POLICY admins_deploy ON treaty_schema FOR INSERT
        WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
    CREATE POLICY members_sync ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));";

#[test]
fn the_notes_example_is_valid_and_complete() {
    let schema = schema(NOTES);
    let lines: Vec<String> = schema
        .tables()
        .iter()
        .flat_map(|table| {
            let columns = table.columns.iter().map(|column| {
                let flags =
                    [(column.not_null, "not null"), (column.updatable, "updatable"), (column.is_guard, "guard")];
                let flags: Vec<&str> = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| *flag).collect();
                format!("  {} {} {}: {}\n", column.id.index, column.name, column.logical_type, flags.join(", "))
            });
            let groups = table.groups.iter().map(|group| format!("  group {:?}\n", group.columns));
            let rules = (table.checks.iter().map(|check| (check.id, &check.name)))
                .chain(table.uniques.iter().map(|unique| (unique.id, &unique.name)))
                .chain(table.policies.iter().map(|policy| (policy.id, &policy.name)))
                .map(|(id, name)| format!("  {} {name}\n", id.index));
            let head = format!("{} {}\n", table.id.index, table.name);
            [head].into_iter().chain(columns).chain(groups).chain(rules).collect::<Vec<_>>()
        })
        .collect();
    expect![[r#"
        0 members
          1 id UUID: not null
          2 who IDENTITY: not null, guard
          3 role TEXT: not null, guard
          group [1, 2]
          4 members_role0_check
          5 members_who_role_key
          6 admins_appoint
          7 admins_dismiss
        8 notes
          9 id UUID: not null
          10 owner IDENTITY: not null, guard
          11 title TEXT: not null, updatable
          12 body TEXT: not null, updatable
          13 stars INTEGER: not null, updatable
          group [1]
          group [2]
          group [3]
          group [4]
          14 notes_title0_check
          15 notes_stars1_check
          16 editors_write
          17 owners_edit
          18 owners_remove
    "#]]
    .assert_eq(&lines.concat());
    // Nothing of a member may be updated, so that no policy for it is no gap.
    assert_eq!(schema.unpermitted(), []);
    assert_eq!((schema.schema_policies().len(), schema.peer_policies().len()), (1, 1));
    assert!(schema.tables().iter().all(|table| table.id.version == schema.version()));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    check(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, x NUMERIC(39,0), x TEXT DEFAULT 5, y UUID REFERENCES gone (id), CHECK (z = 1));
         CREATE TABLE A (id UUID PRIMARY KEY, UNIQUE (q));
         CREATE POLICY p ON b FOR INSERT WITH CHECK (TRUE);
         CREATE POLICY q ON a FOR SELECT USING (author() = 5);
         REVOKE UPDATE (nope, x) ON a FROM PUBLIC;",
        expect![[r#"
            0 Column(0): the column id of a must be a UUID, not INTEGER
              help: id UUID PRIMARY KEY
            0 Column(1): NUMERIC(39,0) is no valid type
              help: NUMERIC(p,s) takes a p of 1 to 38 and an s of 0 to p
            0 Column(2): table a has two columns named x (SQLite ignores the case of letters)
              help: choose another name
            0 Default(2): the DEFAULT of x: '5' is no TEXT: write the value in single quotes
            0 Check(0): there is no column z here
              help: known here: a (id, x, x, y)
            0 ForeignKey(0): there is no table gone before this one
              help: create gone first
            1 Whole: the name A is taken by table a (SQLite ignores the case of letters)
              help: choose another name
            1 Unique(0): there is no column q in A
            2 Whole: there is no table b
              help: create table b before its policies
            3 Whole: table a takes no policy FOR SELECT
              help: write FOR INSERT, UPDATE or DELETE: who may read at all is a policy on treaty_peers FOR SELECT
            3 Using: IDENTITY and INTEGER cannot be compared or combined
            4 Revoked(0): there is no column nope in a
        "#]],
    );
}

#[test]
fn every_table_has_a_uuid_named_id_as_its_key() {
    check("CREATE TABLE t (id UUID PRIMARY KEY);", expect!["valid"]);
    check("CREATE TABLE t (id UUID PRIMARY KEY DEFAULT gen_random_uuid());", expect!["valid"]);
    check("CREATE TABLE t (a TEXT, id UUID, PRIMARY KEY (id));", expect!["valid"]);
    check(
        "CREATE TABLE t (a TEXT);",
        expect![[r#"
        0 PrimaryKey: table t has no column id, which names its rows
          help: add the column: id UUID PRIMARY KEY
    "#]],
    );
    check(
        "CREATE TABLE t (a TEXT PRIMARY KEY);",
        expect![[r#"
        0 PrimaryKey: table t has no column id, which names its rows
          help: add the column: id UUID PRIMARY KEY
    "#]],
    );
    check(
        "CREATE TABLE t (id UUID);",
        expect![[r#"
        0 PrimaryKey: table t has no PRIMARY KEY
          help: declare id UUID PRIMARY KEY; other keys are UNIQUE
    "#]],
    );
    check(
        "CREATE TABLE t (id BIGINT PRIMARY KEY);",
        expect![[r#"
        0 Column(0): the column id of t must be a UUID, not BIGINT
          help: id UUID PRIMARY KEY
    "#]],
    );
    check(
        "CREATE TABLE t (id UUID, a UUID, PRIMARY KEY (id, a));",
        expect![[r#"
        0 PrimaryKey: the PRIMARY KEY of t must be id alone
          help: declare id UUID PRIMARY KEY; other keys are UNIQUE
    "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY DEFAULT '01234567-89ab-4cde-8f01-23456789abcd');",
        expect![[r#"
        0 Default(0): every row of t would get the same id
          help: leave the DEFAULT out, or write gen_random_uuid()
    "#]],
    );
}

#[test]
fn names_are_distinct_without_regard_to_case() {
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY); CREATE TABLE \"T\" (id UUID PRIMARY KEY);",
        expect![[r#"
            1 Whole: the name T is taken by table t (SQLite ignores the case of letters)
              help: choose another name
        "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, \"A\" TEXT);",
        expect![[r#"
            0 Column(2): table t has two columns named A (SQLite ignores the case of letters)
              help: choose another name
        "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, ctid TEXT);",
        expect![[r#"
        0 Column(1): PostgreSQL reserves the column name ctid
          help: choose another name
    "#]],
    );
    check(
        "CREATE TABLE sqlite_t (id UUID PRIMARY KEY);",
        expect![[r#"
        0 Whole: SQLite reserves the name sqlite_t
          help: choose another name
    "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, CONSTRAINT c UNIQUE (a), CONSTRAINT \"C\" CHECK (a = 'x'));",
        expect![[r#"
            0 Unique(0): the constraint name c is taken by another constraint of table t
              help: choose another name: CONSTRAINT c_2 ...
        "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, CONSTRAINT t UNIQUE (a));",
        expect![[r#"
        0 Unique(0): the constraint name t is taken by table t
          help: choose another name: CONSTRAINT t_2 ...
    "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, CONSTRAINT u UNIQUE (a)); CREATE TABLE u (id UUID PRIMARY KEY);",
        expect![[r#"
            1 Whole: the name u is taken by UNIQUE u of table t (SQLite ignores the case of letters)
              help: choose another name
        "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY); CREATE POLICY p ON t FOR INSERT WITH CHECK (TRUE);
         CREATE POLICY p ON t FOR DELETE USING (TRUE); CREATE POLICY p ON treaty_peers FOR SELECT USING (TRUE);",
        expect![[r#"
            2 Whole: table t has a policy named p already
              help: choose another name
        "#]],
    );
    // A CHECK may be named as one of another table, or as a table.
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, CONSTRAINT c CHECK (a = 'x'));
         CREATE TABLE c (id UUID PRIMARY KEY, a TEXT, CONSTRAINT c CHECK (a = 'x'));",
        expect!["valid"],
    );
}

#[test]
fn types_are_within_their_bounds() {
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a NUMERIC(38,38), b NUMERIC(1,0), c VARCHAR(1), d VARCHAR(10485760));",
        expect!["valid"],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a NUMERIC(39,0), b NUMERIC(5,6), c VARCHAR(0), d NUMERIC(0,0) DEFAULT 1);",
        expect![[r#"
            0 Column(1): NUMERIC(39,0) is no valid type
              help: NUMERIC(p,s) takes a p of 1 to 38 and an s of 0 to p
            0 Column(2): NUMERIC(5,6) is no valid type
              help: NUMERIC(p,s) takes a p of 1 to 38 and an s of 0 to p
            0 Column(3): VARCHAR(0) is no valid type
              help: VARCHAR(n) takes an n of 1 to 10485760; TEXT has no limit
            0 Column(4): NUMERIC(0,0) is no valid type
              help: NUMERIC(p,s) takes a p of 1 to 38 and an s of 0 to p
        "#]],
    );
}

#[test]
fn defaults_are_of_the_type_of_their_column() {
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a INTEGER DEFAULT -5, b NUMERIC(4,2) DEFAULT 1.5, c TEXT DEFAULT NULL, d BOOLEAN DEFAULT TRUE,
            e DATE DEFAULT '2024-01-31', f UUID DEFAULT gen_random_uuid(), g TIMESTAMPTZ DEFAULT now(), h DATE DEFAULT now());",
        expect!["valid"],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a INTEGER DEFAULT 1.5, b NUMERIC(4,2) DEFAULT 1.555, c TEXT DEFAULT 5, d BOOLEAN DEFAULT 1,
            e DATE DEFAULT '2024-02-31', f TEXT DEFAULT gen_random_uuid(), g INTEGER DEFAULT now(), h VARCHAR(2) DEFAULT 'abc');",
        expect![[r#"
            0 Default(1): the DEFAULT of a: INTEGER cannot hold 1.5 exactly: round it before writing it
            0 Default(2): the DEFAULT of b: NUMERIC(4,2) cannot hold 1.555 exactly: round it before writing it
            0 Default(3): the DEFAULT of c: '5' is no TEXT: write the value in single quotes
            0 Default(4): the DEFAULT of d: '1' is no BOOLEAN: write the value in single quotes
            0 Default(5): the DEFAULT of e: '2024-02-31' is no DATE: write a day of the years 0001 to 9999 as in 2024-01-31
            0 Default(6): gen_random_uuid() is no TEXT, which f is
              help: f UUID DEFAULT gen_random_uuid()
            0 Default(7): now() is no INTEGER, which g is
              help: g TIMESTAMPTZ DEFAULT now()
            0 Default(8): the DEFAULT of h: the text is 3 characters long, too long for VARCHAR(2): shorten it
        "#]],
    );
}

#[test]
fn checks_are_conditions_over_their_row() {
    check("CREATE TABLE t (id UUID PRIMARY KEY, a INTEGER, b INTEGER CHECK (t.a < b AND b > 0));", expect!["valid"]);
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, who IDENTITY CHECK (who = author()));",
        expect![[r#"
        0 Check(0): author() cannot stand in a CHECK: a CHECK is about the row alone
          help: a policy may use author()
    "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a INTEGER CHECK (a + 1), CHECK (a = 'x' AND c = 1));",
        expect![[r#"
        0 Check(0): a condition is expected here, not a value of type INTEGER
        0 Check(1): 'x' is no INTEGER: write digits, as in 42 or -3.10
        0 Check(1): there is no column c here
          help: known here: t (id, a)
    "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT CHECK (u.a = 'x'));",
        expect![[r#"
        0 Check(0): there is no table or alias u here
    "#]],
    );
}

#[test]
fn unique_keys_name_columns_once() {
    check("CREATE TABLE t (id UUID PRIMARY KEY, a TEXT UNIQUE, b JSONB, UNIQUE (b, a));", expect!["valid"]);
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, UNIQUE (a, a), UNIQUE (), UNIQUE (id, a), UNIQUE (b));",
        expect![[r#"
            0 Unique(0): the UNIQUE key t_a_a_key names a column twice
            0 Unique(1): a UNIQUE key has 1 to 32 columns
            0 Unique(2): a UNIQUE key with id in it is always unique
              help: leave id out: no two rows share it as it is
            0 Unique(3): there is no column b in t
        "#]],
    );
}

#[test]
fn foreign_keys_are_one_uuid_column_to_an_id() {
    check(
        "CREATE TABLE a (id UUID PRIMARY KEY, parent UUID REFERENCES a, other UUID REFERENCES a (id) ON DELETE RESTRICT);
         CREATE TABLE b (id UUID PRIMARY KEY, a UUID NOT NULL REFERENCES a ON DELETE CASCADE, c UUID REFERENCES a ON DELETE SET NULL);",
        expect!["valid"],
    );
    check(
        "CREATE TABLE a (id UUID PRIMARY KEY, x UUID REFERENCES b, t TEXT REFERENCES a, y UUID REFERENCES a (x), z UUID,
            FOREIGN KEY (x, z) REFERENCES a, FOREIGN KEY (q) REFERENCES a, FOREIGN KEY (z) REFERENCES a, FOREIGN KEY (z) REFERENCES a);
         CREATE TABLE b (id UUID PRIMARY KEY REFERENCES a);",
        expect![[r#"
            0 ForeignKey(0): there is no table b before this one
              help: create b first
            0 ForeignKey(1): the foreign key t must be a UUID, not TEXT
              help: t UUID REFERENCES a (id)
            0 ForeignKey(2): a foreign key refers to the column id
              help: REFERENCES a (id)
            0 ForeignKey(3): the constraint name a_x_fkey is taken by another constraint of table a
              help: choose another name: CONSTRAINT a_x_fkey_2 ...
            0 ForeignKey(3): a foreign key has exactly one column
              help: one UUID column, as in: a UUID REFERENCES a (id)
            0 ForeignKey(4): there is no column q in a
            0 ForeignKey(6): the constraint name a_z_fkey is taken by another constraint of table a
              help: choose another name: CONSTRAINT a_z_fkey_2 ...
            0 ForeignKey(6): column z is a foreign key already (a_z_fkey)
              help: use one column for each reference
            1 ForeignKey(0): id names the row itself and cannot refer to another
              help: refer with a column of its own: a_id UUID NOT NULL UNIQUE REFERENCES a (id)
        "#]],
    );
}

#[test]
fn set_null_needs_a_column_that_nothing_depends_on() {
    check(
        "CREATE TABLE a (id UUID PRIMARY KEY, x UUID UNIQUE REFERENCES a ON DELETE SET NULL, y TEXT CHECK (y = 'a'));",
        expect!["valid"],
    );
    check(
        "CREATE TABLE a (id UUID PRIMARY KEY, x UUID NOT NULL REFERENCES a ON DELETE SET NULL);",
        expect![[r#"
        0 ForeignKey(0): ON DELETE SET NULL cannot hold: x is NOT NULL
          help: drop NOT NULL, or choose ON DELETE CASCADE or RESTRICT
    "#]],
    );
    check(
        "CREATE TABLE a (id UUID PRIMARY KEY, y INTEGER, x UUID CHECK (x IS NULL OR y > 0) REFERENCES a ON DELETE SET NULL);",
        expect![[r#"
            0 ForeignKey(0): ON DELETE SET NULL cannot hold: CHECK a_x0_check reads x
              help: take it out of the CHECK, or choose ON DELETE CASCADE or RESTRICT
        "#]],
    );
    check(
        "CREATE TABLE a (id UUID PRIMARY KEY, x UUID REFERENCES a ON DELETE SET NULL);
         REVOKE UPDATE (x) ON a FROM PUBLIC;
         CREATE POLICY p ON a FOR UPDATE USING (x IS NULL);",
        expect![[r#"
            0 ForeignKey(0): ON DELETE SET NULL cannot hold: policy p reads x, which so never changes
              help: choose ON DELETE CASCADE, RESTRICT or NO ACTION
        "#]],
    );
}

#[test]
fn tables_and_columns_are_bounded() {
    let columns = |count: usize| (0..count).map(|index| format!(", c{index} TEXT")).collect::<String>();
    check(&format!("CREATE TABLE t (id UUID PRIMARY KEY{});", columns(COLUMNS_MAX - 1)), expect!["valid"]);
    check(
        &format!("CREATE TABLE t (id UUID PRIMARY KEY{});", columns(COLUMNS_MAX)),
        expect![[r#"
        0 Whole: table t has more than 1000 columns
    "#]],
    );
    let tables = |count: usize| {
        (0..count).map(|index| format!("CREATE TABLE t{index} (id UUID PRIMARY KEY);")).collect::<String>()
    };
    check(&tables(TABLES_MAX), expect!["valid"]);
    check(
        &tables(TABLES_MAX + 1),
        expect![[r#"
        1000 Whole: the schema has more than 1000 tables
    "#]],
    );
}

#[test]
fn a_later_patch_builds_on_what_is_there() {
    check_after(
        NOTES,
        "CREATE TABLE tags (id UUID PRIMARY KEY, note UUID REFERENCES notes ON DELETE CASCADE);",
        expect!["valid"],
    );
    check_after(
        NOTES,
        "CREATE TABLE notes (id UUID PRIMARY KEY); REVOKE UPDATE (title) ON notes FROM PUBLIC;",
        expect![[r#"
            0 Whole: the name notes is taken by table notes (SQLite ignores the case of letters)
              help: choose another name
            1 Whole: table notes is in use: its columns stay as updatable as they were introduced
        "#]],
    );
    check_after(
        NOTES,
        "CREATE POLICY more ON notes FOR UPDATE USING (title = 'x');",
        expect![[r#"
        0 Using: policy more reads column title of notes, which may still be updated
          help: a policy may read only columns that were introduced with REVOKE UPDATE
    "#]],
    );
    check_after(
        NOTES,
        "CREATE TABLE tags (id UUID PRIMARY KEY, by UUID REFERENCES members ON DELETE RESTRICT);",
        expect![[r#"
            0 ForeignKey(0): ON DELETE RESTRICT of by in tags would let a reference veto a revocation: policy admins_appoint reads members
              help: choose ON DELETE CASCADE, SET NULL or NO ACTION
        "#]],
    );
}

#[test]
fn a_version_is_named_by_its_predecessor_and_its_patch() {
    let one = schema("CREATE TABLE t (id UUID PRIMARY KEY);");
    let other = schema("CREATE TABLE u (id UUID PRIMARY KEY);");
    let more = patch("CREATE TABLE v (id UUID PRIMARY KEY);");
    assert_ne!(one.version(), other.version());
    assert_eq!(one.version(), schema("CREATE TABLE t (id UUID PRIMARY KEY);").version());
    assert_ne!(one.apply(&more).unwrap().version(), other.apply(&more).unwrap().version());
    let second = one.apply(&more).unwrap();
    assert_eq!(second.tables()[0].id.version, one.version());
    assert_eq!(second.tables()[1].id, ObjectId { version: second.version(), index: 0 });
    assert_eq!(second.table_by_id(one.tables()[0].id).map(|(index, _)| index), Some(0));
}

proptest! {
    /// Groups against their definition: the reflexive, transitive closure of sharing a CHECK or UNIQUE key.
    #[test]
    fn column_groups_are_the_connected_columns(keys in prop::collection::vec(prop::collection::btree_set(0_usize..8, 1..4), 0..6)) {
        let columns: Vec<String> = (0..8).map(|column| format!("c{column} TEXT")).collect();
        let uniques = keys.iter().enumerate().map(|(index, key)| {
            let names: Vec<String> = key.iter().map(|column| format!("c{column}")).collect();
            format!(", CONSTRAINT u{index} UNIQUE ({})", names.join(", "))
        });
        let text = format!("CREATE TABLE t (id UUID PRIMARY KEY, {}{});", columns.join(", "), uniques.collect::<String>());
        let schema = schema(&text);
        // Each column alone, then what a key touches put together, key after key.
        let mut groups: Vec<BTreeSet<usize>> = (1..=8).map(|column| BTreeSet::from([column])).collect();
        for key in &keys {
            let key: BTreeSet<usize> = key.iter().map(|column| column + 1).collect();
            let (touched, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| !group.is_disjoint(&key));
            groups = others;
            groups.push(touched.into_iter().flatten().collect());
        }
        groups.sort();
        let table = &schema.tables()[0];
        let found: Vec<BTreeSet<usize>> = table.groups.iter().map(|group| group.columns.iter().copied().collect()).collect();
        prop_assert_eq!(found, groups);
        prop_assert_eq!(table.group_of(table.id_column), None);
        prop_assert!((1..=8).all(|column| table.groups[table.group_of(column).unwrap()].columns.contains(&column)));
    }
}
