//! The order of rooms in `engine/src`: a room imports rooms of lower rank only.

use std::fs;
use std::path::Path;

use super::{files_below, root, shown};

/// The rooms by rank, lowest first; rooms of one rank do not import each other. `store` implements the traits of every
/// room below the replica and decides nothing, so it may import them; of the rooms, only the replica names it.
const RANKS: [&[&str]; 8] = [
    &["hash", "codec", "limits", "fault"],
    &["identity"],
    &["log"],
    &["causality", "blob"],
    &["crdt"],
    &["relation"],
    &["cotx", "sync"],
    &["replica"],
];

#[test]
fn a_room_imports_lower_ranks_only() {
    let source = root().join("engine/src");
    let mut faults = Vec::new();
    for path in files_below(&source, ".rs") {
        let room = room_of(&source, &path);
        if room == "lib" {
            continue;
        }
        let text = fs::read_to_string(&path).expect("sources are readable");
        for (line_index, line) in text.lines().enumerate() {
            for imported in imported_rooms(line) {
                if !may_import(&room, &imported) {
                    faults.push(format!("{}:{}: {room} must not import {imported}", shown(&path), line_index + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_room_has_a_rank() {
    let source = root().join("engine/src");
    for path in files_below(&source, ".rs") {
        let room = room_of(&source, &path);
        assert!(
            room == "lib" || room == "store" || rank_of(&room).is_some(),
            "{}: room {room} has no rank",
            shown(&path)
        );
    }
}

#[test]
fn the_rule_can_fail() {
    assert!(!may_import("log", "relation"));
    assert!(!may_import("cotx", "sync"));
    assert!(!may_import("relation", "store"));
    assert!(may_import("relation", "log"));
    assert_eq!(imported_rooms("use crate::{log::Entry, hash::EntryId};"), ["log", "hash"]);
    assert_eq!(imported_rooms("    crate::causality::Pos,"), ["causality"]);
}

/// Primitive rooms of rank 0 may use each other: limits in codec, hashes in faults.
fn may_import(room: &str, imported: &str) -> bool {
    match (rank_of(room), rank_of(imported)) {
        _ if room == imported => true,
        _ if room == "store" => imported != "replica" && imported != "sync",
        (Some(7), _) => true,
        (Some(0), Some(0)) => true,
        (Some(from), Some(to)) => to < from,
        _ => false,
    }
}

fn rank_of(room: &str) -> Option<usize> {
    RANKS.iter().position(|rooms| rooms.contains(&room))
}

fn room_of(source: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(source).expect("listed below the source");
    let first = inside.components().next().expect("a file has a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a line of code names by `crate::room` or in a `use crate::{room…}` group.
fn imported_rooms(line: &str) -> Vec<String> {
    let code = line.trim_start();
    if code.starts_with("//") {
        return Vec::new();
    }
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = Vec::new();
    for part in code.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            None => found.push(word(part)),
            Some(group) => {
                let mut depth = 0_usize;
                let mut start = true;
                for (index, c) in group.char_indices() {
                    if start && !c.is_whitespace() && depth == 0 {
                        found.push(word(&group[index..]));
                        start = false;
                    }
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        _ => {}
                    }
                }
            }
        }
    }
    found.retain(|room| !room.is_empty() && room != "self" && !room.starts_with(char::is_uppercase));
    found
}
