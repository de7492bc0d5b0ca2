//! Command lines and variables in what is shipped are those of the program.

use std::collections::BTreeSet;
use std::process::Command;

use treaty_tests::binary;

use super::{SCRIPTS, text};

/// Commands of the program.
const COMMANDS: [&str; 13] = [
    "identity",
    "init",
    "invite",
    "join",
    "up",
    "status",
    "rollbacks",
    "log",
    "at",
    "verify",
    "schema",
    "uninstall",
    "demo",
];

/// What tells people how to run it.
const PAGES: [&str; 4] = ["README.md", "docs/cli.md", "docs/operations.md", "docs/postgres.md"];

#[test]
fn every_command_line_names_flags_that_its_command_has() {
    let shipped = SCRIPTS.into_iter().chain(["packaging/treaty.service", "docker-compose.yml"]);
    let mut checked = 0;
    for path in shipped.chain(PAGES) {
        let lines = if path.ends_with(".md") { fenced(&text(path)) } else { text(path) };
        for line in lines.lines() {
            checked += check_line(path, line);
        }
    }
    assert!(checked > 10, "only {checked} command lines were found");
}

#[test]
fn every_variable_that_is_named_is_one_that_the_program_reads() {
    let helps: String = COMMANDS.iter().filter_map(|command| help(&[command])).collect();
    let mut known: BTreeSet<String> = variables(&helps);
    known.insert("TREATY_LOG".into());
    assert!(known.contains("TREATY_DATABASE"), "{known:?}");
    let shipped = SCRIPTS.into_iter().chain(["packaging/treaty.service", "docker-compose.yml", "Dockerfile"]);
    for path in shipped.chain(PAGES) {
        for variable in variables(&text(path)) {
            assert!(known.contains(&variable), "{path} names {variable}, which the program does not read");
        }
    }
}

#[test]
fn a_wrong_flag_is_noticed() {
    let wrong = std::panic::catch_unwind(|| check_line("x", "run treaty up --nonsense 3"));
    assert!(wrong.is_err());
    assert_eq!(check_line("x", "treaty up --listen 1 && treaty status"), 2);
    assert_eq!(check_line("x", "a treaty between peers; treaty schema check f"), 1);
}

/// Checks each command of the program in a line of shell; returns how many there were.
fn check_line(path: &str, line: &str) -> usize {
    let line = line.trim_start_matches('#');
    let words: Vec<&str> = line.split([' ', '\t', '(', ')', ';', '"', '\'', '`', '|', '=']).collect();
    let mut found = 0;
    for (index, pair) in words.windows(2).enumerate() {
        let is_program = pair[0] == "treaty" || pair[0].ends_with("/treaty");
        if !is_program || !COMMANDS.contains(&pair[1]) {
            continue;
        }
        let mut command = vec![pair[1]];
        command.extend(words.get(index + 2).filter(|_| pair[1] == "schema"));
        let help = help(&command).unwrap_or_default();
        assert!(!help.is_empty(), "{path}: `treaty {command:?}` is no command: {line}");
        let flags: BTreeSet<&str> = help.split([' ', ',', '\n', '[']).filter(|word| word.starts_with("--")).collect();
        let rest = words[index + 2..].iter().take_while(|word| !["&&", "&", "||", "#", "treaty"].contains(word));
        for flag in rest.filter(|word| word.starts_with("--")) {
            assert!(flags.contains(flag), "{path}: `treaty {command:?}` has no {flag}: {line}");
        }
        found += 1;
    }
    found
}

/// What a command says of itself; none if there is no such command.
fn help(command: &[&str]) -> Option<String> {
    let output = Command::new(binary()).args(command).arg("--help").output().expect("the program starts");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The lines of a page that stand in fences.
fn fenced(page: &str) -> String {
    page.split("```").skip(1).step_by(2).collect()
}

/// The words that begin with `TREATY_`.
fn variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("TREATY_") && word.len() > 7 && !word.starts_with("TREATY_TEST"))
        .map(str::to_owned)
        .collect()
}
