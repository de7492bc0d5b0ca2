//! The demo does what it says, on any machine: the first thing that anybody runs.

use std::process::Command;

use treaty_tests::{Node, binary};

#[test]
fn the_demo_ends_with_two_equal_tables() {
    let output = Command::new(binary()).arg("demo").output().expect("the program starts");
    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complaints}");
    let tables: Vec<&str> = said.split("anna.db\n").last().unwrap_or_default().split("ben.db\n").collect();
    let drawn = |text: &str| text.lines().filter(|line| line.starts_with('│')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(tables.len(), 2, "{said}");
    assert_eq!(drawn(tables[0]), drawn(tables[1]));
    assert!(
        drawn(tables[0]).iter().any(|row| row.contains("paint the fence green") && row.contains("38.00")),
        "{said}"
    );
    for lost in ["to the lake", "buy a boat", "one_trip_a_day", "policy editors_add", "policy admins_dismiss"] {
        assert!(said.contains(lost), "a report of {lost}: {said}");
    }
}

#[test]
fn the_demo_leaves_its_directory_only_when_asked() {
    let folder = Node::new();
    let run = |arguments: &[&str]| {
        let status = Command::new(binary()).arg("demo").args(arguments).env("TMPDIR", folder.folder()).output();
        assert!(status.expect("the program starts").status.success());
        std::fs::read_dir(folder.folder()).expect("a folder").count()
    };
    assert_eq!(run(&[]), 0);
    assert_eq!(run(&["--keep"]), 1);
}
