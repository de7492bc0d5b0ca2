//! The systemd unit.

use std::fs;
use std::process::Command;

use treaty_tests::binary;

use super::text;

const UNIT: &str = "packaging/treaty.service";
/// Where the unit's first lines put the program.
const INSTALLED: &str = "/usr/local/bin/treaty";

/// The values of a setting, in order.
fn settings(name: &str) -> Vec<String> {
    text(UNIT).lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)).collect()
}

#[test]
fn systemd_understands_the_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("systemd-analyze is not installed: the unit is read by the other tests only");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("treaty.service");
    fs::write(&unit, text(UNIT).replace(INSTALLED, &binary().display().to_string())).expect("the folder is writable");
    let verify = || Command::new("systemd-analyze").arg("verify").arg(&unit).output().expect("it started before");
    let output = verify();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("treaty.service")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
    fs::write(&unit, text(UNIT).replace("ProtectSystem=strict", "ProtectSystem=stirct"))
        .expect("the folder is writable");
    assert!(String::from_utf8_lossy(&verify().stderr).contains("treaty.service"), "a mistake would not be noticed");
}

#[test]
fn the_unit_runs_one_sidecar_as_nobody_special_in_its_own_folder() {
    assert_eq!(settings("ExecStart"), [format!("{INSTALLED} up")]);
    assert_eq!(settings("Type"), ["exec"]);
    assert_eq!(settings("User"), ["treaty"]);
    assert_eq!(settings("Restart"), ["on-failure"]);
    assert_eq!(settings("ProtectSystem"), ["strict"]);
    assert_eq!(settings("NoNewPrivileges"), ["yes"]);
    assert_eq!(settings("CapabilityBoundingSet"), [""]);
    let data = format!("/var/lib/{}", settings("StateDirectory")[0]);
    assert!(settings("Environment")[0].contains(&format!("TREATY_DATA={data} ")), "the data directory is writable");
    assert_eq!(settings("WorkingDirectory"), [data.as_str()]);
    assert!(text(UNIT).contains(&format!("treaty init --data {data} ")), "and the first lines make it there");
}
