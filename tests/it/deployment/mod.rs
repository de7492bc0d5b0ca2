//! What the repository ships for running it: docker-compose.yml, Dockerfile, systemd unit, scripts. Checked as far as that
//! goes without a container engine: everything they name exists, every command line is one of the program's, and the
//! scripts are run for real, outside of containers.

mod command_lines;
mod compose;
mod image;
mod readme;
mod scripts;
mod unit;

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate lies in the root").to_owned()
}

/// A file of the repository.
fn text(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    assert!(text.is_ok(), "{path}: {text:?}");
    text.unwrap_or_default()
}

/// The scripts that containers run.
const SCRIPTS: [&str; 4] = [
    "packaging/docker/treaty-node",
    "packaging/docker/treaty-healthy",
    "packaging/docker/roles.sh",
    "packaging/docker/admit",
];
