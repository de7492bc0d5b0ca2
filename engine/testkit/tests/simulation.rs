//! The simulator, run for some seeds each time; `simulate` runs any number (docs/testing.md).

#![expect(clippy::panic, reason = "a failing seed is to be told whole")]

use treaty_testkit::sim::{Options, run};

/// Runs seeds.
fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        if let Err(failed) = run(&Options::drawn(seed)) {
            panic!("{failed}\nagain: simulate --run \"{}\"", failed.options.told());
        }
    }
}

#[test]
fn seeds_of_the_first_half_run_to_their_end() {
    check(0..60);
}

#[test]
fn seeds_of_the_second_half_run_to_their_end() {
    check(60..120);
}

#[test]
fn a_seed_does_the_same_twice() {
    for seed in 1000..1006 {
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
