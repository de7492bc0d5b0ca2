//! Verdicts, and three-valued truth on the way to them.

use std::collections::BTreeMap;
use std::rc::Rc;

use treaty_engine::hash::EntryId;

use crate::condition::{Alternative, Condition, Kind};
use crate::history::{History, Mode};
use crate::names::CoTxName;
use crate::view::View;

/// Whether a co-transaction stands, seen from a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stands.
    Live,
    /// It is rolled back.
    Void {
        /// Which condition is false.
        reason: VoidReason,
        /// The operation that relies on it; none if no condition is false.
        operation: Option<u32>,
        /// Whom it is lost to: a co-transaction that is void and was relied on, or that is live and stands against it. An
        /// admitted co-transaction always has one.
        culprit: Option<CoTxName>,
    },
}

/// Why a co-transaction is void. Codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VoidReason {
    /// No policy permits it any more.
    Permission,
    /// A row it refers to is gone, or a row it deletes is referred to.
    ForeignKey,
    /// Another row has a better claim of a UNIQUE key.
    Unique,
    /// All conditions hold, yet a more senior member of a dispute went first.
    Overridden,
}

/// The verdicts of all co-transactions of a view.
pub(crate) type Verdicts = BTreeMap<CoTxName, Verdict>;

impl VoidReason {
    /// Returns the code that applications see: stable, lower case.
    pub fn code(self) -> &'static str {
        match self {
            VoidReason::Permission => "permission",
            VoidReason::ForeignKey => "foreign_key",
            VoidReason::Unique => "unique",
            VoidReason::Overridden => "overridden",
        }
    }
}

impl From<Kind> for VoidReason {
    fn from(kind: Kind) -> VoidReason {
        match kind {
            Kind::Permission => VoidReason::Permission,
            Kind::Reference | Kind::Delete => VoidReason::ForeignKey,
            Kind::Key => VoidReason::Unique,
        }
    }
}

impl History {
    /// Returns the verdicts of every co-transaction of a version, seen from it.
    ///
    /// * `heads` - entries that stand for the version.
    pub fn verdicts(&self, heads: &[EntryId]) -> BTreeMap<CoTxName, Verdict> {
        self.verdicts_in(&self.view(heads)).as_ref().clone()
    }

    /// The verdicts from a view.
    pub(crate) fn verdicts_in(&self, view: &View) -> Rc<Verdicts> {
        if let Some(known) = self.known.verdicts.borrow().get(view.key()) {
            return known.clone();
        }
        let cotxs = self.cotxs(view);
        let verdicts = match self.mode {
            Mode::AllLive => cotxs.into_iter().map(|cotx| (cotx, Verdict::Live)).collect(),
            Mode::Judged => {
                // From the past upwards, so that questions about smaller views do not nest deeply.
                let ranked = self.facts(view).ranked(self.schema());
                for cotx in cotxs.iter().filter(|cotx| ranked.contains(cotx)) {
                    self.seniority(*cotx);
                }
                self.solve(view, &cotxs)
            }
        };
        let verdicts = Rc::new(verdicts);
        self.known.verdicts.borrow_mut().insert(view.key().clone(), verdicts.clone());
        verdicts
    }
}

/// What is decided so far: live or not. What is missing is undecided.
pub(crate) type Decided = BTreeMap<CoTxName, bool>;

/// Kleene's truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    Unknown,
}

/// The live and the void of final verdicts.
pub(crate) fn decided(verdicts: &Verdicts) -> Decided {
    verdicts.iter().map(|(cotx, verdict)| (*cotx, *verdict == Verdict::Live)).collect()
}

impl Alternative {
    /// All witnesses live and no attacker live.
    pub(crate) fn truth(&self, decided: &Decided) -> Truth {
        let witnesses = self.witnesses.iter().map(|witness| decided.get(witness).copied());
        let attackers = self.attackers.iter().map(|attacker| decided.get(attacker).map(|is_live| !is_live));
        let all: Vec<Option<bool>> = witnesses.chain(attackers).collect();
        if all.contains(&Some(false)) {
            return Truth::False;
        }
        if all.contains(&None) { Truth::Unknown } else { Truth::True }
    }

    /// Its witnesses are decided live, none of its attackers is decided live.
    pub(crate) fn stands(&self, decided: &Decided) -> bool {
        self.witnesses.iter().all(|witness| decided.get(witness) == Some(&true))
            && self.attackers.iter().all(|attacker| decided.get(attacker) != Some(&true))
    }

    /// The witnesses and attackers that are not decided.
    pub(crate) fn undecided(&self, decided: &Decided) -> impl Iterator<Item = CoTxName> {
        self.witnesses.iter().chain(&self.attackers).copied().filter(|cotx| !decided.contains_key(cotx))
    }
}

impl Condition {
    /// One alternative is true.
    pub(crate) fn truth(&self, decided: &Decided) -> Truth {
        let truths: Vec<Truth> = self.alternatives.iter().map(|alternative| alternative.truth(decided)).collect();
        if truths.contains(&Truth::True) {
            return Truth::True;
        }
        if truths.contains(&Truth::Unknown) { Truth::Unknown } else { Truth::False }
    }

    /// One alternative stands.
    pub(crate) fn stands(&self, decided: &Decided) -> bool {
        self.alternatives.iter().any(|alternative| alternative.stands(decided))
    }
}
