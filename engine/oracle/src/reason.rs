//! Why something is void, read off the final verdicts.

use crate::condition::{Condition, Kind};
use crate::history::History;
use crate::names::CoTxName;
use crate::verdict::{Decided, Truth, Verdict, VoidReason};

impl History {
    /// The verdict of a void co-transaction: its first false condition, or the pick that overrode it.
    pub(crate) fn void(
        &self,
        of: CoTxName,
        conditions: &[Condition],
        decided: &Decided,
        pick: Option<CoTxName>,
    ) -> Verdict {
        match conditions.iter().find(|condition| condition.truth(decided) == Truth::False) {
            Some(condition) => Verdict::Void {
                reason: condition.kind.into(),
                operation: Some(condition.operation),
                culprit: self.culprit(of, condition, decided),
            },
            None => Verdict::Void { reason: VoidReason::Overridden, operation: None, culprit: pick },
        }
    }

    /// Whom a false condition is lost to: in its alternative of least key, the void witness or live attacker of smallest
    /// position. A condition on another write is lost to that write.
    fn culprit(&self, of: CoTxName, condition: &Condition, decided: &Decided) -> Option<CoTxName> {
        match condition.kind {
            Kind::Delete | Kind::Key => condition.rival,
            Kind::Permission | Kind::Reference => {
                let blamed = condition.alternatives.iter().filter_map(|alternative| {
                    let void = alternative.witnesses.iter().filter(|witness| !decided[*witness]);
                    let live = alternative.attackers.iter().filter(|attacker| decided[*attacker]);
                    let culprit = void.chain(live).min_by_key(|cotx| self.position(**cotx))?;
                    Some((self.alternative_order(alternative, of), self.position(*culprit), *culprit))
                });
                blamed.min().map(|(_, _, culprit)| culprit)
            }
        }
    }
}
