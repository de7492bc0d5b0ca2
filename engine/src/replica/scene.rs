//! What a reader sees: the entries of a version, and the verdicts on them.

use super::Replica;
use super::admit::{height_of, sight_of};
use super::error::ReplicaError;
use super::types::Shown;
use crate::causality::Version;
use crate::cotx::{AsOf, KeptVerdicts, VerdictStore, ViewVerdicts};
use crate::relation::{AllLive, Sight, Verdicts, View};
use crate::store::{Sqlite, StoreError};

/// A version with verdicts. Views of it borrow both.
pub(super) struct Scene<'r> {
    pub(super) sight: Sight,
    pub(super) verdicts: Box<dyn Verdicts + 'r>,
}

impl Replica {
    /// The tables as a scene has them.
    pub(super) fn view<'r>(&'r self, scene: &'r Scene<'_>) -> View<'r, Sqlite> {
        View::new(&self.store, &self.layout, &scene.sight, &self.heads, &*scene.verdicts)
    }

    /// Everything held, by the verdicts of now.
    pub(super) fn scene_of_all(&self) -> Result<Scene<'_>, StoreError> {
        self.scene_now(Sight { past: self.index.whole(), height_max: u64::MAX, settled_below: u64::MAX })
    }

    /// What tables show.
    pub(super) fn scene(&self, shown: &Shown) -> Result<Scene<'_>, ReplicaError> {
        self.check_basis(shown)?;
        let sight = self.sight(&shown.version)?;
        if shown.basis == self.basis()? {
            return Ok(self.scene_now(sight)?);
        }
        // What released or deleted something then may be void now, and the other way round: nothing is settled.
        let sight = Sight { settled_below: 0, ..sight };
        Ok(Scene { sight, verdicts: kept(&self.store, AsOf::Basis(shown.basis)) })
    }

    /// Some entries, by the verdicts of now.
    pub(super) fn scene_now(&self, sight: Sight) -> Result<Scene<'_>, StoreError> {
        // Where nothing was ever void, nothing is asked.
        let verdicts = if self.basis()? == 0 { Box::new(AllLive) } else { kept(&self.store, AsOf::Now) };
        Ok(Scene { sight, verdicts })
    }

    /// A version by the verdicts of another that holds it.
    pub(super) fn scene_from(&self, at: &Version, from: &Version) -> Result<Scene<'_>, ReplicaError> {
        let (sight, of) = (self.sight(at)?, self.index.past_of(&self.store, from)?);
        if !sight.past.is_within(&of) {
            return Err(ReplicaError::NotWithin);
        }
        let verdicts = ViewVerdicts::new(&self.store, &self.index, self.desk().bench(), &of)?;
        if verdicts.are_stored() {
            return Ok(self.scene_now(sight)?);
        }
        // What released something by the verdicts of now may be void by those of before.
        Ok(Scene { sight: Sight { settled_below: 0, ..sight }, verdicts: Box::new(verdicts) })
    }

    /// Refuses what verdicts that are not here are said to have made.
    pub(super) fn check_basis(&self, shown: &Shown) -> Result<(), ReplicaError> {
        let (basis, last) = (shown.basis, self.basis()?);
        if basis > last { Err(ReplicaError::UnknownBasis { basis, last }) } else { Ok(()) }
    }

    /// The number of the last change of a verdict.
    pub(super) fn basis(&self) -> Result<u64, StoreError> {
        self.store.basis()
    }

    /// The entries of a version.
    fn sight(&self, version: &Version) -> Result<Sight, ReplicaError> {
        let past = self.index.past_of(&self.store, version)?;
        let mut heads = Vec::with_capacity(version.ids().len());
        for id in version.ids() {
            heads.extend(self.index.position_of(&self.store, id)?);
        }
        let height_max = height_of(&self.store, &heads)?;
        Ok(sight_of(&self.store, &self.index, past, height_max)?)
    }
}

/// The verdicts that a store keeps, as of a moment.
pub(super) fn kept(store: &Sqlite, as_of: AsOf) -> Box<dyn Verdicts + '_> {
    match as_of {
        AsOf::Basis(0) => Box::new(AllLive),
        AsOf::Now | AsOf::Basis(_) => Box::new(KeptVerdicts::new(store, as_of)),
    }
}
