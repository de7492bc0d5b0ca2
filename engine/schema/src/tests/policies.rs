//! Policies and guard columns in patches: which are valid, and what the others say. What they permit is `permissions.rs`.

use expect_test::expect;

use super::patches::check;
use crate::sketch::schema;
use crate::*;

#[test]
fn restrict_must_not_veto_a_revocation() {
    let tables = |action: &str| {
        format!(
            "CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY);
             REVOKE UPDATE (who) ON members FROM PUBLIC;
             CREATE TABLE notes (id UUID PRIMARY KEY, owner UUID REFERENCES members ON DELETE {action});
             CREATE POLICY p ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members));"
        )
    };
    check(
        &tables("RESTRICT"),
        expect![[r#"
        2 ForeignKey(0): ON DELETE RESTRICT of owner in notes would let a reference veto a revocation: policy p reads members
          help: choose ON DELETE CASCADE, SET NULL or NO ACTION
    "#]],
    );
    check(&tables("CASCADE"), expect!["valid"]);
    // A policy that reads only the row at hand reads nobody's authority.
    check(
        "CREATE TABLE a (id UUID PRIMARY KEY, who IDENTITY, x UUID REFERENCES a ON DELETE RESTRICT);
         REVOKE UPDATE (who) ON a FROM PUBLIC;
         CREATE POLICY p ON a FOR DELETE USING (who = author());",
        expect!["valid"],
    );
}

#[test]
fn what_policies_read_never_changes() {
    let tables = "CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY, role TEXT, rank INTEGER, note TEXT, UNIQUE (who, rank));
        CREATE TABLE notes (id UUID PRIMARY KEY, owner IDENTITY, title TEXT);";
    let policies = "CREATE POLICY write ON notes FOR INSERT
            WITH CHECK (owner = author() AND EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = title));
        CREATE POLICY change ON notes FOR UPDATE USING (owner = author());
        CREATE POLICY sync ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));";
    check(
        &format!("{tables}{policies}"),
        expect![[r#"
        2 WithCheck: policy write reads column who of members, which may still be updated
          help: REVOKE UPDATE (who, role, rank) ON members FROM PUBLIC;
        2 WithCheck: policy write reads column role of members, which may still be updated
          help: REVOKE UPDATE (who, role, rank) ON members FROM PUBLIC;
        3 Using: policy change reads column owner of notes, which may still be updated
          help: REVOKE UPDATE (owner) ON notes FROM PUBLIC;
    "#]],
    );
    check(
        &format!(
            "{tables}{policies} REVOKE UPDATE (owner) ON notes FROM PUBLIC;
             REVOKE UPDATE (who, rank) ON members FROM PUBLIC; REVOKE UPDATE (role) ON members FROM PUBLIC;"
        ),
        expect!["valid"],
    );
    // Reading `id` asks for nothing: it never changes as it is.
    check(
        "CREATE TABLE a (id UUID PRIMARY KEY, x TEXT); CREATE POLICY p ON a FOR UPDATE USING (EXISTS (SELECT 1 FROM a b WHERE b.id = a.id));",
        expect!["valid"],
    );
}

#[test]
fn a_column_group_is_updatable_whole_or_not_at_all() {
    let table = "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, b TEXT, c TEXT, d TEXT, UNIQUE (a, b), CHECK (b <> c));";
    check(
        &format!("{table} REVOKE UPDATE (a) ON t FROM PUBLIC;"),
        expect![[r#"
        1 Revoked(0): a and b of t share a CHECK or UNIQUE key, so they are written together: UPDATE is revoked for both or for neither
          help: REVOKE UPDATE (b, c) ON t FROM PUBLIC;
    "#]],
    );
    check(
        &format!("{table} REVOKE UPDATE (b, c) ON t FROM PUBLIC; CREATE POLICY p ON t FOR UPDATE USING (c = 'x');"),
        expect![[r#"
            1 Revoked(0): b and a of t share a CHECK or UNIQUE key, so they are written together: UPDATE is revoked for both or for neither
              help: REVOKE UPDATE (a) ON t FROM PUBLIC;
        "#]],
    );
    check(&format!("{table} REVOKE UPDATE (a, b, c) ON t FROM PUBLIC;"), expect!["valid"]);
    check(&format!("{table} REVOKE UPDATE (d) ON t FROM PUBLIC;"), expect!["valid"]);
}

#[test]
fn revokes_name_what_is_there() {
    check(
        "REVOKE UPDATE (a) ON t FROM PUBLIC;",
        expect![[r#"
        0 Whole: there is no table t
          help: create table t before this line
    "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT); REVOKE UPDATE (b, a, a, id) ON t FROM PUBLIC;",
        expect![[r#"
        1 Revoked(0): there is no column b in t
    "#]],
    );
}

#[test]
fn policies_fit_their_target_and_command() {
    let valid = "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT);
        CREATE POLICY p ON t FOR INSERT WITH CHECK (TRUE); CREATE POLICY q ON t FOR UPDATE USING (TRUE) WITH CHECK (TRUE);
        CREATE POLICY r ON t FOR UPDATE WITH CHECK (TRUE); CREATE POLICY s ON t FOR DELETE USING (TRUE);
        CREATE POLICY p ON treaty_schema FOR INSERT WITH CHECK (author() IS NOT NULL);
        CREATE POLICY p ON treaty_peers FOR SELECT USING (TRUE);";
    check(valid, expect!["valid"]);
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT);
        CREATE POLICY a ON t FOR INSERT USING (TRUE); CREATE POLICY b ON t FOR DELETE WITH CHECK (TRUE);
        CREATE POLICY c ON t FOR UPDATE; CREATE POLICY d ON t FOR SELECT USING (TRUE);
        CREATE POLICY e ON treaty_schema FOR DELETE USING (TRUE); CREATE POLICY f ON treaty_peers FOR INSERT WITH CHECK (TRUE);
        CREATE POLICY g ON treaty_peers FOR SELECT USING (TRUE) WITH CHECK (TRUE); CREATE POLICY h ON t FOR INSERT;
        CREATE POLICY i ON u FOR INSERT WITH CHECK (TRUE); CREATE POLICY j ON treaty_peers FOR SELECT USING (a = 'x');",
        expect![[r#"
            1 Using: a policy FOR INSERT has no USING: there is no row before it
              help: write WITH CHECK (...) instead
            2 WithCheck: a policy FOR DELETE has no WITH CHECK: there is no row after it
              help: write USING (...) instead
            3 Whole: policy c has no condition
              help: write USING (true) if UPDATE is open to all
            4 Whole: table t takes no policy FOR SELECT
              help: write FOR INSERT, UPDATE or DELETE: who may read at all is a policy on treaty_peers FOR SELECT
            5 Whole: treaty_schema takes no policy FOR DELETE
              help: write FOR INSERT: who may change the schema
            6 Whole: treaty_peers takes no policy FOR INSERT
              help: write FOR SELECT: who may sync this space
            7 WithCheck: a policy FOR SELECT has no WITH CHECK: there is no row after it
              help: write USING (...) instead
            8 Whole: policy h has no condition
              help: write WITH CHECK (true) if INSERT is open to all
            9 Whole: there is no table u
              help: create table u before its policies
            10 Using: there is no column a here
        "#]],
    );
}

#[test]
fn exists_names_its_tables_as_sql_does() {
    let tables = "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, x UUID); REVOKE UPDATE (a, x) ON t FROM PUBLIC;
        CREATE TABLE u (id UUID PRIMARY KEY, a TEXT, b TEXT); REVOKE UPDATE (a, b) ON u FROM PUBLIC;";
    let policy =
        |filter: &str| format!("{tables} CREATE POLICY p ON t FOR DELETE USING (EXISTS (SELECT 1 FROM {filter}));");
    // An inner name hides an outer one; what is not inside is looked for outside.
    check(&policy("u WHERE a = b AND t.a = u.a AND x IS NULL"), expect!["valid"]);
    check(&policy("t WHERE t.a = 'x'"), expect!["valid"]);
    check(&policy("t o, u WHERE o.id = t.id AND u.b = o.a"), expect!["valid"]);
    check(
        &policy("t o, u WHERE a = 'x'"),
        expect![[r#"
        4 Using: column a is ambiguous: both o and u have it
          help: write o.a or u.a
    "#]],
    );
    check(
        &policy("t o, u o WHERE o.a = 'x'"),
        expect![[r#"
            4 Using: the name o stands for two tables in one FROM
              help: give each an alias: u a, ...
        "#]],
    );
    check(
        &policy("u v WHERE u.a = 'x'"),
        expect![[r#"
        4 Using: there is no table or alias u here
    "#]],
    );
    check(
        &policy("gone WHERE b = 'x'"),
        expect![[r#"
        4 Using: there is no table gone
          help: create gone before this policy
    "#]],
    );
    check(
        &policy("u a, u b, u c, u d, u e"),
        expect![[r#"
        4 Using: EXISTS reads from 1 to 4 tables
    "#]],
    );
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY); CREATE POLICY p ON t FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM u)); CREATE TABLE u (id UUID PRIMARY KEY);",
        expect![[r#"
            1 WithCheck: there is no table u
              help: create u before this policy
        "#]],
    );
}

#[test]
fn policies_are_bounded() {
    let policy = |condition: &str| {
        format!("CREATE TABLE t (id UUID PRIMARY KEY); CREATE POLICY p ON t FOR INSERT WITH CHECK ({condition});")
    };
    let exists = "EXISTS (SELECT 1 FROM t)";
    let pair = format!("({exists} OR TRUE)");
    check(&policy(&[&pair[..]; 6].join(" AND ")), expect!["valid"]);
    check(
        &policy(&[&pair[..]; 7].join(" AND ")),
        expect![[r#"
        1 Whole: the policy can be true in more than 64 ways: OR under AND multiplies
          help: write several policies: they are alternatives
    "#]],
    );
    check(&policy(&vec![exists; POLICY_EXISTS_MAX].join(" AND ")), expect!["valid"]);
    check(
        &policy(&vec![exists; POLICY_EXISTS_MAX + 1].join(" AND ")),
        expect![[r#"
        1 Whole: the policy has more than 32 EXISTS
          help: write several policies: they are alternatives
    "#]],
    );
    let empty = Change::CreatePolicy(NewPolicy {
        name: Ident::new("p").unwrap(),
        target: PolicyTarget::Peers,
        command: Command::Select,
        using: Some(Condition::And(Vec::new())),
        with_check: None,
    });
    assert!(Schema::empty().apply(&Patch { changes: vec![empty] }).is_err());
}

#[test]
fn what_nobody_may_do_is_listed() {
    let listed = |text: &str| {
        let lines: Vec<String> =
            schema(text).unpermitted().iter().map(|(target, command)| format!("{target:?} {command:?}\n")).collect();
        lines.concat()
    };
    expect![[r#"
        Table(t) Update
        Table(t) Delete
        Table(fixed) Insert
        Table(fixed) Delete
        Table(bare) Insert
        Table(bare) Delete
        Schema Insert
        Peers Select
    "#]]
    .assert_eq(&listed(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT);
        CREATE POLICY p ON t FOR INSERT WITH CHECK (TRUE);
        CREATE TABLE fixed (id UUID PRIMARY KEY, a TEXT);
        REVOKE UPDATE (a) ON fixed FROM PUBLIC;
        CREATE TABLE bare (id UUID PRIMARY KEY);",
    ));
    expect![[r#"
        Schema Insert
        Peers Select
    "#]]
    .assert_eq(&listed(""));
}
