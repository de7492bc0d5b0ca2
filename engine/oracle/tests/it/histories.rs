//! Random histories of a club at odds with itself: what must hold of all of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use treaty_engine::hash::EntryId;
use treaty_engine::relation::RowId;
use treaty_schema::{Schema, Value};
use treaty_testkit::{History, Quarrel, ShownRow, Verdict};

/// Every foreign key finds its row, every key is had once.
fn check_constraints(schema: &Schema, shown: &BTreeMap<(usize, RowId), ShownRow>) -> Result<(), TestCaseError> {
    let mut keys = BTreeSet::new();
    for ((index, _), row) in shown {
        let table = &schema.tables()[*index];
        for key in &table.foreign_keys {
            let Some(Value::Uuid(target)) = &row.cells[key.column] else { continue };
            prop_assert!(shown.contains_key(&(key.target, RowId(*target))), "{:?} of {} dangles", row.name, table.name);
        }
        for (number, unique) in table.uniques.iter().enumerate() {
            let cells: Option<Vec<Value>> = unique.columns.iter().map(|column| row.cells[*column].clone()).collect();
            if let Some(cells) = cells {
                prop_assert!(keys.insert((*index, number, cells)), "{:?} of {} is there twice", row.name, table.name);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn tables_keep_every_constraint_at_every_version(choices in vec(any::<u8>(), 200..700), at in any::<u16>()) {
        let telling = Quarrel::told(&choices, 30);
        let (history, ids) = (&telling.history, telling.admitted());
        let heads = history.all_heads();
        check_constraints(history.schema(), &history.shown(&heads))
            .map_err(|error| TestCaseError::fail(format!("{error}\n{}", telling.lines.join("\n"))))?;
        let some: Vec<EntryId> = vec![ids[usize::from(at) % ids.len()], ids[usize::from(at >> 8) % ids.len()]];
        check_constraints(history.schema(), &history.shown(&some))
            .map_err(|error| TestCaseError::fail(format!("{error}\n{}", telling.lines.join("\n"))))?;
        // What is known now about a version keeps its foreign keys as well, and its keys.
        check_constraints(history.schema(), &history.shown_from(&some, &heads))
            .map_err(|error| TestCaseError::fail(format!("known now: {error}\n{}", telling.lines.join("\n"))))?;
    }

    #[test]
    fn verdicts_are_a_function_of_the_set(choices in vec(any::<u8>(), 200..700), order in any::<u64>()) {
        let telling = Quarrel::told(&choices, 24);
        let mut waiting = telling.admitted();
        let mut other = History::new(telling.story.schema.clone());
        let mut turn = order;
        while !waiting.is_empty() {
            let entry_of = |id: &EntryId| &telling.story.entries.iter().find(|(_, entry)| entry.id() == id).unwrap().1;
            let ready: Vec<usize> = (0..waiting.len())
                .filter(|index| entry_of(&waiting[*index]).header().parents.iter().all(|id| other.contains(id)))
                .collect();
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let id = waiting.remove(ready[usize::try_from(turn >> 40).unwrap() % ready.len()]);
            let entry = entry_of(&id);
            prop_assert_eq!(other.judge(entry), None, "{}", telling.lines.join("\n"));
            other.add(entry).unwrap();
        }
        let heads = telling.history.all_heads();
        prop_assert_eq!(telling.history.verdicts(&heads), other.verdicts(&heads));
        prop_assert_eq!(telling.history.digest(&heads), other.digest(&heads));
    }

    #[test]
    fn admission_is_the_verdict_in_the_own_past_and_work_on_top_flips_nothing(choices in vec(any::<u8>(), 200..700)) {
        let mut telling = Quarrel::told(&choices, 24);
        for id in telling.admitted() {
            let own = telling.history.verdicts(&[id]);
            let is_live = own.iter().all(|(name, verdict)| name.entry != id || *verdict == Verdict::Live);
            prop_assert!(is_live, "{:?}\n{}", telling.story.name(&id), telling.lines.join("\n"));
        }
        let before = telling.history.verdicts(&telling.history.all_heads());
        let heads: Vec<&str> = telling.history.all_heads().iter().map(|id| telling.story.name(id).unwrap()).collect();
        let line = format!("top @hugo on {}: insert drafts d owner=@hugo | insert guests g who=@hugo", heads.join(" "));
        let entry = telling.story.tell(&line);
        prop_assert_eq!(telling.history.judge(&entry), None);
        telling.history.add(&entry).unwrap();
        let after = telling.history.verdicts(&telling.history.all_heads());
        for (name, verdict) in &before {
            prop_assert_eq!(after.get(name), Some(verdict), "{}", telling.lines.join("\n"));
        }
        prop_assert_eq!(after.len(), before.len() + 2);
    }

    #[test]
    fn every_void_has_a_culprit_and_somebody_administers(choices in vec(any::<u8>(), 200..700)) {
        let telling = Quarrel::told(&choices, 30);
        let heads = telling.history.all_heads();
        let verdicts = telling.history.verdicts(&heads);
        for (name, verdict) in &verdicts {
            if let Verdict::Void { culprit, .. } = verdict {
                let culprit = culprit.and_then(|culprit| verdicts.get(&culprit));
                prop_assert!(culprit.is_some(), "{:?} is lost to nobody\n{}", name, telling.lines.join("\n"));
            }
        }
        // Unless somebody resigned, the group has not locked itself out.
        let resigned = telling.lines.iter().any(|line| {
            let author = line.split(['@', ' ']).nth(2).unwrap();
            line.contains(&format!("delete {author}")) || line.contains("delete e")
        });
        if !resigned {
            let shown = telling.history.shown(&heads);
            let admin = treaty_testkit::told_value(treaty_schema::LogicalType::Text, "admin");
            let is_admin = |row: &ShownRow| row.cells.contains(&Some(admin.clone()));
            let left = shown.iter().filter(|((table, _), row)| *table == 0 && is_admin(row)).count();
            prop_assert!(left > 0, "{}", telling.lines.join("\n"));
        }
    }
}

#[test]
fn the_histories_are_worth_it() {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut state = 1_u64;
    for _ in 0..60 {
        let choices: Vec<u8> = (0..500)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        let telling = Quarrel::told(&choices, 30);
        for verdict in telling.history.verdicts(&telling.history.all_heads()).values() {
            let code = match verdict {
                Verdict::Live => "live",
                Verdict::Void { reason, .. } => reason.code(),
            };
            *counts.entry(code).or_default() += 1;
        }
        let derived = telling.history.shown(&telling.history.all_heads());
        *counts.entry("renamed").or_default() += derived.keys().filter(|(_, id)| id.is_derived()).count();
    }
    for code in ["live", "permission", "foreign_key", "unique", "overridden", "renamed"] {
        assert!(counts.get(code).is_some_and(|count| *count > 0), "no {code} in {counts:?}");
    }
}
