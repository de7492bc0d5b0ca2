//! The binary `treaty-ddl`: what it prints, where, and how it ends.

use std::process::Command;

use expect_test::{Expect, expect};

use crate::golden::examples;

/// Runs the binary on a file of that text; prints exit code, output and errors, the file's name as FILE.
fn check(text: &str, arguments: &[&str], expected: &Expect) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schema.sql");
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let arguments = arguments.iter().map(|argument| argument.replace("FILE", file));
    let output = Command::new(env!("CARGO_BIN_EXE_treaty-ddl")).args(arguments).output().unwrap();
    let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(file, "FILE");
    let code = output.status.code().unwrap();
    expected.assert_eq(&format!("{code}\n{}--\n{}", shown(&output.stdout), shown(&output.stderr)));
}

const WRONG: &str = "CREATE TABLE t (id SERIAL);\nSELECT 1;";

#[test]
fn check_ends_with_0_or_1() {
    check(
        WRONG,
        &["check", "FILE"],
        &expect![[r#"
        1
        FILE:1:14: table t has no PRIMARY KEY
          help: declare id UUID PRIMARY KEY; other keys are UNIQUE
        FILE:1:20: serial is not among the types of a schema file
          help: rows are named by id UUID PRIMARY KEY; for a number that you assign yourself write INTEGER
        FILE:2:1: SELECT is not a statement of a schema file
          help: a schema file consists of CREATE TABLE, CREATE UNIQUE INDEX, CREATE POLICY, REVOKE UPDATE and INSERT INTO
        FILE: 3 mistakes
        --
    "#]],
    );
    check(
        WRONG,
        &["check", "FILE", "--json"],
        &expect![[r#"
        1
        {"ok":false,"diagnostics":[{"file":"FILE","line":1,"column":14,"message":"table t has no PRIMARY KEY","help":"declare id UUID PRIMARY KEY; other keys are UNIQUE"},{"file":"FILE","line":1,"column":20,"message":"serial is not among the types of a schema file","help":"rows are named by id UUID PRIMARY KEY; for a number that you assign yourself write INTEGER"},{"file":"FILE","line":2,"column":1,"message":"SELECT is not a statement of a schema file","help":"a schema file consists of CREATE TABLE, CREATE UNIQUE INDEX, CREATE POLICY, REVOKE UPDATE and INSERT INTO"}]}
        --
    "#]],
    );
    let notes = std::fs::read_to_string(examples().join("notes/schema.sql")).unwrap();
    check(
        &notes,
        &["check", "FILE"],
        &expect![[r#"
        0
        FILE: valid
        --
    "#]],
    );
    check(
        &notes,
        &["check", "FILE", "--json"],
        &expect![[r#"
        0
        {"ok":true,"diagnostics":[]}
        --
    "#]],
    );
}

#[test]
fn sql_prints_nothing_for_a_file_with_mistakes() {
    check(
        WRONG,
        &["sql", "FILE", "--for", "sqlite"],
        &expect![[r#"
        1
        --
        FILE:1:14: table t has no PRIMARY KEY
          help: declare id UUID PRIMARY KEY; other keys are UNIQUE
        FILE:1:20: serial is not among the types of a schema file
          help: rows are named by id UUID PRIMARY KEY; for a number that you assign yourself write INTEGER
        FILE:2:1: SELECT is not a statement of a schema file
          help: a schema file consists of CREATE TABLE, CREATE UNIQUE INDEX, CREATE POLICY, REVOKE UPDATE and INSERT INTO
    "#]],
    );
}

#[test]
fn a_missing_file_is_a_failure_and_a_missing_argument_wrong_usage() {
    check(
        "",
        &["check", "FILE.nowhere"],
        &expect![[r#"
        1
        --
        error: reading the schema file FILE.nowhere: No such file or directory (os error 2)
    "#]],
    );
    let output = Command::new(env!("CARGO_BIN_EXE_treaty-ddl")).args(["sql", "x.sql"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
