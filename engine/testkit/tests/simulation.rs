//! The simulator, run for some seeds each time; `simulate` runs any number (docs/testing.md).

#![expect(clippy::panic, reason = "a failing seed is to be told whole")]

use treaty_testkit::sim::{Options, Tale, read_run, replay, run, run_steps};

/// Most steps of a run here, so that there is time for many.
const STEPS_MAX: u64 = 70;

/// Runs seeds.
fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut options = Options::drawn(seed);
        options.steps = options.steps.min(STEPS_MAX);
        if let Err(failed) = run(&options) {
            panic!("{failed}\nagain: simulate --run \"{}\"", failed.options.told());
        }
    }
}

#[test]
fn the_first_seeds_run_to_their_end() {
    check(0..50);
}

#[test]
fn the_second_seeds_run_to_their_end() {
    check(50..100);
}

#[test]
fn the_third_seeds_run_to_their_end() {
    check(100..150);
}

#[test]
fn the_last_seeds_run_to_their_end() {
    check(150..200);
}

#[test]
fn a_seed_does_the_same_twice() {
    for seed in 1000..1004 {
        let [first, second] = [(), ()].map(|()| run(&Options::drawn(seed)).map(|report| report.event_hash));
        assert_eq!(first.map_err(|failed| failed.to_string()), second.map_err(|failed| failed.to_string()), "{seed}");
    }
}

#[test]
fn options_are_read_as_they_are_told() {
    let mut options = Options::drawn(7);
    assert_eq!(Options::read(&options.to_string()), Ok(options.clone()));
    assert_eq!(options.told(), "seed=7");
    assert!(options.set("crash", 99));
    assert_eq!(Options::read(&options.told()), Ok(options));
    assert_eq!(Options::read("seed=7 crush=1"), Err("there is no option crush".to_owned()));
}

/// What was found before, by the ending of the file.
fn regressions(ending: &str) -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let paths = files.map(|file| file.expect("the folder can be read").path());
    let named = paths.filter(|path| path.extension().is_some_and(|found| found == ending));
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).expect("the file can be read");
    let mut found: Vec<(String, String)> = named.map(|path| (path.display().to_string(), read(&path))).collect();
    found.sort();
    found
}

#[test]
fn tales_of_the_past_end_well() {
    let tales = regressions("tale");
    assert!(!tales.is_empty());
    for (name, text) in tales {
        let tale = Tale::read(&text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(Tale::read(&tale.to_string()), Ok(tale.clone()), "{name} reads as it prints");
        assert_eq!(replay(&tale).map_err(|failure| failure.to_string()), Ok(()), "{name}");
    }
}

#[test]
fn runs_of_the_past_end_well() {
    for (name, text) in regressions("run") {
        let line = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
        let (options, steps) = read_run(line).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        if let Err(failed) = run_steps(&options, &steps) {
            panic!("{name}\n{failed}");
        }
    }
}
