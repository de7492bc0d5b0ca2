//! What every source file keeps: a header, a bearable size, words from the glossary, no mark of unfinished work.

use std::fs;

use super::{files_below, root, shown};

/// Most lines of a source file before its tests; above it, a concept is waiting to be split out.
const FILE_LINES_MAX: usize = 600;

/// Rooms that are not rooms: if no room fits, the glossary lacks a word.
const NO_ROOMS: [&str; 5] = ["utils", "util", "helpers", "common", "manager"];

#[test]
fn every_source_file_opens_with_its_header() {
    for path in files_below(&root(), ".rs") {
        let text = fs::read_to_string(&path).expect("sources are readable");
        assert!(text.starts_with("//!"), "{} must open with //!", shown(&path));
    }
}

#[test]
fn no_source_file_outgrows_its_limit() {
    for path in files_below(&root(), ".rs") {
        let text = fs::read_to_string(&path).expect("sources are readable");
        let line_count = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(line_count <= FILE_LINES_MAX, "{} has {line_count} lines, limit {FILE_LINES_MAX}", shown(&path));
    }
}

#[test]
fn no_room_is_named_after_nothing() {
    for path in files_below(&root(), ".rs") {
        let name = shown(&path);
        for part in name.trim_end_matches(".rs").split('/') {
            assert!(!NO_ROOMS.contains(&part), "{name}: what is in it? name it after that");
        }
    }
}

#[test]
fn nothing_is_left_unfinished_or_ignored() {
    let marks = [
        "todo".to_owned() + "!(",
        "unimplemented".to_owned() + "!(",
        "#[".to_owned() + "ignore",
        "FIX".to_owned() + "ME",
    ];
    for path in files_below(&root(), ".rs") {
        let text = fs::read_to_string(&path).expect("sources are readable");
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} holds {mark}", shown(&path));
        }
    }
}
