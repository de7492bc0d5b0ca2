//! The crates' arrows: who may depend on whom (ARCHITECTURE.md draws them).

use std::collections::BTreeSet;
use std::fs;

use super::root;

/// Each crate with the workspace crates it may import; development dependencies may add the test kit.
const ARROWS: [(&str, &[&str]); 8] = [
    ("engine/schema", &[]),
    ("engine", &["treaty-schema"]),
    ("engine/net", &["treaty-schema", "treaty-engine"]),
    ("engine/oracle", &["treaty-schema", "treaty-engine"]),
    ("engine/testkit", &["treaty-schema", "treaty-engine", "treaty-oracle"]),
    ("ddl-gen", &["treaty-schema"]),
    ("adapter-sql", &["treaty-schema", "treaty-engine", "treaty-oracle", "treaty-net", "treaty-ddl"]),
    ("tests", &["treaty", "treaty-schema", "treaty-engine", "treaty-net", "treaty-ddl", "treaty-testkit"]),
];

/// External crates that must not be reachable from a pure crate's manifest.
const IMPURE: [&str; 6] = ["tokio", "quinn", "rustls", "notify", "getrandom", "sqlparser"];

#[test]
fn crates_depend_only_along_the_arrows() {
    for (folder, allowed) in ARROWS {
        for (name, section) in dependencies(folder) {
            if !name.starts_with("treaty") {
                continue;
            }
            let is_test_kit = name == "treaty-testkit" && section == "dev-dependencies";
            assert!(allowed.contains(&name.as_str()) || is_test_kit, "{folder} must not depend on {name} ({section})");
        }
    }
}

#[test]
fn the_pure_crates_know_no_runtime_no_socket_and_no_parser() {
    for folder in ["engine/schema", "engine"] {
        let names: BTreeSet<String> = dependencies(folder)
            .into_iter()
            .filter(|(_, section)| section == "dependencies")
            .map(|(name, _)| name)
            .collect();
        for impure in IMPURE {
            assert!(!names.contains(impure), "{folder} must not depend on {impure}");
        }
    }
    let schema: Vec<String> = dependencies("engine/schema").into_iter().map(|(name, _)| name).collect();
    assert!(!schema.contains(&"rusqlite".to_owned()), "engine/schema stores nothing");
}

#[test]
fn one_cryptography_provider_and_one_tls_stack_are_locked() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock is committed");
    for banned in ["aws-lc-rs", "openssl-sys", "native-tls", "sqlx-sqlite"] {
        assert!(!lock.contains(&format!("name = \"{banned}\"")), "{banned} is in Cargo.lock");
    }
}

/// The dependencies of the crate in `folder`, each with the section that names it.
fn dependencies(folder: &str) -> Vec<(String, String)> {
    let path = root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).expect("every crate has a manifest");
    let manifest: toml::Table = text.parse().expect("every manifest is TOML");
    let mut found = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
        found.extend(table.keys().map(|name| (name.clone(), section.to_owned())));
    }
    assert!(!found.is_empty() || folder == "tests", "{folder} names its dependencies");
    found
}
