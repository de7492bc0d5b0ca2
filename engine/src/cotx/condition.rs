//! What a co-transaction relies on: conditions, their alternatives, and, once verdicts are known, why one of them is false.
//!
//! Conditions hold whatever the verdicts are: they name who must be live and who must be void.

use super::verdict::{Void, VoidReason};
use crate::fault::StoreError;
use crate::log::Stamp;
use crate::relation::{CoTx, RowKey};

/// How senior somebody is, or how senior a row makes: less is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Of genesis.
    Genesis,
    /// By the insert of a row: stamp of its entry, co-transaction, operation.
    Row(Stamp, u32, u32),
    /// By nothing.
    Nothing,
}

/// The kinds of conditions, in the order in which reasons are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A policy is true.
    Permission,
    /// The row that a foreign key refers to is there.
    Refers,
    /// A row that is deleted is not referred to.
    Deletes,
    /// No other row has a UNIQUE key.
    Unique,
}

/// One condition: one of its alternatives is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// Index of the first operation that needs it.
    pub(super) operation: u32,
    pub(super) kind: Kind,
    /// Index of the foreign key, of the row that refers, or of the UNIQUE key.
    pub(super) part: u32,
    /// The write that must not count, and its row; of deletes and keys.
    pub(super) other: Option<Other>,
    pub(super) alternatives: Vec<Alternative>,
}

/// A write by somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) of: CoTx,
    /// Stamp of its entry, co-transaction, operation.
    pub(super) place: (Stamp, u32, u32),
    pub(super) row: RowKey,
}

/// Witnesses are live and attackers void.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Alternative {
    pub(super) witnesses: Vec<Witness>,
    pub(super) attackers: Vec<Opponent>,
    /// How senior the rows make, descending; empty where no row of the past is relied on.
    pub(super) weights: Vec<Weight>,
    /// Where the rows were inserted: stamps of entries, co-transactions, operations, descending.
    pub(super) places: Vec<(Stamp, u32, u32)>,
}

/// Somebody who must be live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) of: CoTx,
    /// The row that it made, if that is relied on.
    pub(super) row: Option<RowKey>,
}

/// Somebody who must be void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opponent {
    pub(super) of: CoTx,
    /// In the past of whose condition this is; else concurrent.
    pub(super) is_past: bool,
    /// The row that it deletes, if that is relied on.
    pub(super) row: Option<RowKey>,
}

impl Condition {
    /// Everybody whose verdict matters.
    pub(super) fn atoms(&self) -> impl Iterator<Item = CoTx> {
        self.alternatives.iter().flat_map(|alternative| {
            let witnesses = alternative.witnesses.iter().map(|witness| witness.of);
            witnesses.chain(alternative.attackers.iter().map(|attacker| attacker.of))
        })
    }
}

impl Alternative {
    /// How senior who stands by it is; none if no row of the past makes it true.
    pub(super) fn weight(&self) -> Option<Weight> {
        self.weights.first().copied()
    }

    /// Makes the alternative that is true if somebody is void.
    pub(super) fn without(of: CoTx, is_past: bool) -> Alternative {
        Alternative { attackers: vec![Opponent { of, is_past, row: None }], ..Alternative::default() }
    }

    /// Makes the alternative that is true if somebody is live.
    pub(super) fn with(of: CoTx) -> Alternative {
        Alternative { witnesses: vec![Witness { of, row: None }], ..Alternative::default() }
    }
}

/// Says why a co-transaction is void, of which no condition need be false.
///
/// * `conditions` - in the order in which reasons are looked for.
/// * `is_live` - the final verdicts.
/// * `pick` - who overrode it.
pub(super) fn reason(
    conditions: &[Condition],
    is_live: &dyn Fn(CoTx) -> Result<bool, StoreError>,
    position: &dyn Fn(CoTx) -> Result<(Stamp, u32), StoreError>,
    pick: Option<CoTx>,
) -> Result<Void, StoreError> {
    for condition in conditions {
        let mut lost = Vec::new();
        for alternative in &condition.alternatives {
            match loss(alternative, is_live, position)? {
                None => break,
                Some(loss) => lost.push((alternative, loss)),
            }
        }
        if lost.len() < condition.alternatives.len() {
            continue;
        }
        let reason = match condition.kind {
            Kind::Permission => VoidReason::Permission,
            Kind::Refers | Kind::Deletes => VoidReason::ForeignKey,
            Kind::Unique => VoidReason::Unique,
        };
        let least = lost.into_iter().min_by(|(a, of_a), (b, of_b)| {
            let key = |alternative: &Alternative| {
                (alternative.weights.contains(&Weight::Nothing), alternative.places.clone())
            };
            key(a).cmp(&key(b)).then(of_a.position.cmp(&of_b.position))
        });
        let (culprit, row) = match (condition.other, least) {
            (Some(other), _) => (Some(other.of), Some(other.row)),
            (None, Some((_, loss))) => (Some(loss.of), loss.row),
            (None, None) => (None, None),
        };
        return Ok(Void { reason, operation: condition.operation, culprit, row, part: condition.part });
    }
    Ok(Void { reason: VoidReason::Overridden, operation: 0, culprit: pick, row: None, part: 0 })
}

/// What makes an alternative false.
struct Loss {
    of: CoTx,
    row: Option<RowKey>,
    position: (Stamp, u32),
}

/// The void witness or live attacker of smallest position; none if the alternative is true.
fn loss(
    alternative: &Alternative,
    is_live: &dyn Fn(CoTx) -> Result<bool, StoreError>,
    position: &dyn Fn(CoTx) -> Result<(Stamp, u32), StoreError>,
) -> Result<Option<Loss>, StoreError> {
    let mut least: Option<Loss> = None;
    let witnesses = alternative.witnesses.iter().map(|witness| (witness.of, witness.row, true));
    let attackers = alternative.attackers.iter().map(|attacker| (attacker.of, attacker.row, false));
    for (of, row, wanted) in witnesses.chain(attackers) {
        if is_live(of)? == wanted {
            continue;
        }
        let position = position(of)?;
        if least.as_ref().is_none_or(|least| position < least.position) {
            least = Some(Loss { of, row, position });
        }
    }
    Ok(least)
}
