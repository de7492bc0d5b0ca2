//! A club at odds with itself, told to the engine and to the oracle: after every entry both say the same of everything.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use treaty_engine::causality::Version;
use treaty_engine::hash::EntryId;
use treaty_engine::log::Entry;
use treaty_engine::replica::Replica;
use treaty_testkit::{CoTxName, Dice, Evaluates, History, Quarrel, Verdict};

use crate::scenarios::Told;
use crate::tables::{hear, replica_of, voids_of};

/// What is void, and why, by the oracle.
fn voids(history: &History, heads: &[EntryId]) -> BTreeMap<CoTxName, Verdict> {
    history.verdicts(heads).into_iter().filter(|(_, verdict)| *verdict != Verdict::Live).collect()
}

fn check(replica: &Replica, quarrel: &Quarrel, heads: &[EntryId]) -> Result<(), TestCaseError> {
    let found = voids_of(replica, &quarrel.admitted());
    prop_assert_eq!(found, voids(&quarrel.history, heads), "{}", told(quarrel));
    Ok(())
}

fn told(quarrel: &Quarrel) -> String {
    let names = quarrel.story.entries.iter().map(|(name, entry)| format!("{name} is {}", entry.id()));
    quarrel.lines.iter().cloned().chain(names).collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_quarrel_is_judged_as_the_oracle_says_after_every_entry(choices in vec(any::<u8>(), 200..700), at in any::<u16>()) {
        let (mut dice, mut quarrel) = (Dice::new(&choices), Quarrel::begin());
        let mut replica = replica_of(&quarrel.story);
        for number in 0..30 {
            let (entry, refused) = quarrel.tell(&mut dice, number);
            let heard = hear(&mut replica, &entry).err();
            prop_assert_eq!(heard.map(|refusal| refusal.reason), refused, "{} of {}", number, told(&quarrel));
            check(&replica, &quarrel, &quarrel.history.all_heads())?;
        }
        let (ids, heads) = (quarrel.admitted(), quarrel.history.all_heads());
        prop_assert_eq!(replica.digest().unwrap(), quarrel.history.digest(&heads), "{}", told(&quarrel));
        let some = Version::new(vec![ids[usize::from(at) % ids.len()], ids[usize::from(at >> 8) % ids.len()]]);
        let mut evaluator = Told(replica);
        for from in [some.ids(), &heads] {
            let expected = quarrel.history.shown_from(some.ids(), from);
            prop_assert_eq!(evaluator.rows(some.ids(), from), expected, "at {:?} from {:?}: {}", some, from, told(&quarrel));
        }
    }

    #[test]
    fn a_quarrel_is_judged_alike_in_any_order_of_arrival(choices in vec(any::<u8>(), 200..700), order in vec(any::<u16>(), 1..40)) {
        let quarrel = Quarrel::told(&choices, 30);
        let mut entries: Vec<Entry> = quarrel.story.entries[1..].iter().map(|(_, entry)| entry.clone()).collect();
        for (index, seed) in order.iter().enumerate() {
            let (a, b) = (index % entries.len(), usize::from(*seed) % entries.len());
            entries.swap(a, b);
        }
        let mut replica = replica_of(&quarrel.story);
        for chunk in entries.chunks(usize::from(order[0]) % 4 + 1) {
            replica.ingest(chunk.to_vec()).unwrap();
        }
        let heads = quarrel.history.all_heads();
        prop_assert_eq!(replica.frontier(), Version::new(heads.clone()), "{}", told(&quarrel));
        check(&replica, &quarrel, &heads)?;
        prop_assert_eq!(replica.digest().unwrap(), quarrel.history.digest(&heads), "{}", told(&quarrel));
    }
}
