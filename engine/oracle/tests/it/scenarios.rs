//! Every scenario, told to the oracle; and told again in another order.

use treaty_testkit::{History, Scenario, Story, Verdict};

treaty_testkit::each_scenario!(crate::scenarios::check);

pub(crate) fn check(scenario: &Scenario) {
    scenario.check(founded);
    check_order(scenario);
    // No scenario hangs on how the hashes of its entries happen to be ordered.
    let first = scenario.told(0, founded);
    for time_ms in 1..9 {
        assert_eq!(scenario.told(time_ms, founded), first, "at {time_ms}");
    }
}

fn founded(story: &Story) -> History {
    let mut history = History::new(story.schema.clone());
    history.add(story.entry("genesis")).unwrap();
    history
}

/// Verdicts are a function of the set: the order in which entries come makes no difference. And admission is the verdict in the
/// view of an entry's own past.
fn check_order(scenario: &Scenario) {
    let (story, mut waiting) = scenario.admitted();
    let mut history = History::new(story.schema.clone());
    for entry in &waiting {
        history.add(entry).unwrap();
    }
    let mut other = History::new(story.schema.clone());
    while !waiting.is_empty() {
        let is_ready = |parents: &[_]| parents.iter().all(|parent| other.contains(parent));
        let last = waiting.iter().rposition(|entry| is_ready(&entry.header().parents)).unwrap();
        other.add(&waiting.remove(last)).unwrap();
    }
    let heads = history.all_heads();
    assert_eq!(heads, other.all_heads());
    assert_eq!(history.verdicts(&heads), other.verdicts(&heads));
    assert_eq!(history.digest(&heads), other.digest(&heads));
    for (_, entry) in story.entries.iter().filter(|(_, entry)| history.contains(entry.id())) {
        let own = history.verdicts(&[*entry.id()]);
        assert!(own.iter().all(|(name, verdict)| name.entry != *entry.id() || *verdict == Verdict::Live));
    }
}

#[test]
fn no_scenario_is_forgotten() {
    let files = [
        include_str!("../../../testkit/src/scenarios/claims.rs"),
        include_str!("../../../testkit/src/scenarios/disputes.rs"),
        include_str!("../../../testkit/src/scenarios/hostile.rs"),
        include_str!("../../../testkit/src/scenarios/permissions.rs"),
        include_str!("../../../testkit/src/scenarios/references.rs"),
        include_str!("../../../testkit/src/scenarios/tables.rs"),
        include_str!("../../../testkit/src/scenarios/transactions.rs"),
    ];
    let list = include_str!("../../../testkit/src/scenarios.rs");
    let named = files
        .iter()
        .flat_map(|file| file.lines())
        .filter_map(|line| line.strip_prefix("pub fn ")?.strip_suffix("() -> Scenario {"));
    let mut count = 0;
    for name in named {
        assert!(list.lines().any(|line| line.trim() == name), "{name} is not in the list");
        count += 1;
    }
    assert!(count > 90, "{count} scenarios were found");
}
