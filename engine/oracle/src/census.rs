//! A census of a version: how often each rule of the semantics mattered there. For whoever generates histories, to see that
//! they are worth judging.

use std::collections::BTreeMap;

use treaty_engine::hash::EntryId;
use treaty_engine::relation::RowName;
use treaty_schema::OnDelete;

use crate::condition::{Condition, Kind};
use crate::facts::Facts;
use crate::history::{Content, Deed, History};
use crate::names::CoTxName;
use crate::solve::Program;
use crate::verdict::Truth;

/// How often each thing is found, by what it is called.
pub type Census = BTreeMap<String, u64>;

impl History {
    /// Counts what the rules decided in a version, seen from it.
    pub fn census(&self, heads: &[EntryId]) -> Census {
        let view = self.view(heads);
        let cotxs = self.cotxs(&view);
        let (facts, program) = (self.facts(&view), self.program(&view, &cotxs));
        let mut census = Census::new();
        let mut count = |what: &str| *census.entry(what.to_owned()).or_default() += 1;
        for (size, pick) in &program.disputes {
            match pick {
                Some(_) => count(&format!("dispute of {}", size.min(&9))),
                None => count("dispute without a pick"),
            }
        }
        for (of, conditions) in &program.conditions {
            for condition in conditions {
                self.of_condition(&program, *of, condition, &mut count);
            }
            if program.decided[of] {
                self.of_deeds(&facts, &program, *of, &mut count);
            }
        }
        self.of_rows(&facts, &program, &mut count);
        census
    }

    fn of_condition(&self, program: &Program<'_>, of: CoTxName, condition: &Condition, count: &mut impl FnMut(&str)) {
        let truth = condition.truth(&program.decided);
        let is_concurrent = condition.rival.is_some_and(|rival| self.is_concurrent(rival, of));
        match (condition.kind, truth) {
            (Kind::Permission, Truth::True) => {
                let true_ones = condition.alternatives.iter().filter(|one| one.truth(&program.decided) == Truth::True);
                let [mut own, mut cascade, mut all] = [0, 0, 0];
                for one in true_ones {
                    all += 1;
                    own += usize::from(!one.own_rows.is_empty());
                    cascade += usize::from(one.rows.is_empty() && !one.witnesses.is_empty());
                }
                if own == all {
                    count("permitted by an own row alone");
                }
                if cascade == all {
                    count("permitted by a cascade alone");
                }
                if condition.alternatives.len() > all {
                    count("permitted although an alternative fell");
                }
                if condition.alternatives.iter().any(|one| !one.attackers.is_empty()) {
                    count("permission attacked in vain");
                }
            }
            (Kind::Key, Truth::True) if is_concurrent => count("key: a better concurrent claim is void or released"),
            (Kind::Key, Truth::True) => count("key: claimed again after a release"),
            (Kind::Key, _) if is_concurrent => count("key: lost to a better concurrent claim"),
            (Kind::Key, _) => count("key: lost to a claim of the past"),
            (Kind::Delete, Truth::True) if is_concurrent => count("delete: a concurrent RESTRICT reference is void"),
            (Kind::Delete, Truth::True) => count("delete: a reference of the past is released or void"),
            (Kind::Delete, _) if is_concurrent => count("delete: vetoed by a concurrent RESTRICT reference"),
            (Kind::Delete, _) => count("delete: a reference of the past is back"),
            (Kind::Reference, Truth::True) if condition.alternatives.iter().any(|one| !one.attackers.is_empty()) => {
                count("reference: attacked in vain");
            }
            (Kind::Permission | Kind::Reference, _) => {}
        }
    }

    /// What a live co-transaction did to others.
    fn of_deeds(&self, facts: &Facts<'_>, program: &Program<'_>, of: CoTxName, count: &mut impl FnMut(&str)) {
        for (_, deed) in (0_u32..).zip(self.deeds(of)) {
            if let Deed::Delete { row, .. } = deed {
                let uses = facts.writes_of(*row).filter(|write| self.is_concurrent(write.by, of));
                if uses.count() > 0 {
                    count("a row is written and deleted concurrently");
                }
            }
        }
        let overrides = program.overridden.values().filter(|pick| **pick == of).count();
        if overrides > 0 {
            count("a pick overrides");
        }
    }

    fn of_rows(&self, facts: &Facts<'_>, program: &Program<'_>, count: &mut impl FnMut(&str)) {
        let is_live = |name: &RowName| {
            program.decided[&CoTxName::of(*name)] && !facts.deletes_of(*name).any(|delete| program.decided[&delete])
        };
        for (name, row) in facts.rows.iter().filter(|(name, _)| is_live(name)) {
            let twins = facts.rows.iter().filter(|(other, twin)| {
                *other != name && twin.id == row.id && twin.table == row.table && is_live(other)
            });
            if twins.count() > 0 {
                count("row: shares its id with another");
            }
            for key in self.table(row.table).foreign_keys.iter().filter(|key| key.on_delete == OnDelete::SetNull) {
                let writes = facts.writes_of(*name).filter(|write| program.decided[&write.by]);
                let held = writes.filter(|write| write.cells.contains_key(&key.column));
                let held =
                    held.max_by_key(|write| self.position(write.by)).and_then(|write| write.cells[&key.column].clone());
                if matches!(held, Some(Content::Row(target)) if !is_live(&target)) {
                    count("row: a reference reads NULL");
                }
            }
            let concurrent = facts.writes_of(*name).filter(|write| {
                facts.writes_of(*name).any(|other| {
                    self.is_concurrent(other.by, write.by)
                        && other.cells.keys().any(|column| write.cells.contains_key(column))
                })
            });
            if concurrent.count() > 0 {
                count("row: a cell is written concurrently");
            }
        }
    }
}
