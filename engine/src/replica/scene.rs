//! What a reader sees: the entries of a version, and the verdicts on them.

use super::Replica;
use super::admit::{height_of, sight_of};
use super::error::ReplicaError;
use super::types::Shown;
use crate::causality::Version;
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
    pub(super) fn scene_of_all(&self) -> Scene<'_> {
        let sight = Sight { past: self.index.whole(), height_max: u64::MAX, settled_below: u64::MAX };
        Scene { sight, verdicts: Box::new(AllLive) }
    }

    /// What tables show.
    pub(super) fn scene(&self, shown: &Shown) -> Result<Scene<'_>, ReplicaError> {
        self.check_basis(shown)?;
        Ok(Scene { sight: self.sight(&shown.version)?, verdicts: Box::new(AllLive) })
    }

    /// Some entries, by the verdicts of now.
    pub(super) fn scene_at(&self, sight: Sight) -> Result<Scene<'_>, ReplicaError> {
        Ok(Scene { sight, verdicts: Box::new(AllLive) })
    }

    /// A version by the verdicts of another that holds it.
    pub(super) fn scene_from(&self, at: &Version, from: &Version) -> Result<Scene<'_>, ReplicaError> {
        let sight = self.sight(at)?;
        if !sight.past.is_within(&self.index.past_of(&self.store, from)?) {
            return Err(ReplicaError::NotWithin);
        }
        Ok(Scene { sight, verdicts: Box::new(AllLive) })
    }

    /// Refuses what verdicts that are not here are said to have made.
    pub(super) fn check_basis(&self, shown: &Shown) -> Result<(), ReplicaError> {
        let (basis, last) = (shown.basis, self.basis()?);
        if basis > last { Err(ReplicaError::UnknownBasis { basis, last }) } else { Ok(()) }
    }

    /// The number of the last change of a verdict: nothing is judged again yet.
    pub(super) fn basis(&self) -> Result<u64, StoreError> {
        Ok(0)
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
