//! The Dockerfile: whether a build would find what it copies, and what the image would run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use super::{root, text};

/// The names that .dockerignore lets into the build, which begins with "nothing".
fn admitted() -> Vec<String> {
    let text = text(".dockerignore");
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "nothing goes into the build but what is named");
    lines.filter_map(|line| line.strip_prefix('!').map(str::to_owned)).collect()
}

/// Copies what .dockerignore admits into a folder: what the engine would be sent.
fn context() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in admitted() {
        let prefix = name.strip_suffix('*');
        let mut found = 0;
        let (parent, last) = name.rsplit_once('/').unwrap_or(("", &name));
        for item in fs::read_dir(root().join(parent)).expect("the repository is readable").flatten() {
            let own = item.file_name().to_string_lossy().into_owned();
            if own != last && !prefix.is_some_and(|prefix| own.starts_with(prefix)) {
                continue;
            }
            found += 1;
            let target = folder.path().join(parent);
            fs::create_dir_all(&target).expect("the folder is writable");
            let copied = Command::new("cp").arg("-r").arg(item.path()).arg(&target).status().expect("cp runs");
            assert!(copied.success(), "{own}");
        }
        assert!(found > 0, ".dockerignore admits {name}, which is not there");
    }
    folder
}

/// The lines of the Dockerfile that begin with this word, without it; continued lines are joined.
fn instructions(word: &str) -> Vec<String> {
    let joined = text("Dockerfile").replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ').map(|rest| rest.trim().to_owned()))
        .collect()
}

#[test]
fn what_is_copied_is_in_the_build_and_cargo_finds_all_it_reads() {
    let context = context();
    for copy in instructions("COPY").iter().filter(|copy| !copy.starts_with("--from")) {
        let sources: Vec<&str> = copy.split_whitespace().collect();
        for source in &sources[..sources.len() - 1] {
            assert!(context.path().join(source).exists(), "COPY {copy}: {source} is not in the build");
        }
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let metadata = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(context.path())
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let told = String::from_utf8_lossy(&metadata.stdout);
    assert!(told.contains("\"name\":\"treaty\""), "the program is in the build: {told}");
    let mut included = 0;
    for folder in ["adapter-sql/src", "ddl-gen/src", "engine"] {
        for file in rust_files(&context.path().join(folder)) {
            included += check_included(context.path(), &file);
        }
    }
    assert!(included > 5, "only {included} included files were found");
    assert!(!context.path().join(".git").exists() && !context.path().join("target").exists());
}

#[test]
fn the_program_is_built_locked_and_run_by_nobody_special() {
    let build = instructions("RUN").into_iter().find(|run| run.contains("cargo build")).expect("it is built");
    for word in ["--release", "--locked", "--package treaty", "--bin treaty"] {
        assert!(build.contains(word), "{build}");
    }
    assert_eq!(instructions("FROM").len(), 2, "what builds is not in the image");
    let made = instructions("RUN").into_iter().find(|run| run.contains("useradd")).expect("the user is made");
    let users = instructions("USER");
    assert_eq!(users, ["treaty"]);
    assert!(made.contains("--uid 10001") && made.contains(" treaty "), "{made}");
    let dockerfile = text("Dockerfile");
    let (before, _) = dockerfile.split_once("USER treaty").expect("just read");
    assert!(before.contains("COPY --from=build /built/treaty /usr/local/bin/treaty"));
    assert_eq!(instructions("ENTRYPOINT"), ["[\"treaty-node\"]"]);
    assert_eq!(instructions("EXPOSE"), ["4433/udp"]);
    let built_with = text("Cargo.toml");
    let needed = built_with.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("it is said");
    let minor = |version: &str| version.trim_matches('"').split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let image = instructions("FROM")[0].clone();
    let image = image.strip_prefix("rust:").and_then(|rest| rest.split('-').next()).expect("a Rust image");
    assert!(minor(image) >= minor(needed), "rust {image} builds what needs {needed}");
}

#[test]
fn scripts_can_be_run_and_bash_understands_them() {
    for script in super::SCRIPTS {
        let path = root().join(script);
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert!(mode & 0o111 == 0o111, "{script} is not executable");
        let output = Command::new("bash").arg("-n").arg(&path).output().expect("bash runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if let Ok(output) = Command::new("shellcheck").arg(&path).output() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).expect("it was copied").flatten() {
        let path = item.path();
        let name = item.file_name();
        // Tests are not built into the image.
        if path.is_dir() && name != "tests" && name != "target" && name != "testkit" && name != "oracle" {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// Checks that files which a source file includes are in the build; returns how many there are.
fn check_included(context: &Path, file: &Path) -> usize {
    let source = fs::read_to_string(file).expect("sources are readable");
    let mut found = 0;
    for part in source.split("include_str!(\"").chain(source.split("include_bytes!(\"").skip(1)).skip(1) {
        let Some((included, _)) = part.split_once('"') else { continue };
        let path = without_dots(&file.parent().expect("a file has a folder").join(included));
        assert!(path.starts_with(context) && path.is_file(), "{} includes {included}", file.display());
        found += 1;
    }
    found
}

/// The path with `..` taken away by its parent's name, not by the file system.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}
