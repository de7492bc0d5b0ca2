//! Seniority: that of the granted authority, not of the operation. Smaller is more senior.

use crate::condition::{Alternative, Condition, Kind};
use crate::history::{History, Mode};
use crate::names::{CoTxName, Position};
use crate::verdict::{Decided, decided};
use treaty_engine::relation::RowName;

/// How senior a co-transaction is; smaller is more senior, ties go by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seniority {
    /// Of the genesis.
    Genesis,
    /// It acts by the authority of a row: the place of its insert.
    Granted(Position, u32),
    /// No row of its past gives it any authority.
    Least,
}

/// What orders claims of one key, and rows of one id: fixed for ever. Smaller is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// The seniority of the co-transaction in the view of its own past.
    pub seniority: Seniority,
    /// Its position.
    pub position: Position,
    /// Index of the operation.
    pub operation: u32,
}

impl History {
    /// Returns the rank of an operation; that of a row is the rank of its insert.
    pub fn rank(&self, of: RowName) -> Rank {
        let by = CoTxName::of(of);
        Rank { seniority: self.seniority(by), position: self.position(by), operation: of.operation }
    }

    /// Returns the seniority of a co-transaction in the view of its own past.
    pub fn seniority(&self, of: CoTxName) -> Seniority {
        if self.is_genesis(of) || self.mode == Mode::AllLive {
            return Seniority::Genesis;
        }
        if let Some(known) = self.known.seniorities.borrow().get(&of) {
            return *known;
        }
        let past = self.past(of);
        let verdicts = self.verdicts_in(&past);
        let permissions = self.permissions(&self.facts(&past), of);
        let seniority = self.seniority_of(&permissions, &decided(&verdicts), of);
        self.known.seniorities.borrow_mut().insert(of, seniority);
        seniority
    }

    /// The greatest, over the permission conditions that count, of the least key among the alternatives that stand.
    pub(crate) fn seniority_of(&self, conditions: &[Condition], decided: &Decided, of: CoTxName) -> Seniority {
        let permissions = conditions.iter().filter(|condition| condition.kind == Kind::Permission);
        let counting = permissions.filter_map(|condition| {
            let standing = || condition.alternatives.iter().filter(|alternative| alternative.stands(decided));
            // What stands without a row of the past needs no authority.
            let counts = standing().all(|alternative| !alternative.rows.is_empty());
            counts.then(|| standing().map(|alternative| self.key(alternative, of)).min()).flatten()
        });
        counting.max().unwrap_or(Seniority::Least)
    }

    /// The greatest key of the rows of an alternative.
    fn key(&self, alternative: &Alternative, of: CoTxName) -> Seniority {
        let own = alternative.own_rows.iter().map(|operation| self.own_row_key(of, *operation));
        let rows = alternative.rows.iter().map(|row| self.row_key(*row));
        own.chain(rows).max().unwrap_or(Seniority::Least)
    }

    /// The place of a row's insert; least if whoever inserted it had no authority.
    fn row_key(&self, row: RowName) -> Seniority {
        let by = CoTxName::of(row);
        match !self.is_genesis(by) && self.seniority(by) == Seniority::Least {
            true => Seniority::Least,
            false => Seniority::Granted(self.position(by), row.operation),
        }
    }

    /// The place of an own insert; least if it needs no authority in the past: else who bundles a row of an open table with
    /// its use would gain what the row gives nobody in a co-transaction of its own.
    fn own_row_key(&self, of: CoTxName, operation: u32) -> Seniority {
        let past = self.past(of);
        let verdicts = decided(&self.verdicts_in(&past));
        let permission = self.permission(&self.facts(&past), of, operation);
        match self.seniority_of(&[permission], &verdicts, of) {
            Seniority::Least => Seniority::Least,
            Seniority::Genesis | Seniority::Granted(..) => Seniority::Granted(self.position(of), operation),
        }
    }

    /// What orders alternatives when one is to be blamed: least authority last, then the places of the rows, greatest first.
    pub(crate) fn alternative_order(&self, alternative: &Alternative, of: CoTxName) -> (bool, Vec<(Position, u32)>) {
        let is_least = alternative.rows.iter().any(|row| self.row_key(*row) == Seniority::Least)
            || alternative.own_rows.iter().any(|operation| self.own_row_key(of, *operation) == Seniority::Least);
        let own = alternative.own_rows.iter().map(|operation| (self.position(of), *operation));
        let past = alternative.rows.iter().map(|row| (self.position(CoTxName::of(*row)), row.operation));
        let mut places: Vec<(Position, u32)> = own.chain(past).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        (is_least, places)
    }
}
