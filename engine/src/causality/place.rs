//! The place of a new entry: its parents checked, its chain chosen, its clock computed.
//!
//! In three steps, so that admission can come between them: [`Index::place`] reads, [`Index::write`] writes inside a
//! transaction, [`Index::settle`] makes the memory follow once the entry stays. An entry that is refused after it
//! was written is undone in the store and never settled.

use std::sync::Arc;

use crate::causality::clock::encode_clock;
use crate::causality::index::{Index, Tip};
use crate::causality::past::Past;
use crate::causality::store::{ClockStore, ClockWriter};
use crate::fault::{Fault, StoreError};
use crate::hash::{EntryId, SpaceId};
use crate::identity::Identity;
use crate::log::{Entry, Kind, Pos, SignedHeader, Stamp};

/// Where a new entry goes, and what it knows.
#[derive(Debug, Clone)]
pub struct Placement {
    pos: Pos,
    parents: Vec<Pos>,
    past: Past,
    clock: Arc<Past>,
    clock_bytes: Vec<u8>,
    tip: Tip,
}

/// Why an entry has no place in this log.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It belongs to another space.
    #[error("the entry belongs to space {found}, this is {expected}")]
    OtherSpace {
        /// This space.
        expected: SpaceId,
        /// The entry's.
        found: SpaceId,
    },
    /// It is not genesis, and there is no genesis yet.
    #[error("the log is empty, and the entry is no genesis")]
    NoGenesis,
    /// It is kept already.
    #[error("the entry is kept already")]
    Kept,
    /// A parent is not here yet: the entry is early, not wrong.
    #[error("parent {id} is not here")]
    MissingParent {
        /// The smallest such.
        id: EntryId,
    },
    /// One parent is in the past of another.
    #[error("parent {below} is in the past of parent {above}")]
    NoAntichain {
        /// The parent that says nothing.
        below: EntryId,
        /// The parent that already says it.
        above: EntryId,
    },
    /// The height is not 1 + the greatest among the parents.
    #[error("height {found}, its parents make it {expected}")]
    WrongHeight {
        /// What its parents make it.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// This replica cannot hold any more concurrent or consecutive entries.
    #[error("no place is left for the entry")]
    Full,
    /// The store cannot be read.
    #[error("reading the store to place an entry")]
    Store(#[from] StoreError),
}

impl PlaceError {
    /// Returns who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            PlaceError::OtherSpace { .. }
            | PlaceError::NoGenesis
            | PlaceError::MissingParent { .. }
            | PlaceError::NoAntichain { .. }
            | PlaceError::WrongHeight { .. } => Fault::Peer,
            PlaceError::Kept => Fault::Bug,
            PlaceError::Full => Fault::Storage,
            PlaceError::Store(cause) => cause.fault(),
        }
    }
}

impl Placement {
    /// Returns the place.
    pub fn pos(&self) -> Pos {
        self.pos
    }

    /// Returns where the parents are kept, in the order of the header.
    pub fn parents(&self) -> &[Pos] {
        &self.parents
    }

    /// Returns the entry's past, without itself.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// Returns the entry's clock: its past and itself.
    pub fn clock(&self) -> &Past {
        &self.clock
    }
}

impl Index {
    /// Finds the place of a new entry. Checks space, parents and height; writes nothing.
    ///
    /// # Errors
    /// [`PlaceError`]. All but `MissingParent`, `Kept`, `Full` and `Store` are for ever: the entry is wrong.
    pub fn place(&self, store: &impl ClockStore, header: &SignedHeader) -> Result<Placement, PlaceError> {
        self.check_space(header)?;
        if self.position_of(store, header.id())?.is_some() {
            return Err(PlaceError::Kept);
        }
        let parents = self.parents_of(store, header)?;
        let clocks =
            parents.iter().map(|parent| self.clock(store, parent.pos)).collect::<Result<Vec<_>, StoreError>>()?;
        for (above, clock) in parents.iter().zip(&clocks) {
            if let Some(below) = parents.iter().find(|below| below.pos != above.pos && clock.contains(below.pos)) {
                return Err(PlaceError::NoAntichain { below: below.stamp.id, above: above.stamp.id });
            }
        }
        let expected = parents.iter().map(|parent| parent.stamp.height + 1).max().unwrap_or(0);
        if header.height != expected {
            return Err(PlaceError::WrongHeight { expected, found: header.height });
        }
        let past = match clocks.split_first() {
            None => Past::EMPTY,
            Some((first, others)) => others.iter().fold(Past::clone(first), |past, clock| past.join(clock)),
        };
        let (pos, before) = self.choose_chain(store, &header.author, &parents, &past)?;
        let mut clock = past.clone();
        clock.raise(pos);
        Ok(Placement {
            pos,
            parents: parents.into_iter().map(|parent| parent.pos).collect(),
            past,
            clock_bytes: encode_clock(pos, &clock, &before),
            clock: Arc::new(clock),
            tip: Tip { pos, stamp: header.stamp(), author: header.author },
        })
    }

    /// Writes an entry and its clock at its place.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn write(&self, tx: &impl ClockWriter, entry: &Entry, placement: &Placement) -> Result<(), StoreError> {
        assert!(placement.tip.stamp.id == *entry.id(), "an entry is written at its own place");
        tx.insert_entry(placement.pos, entry, &placement.parents)?;
        tx.insert_clock(placement.pos, &placement.clock_bytes)
    }

    /// Makes the memory follow an entry that was written and stays. If the transaction fails after that, load anew.
    pub fn settle(&mut self, placement: Placement) {
        let Placement { pos, parents, clock, tip, .. } = placement;
        let chain = pos.chain() as usize;
        let next = self.tips.get(chain).map_or(1, |tip| tip.pos.sequence() + 1);
        assert!(pos.sequence() == next && chain <= self.tips.len(), "entries are settled in the order of their places");
        for parent in &parents {
            self.heads.remove(parent);
        }
        self.heads.insert(pos, tip.stamp.id);
        self.tip_by_id.insert(tip.stamp.id, pos);
        if pos == Pos::GENESIS {
            self.space = Some(SpaceId(tip.stamp.id));
        }
        self.remember(pos, &clock);
        match self.tips.get_mut(chain) {
            None => self.tips.push(tip),
            Some(last) => {
                let before = std::mem::replace(last, tip);
                self.tip_by_id.remove(&before.stamp.id);
            }
        }
    }

    fn check_space(&self, header: &SignedHeader) -> Result<(), PlaceError> {
        match (self.space, header.kind) {
            (None, Kind::Genesis) => Ok(()),
            (None, Kind::Data) => Err(PlaceError::NoGenesis),
            (Some(expected), _) if header.space_id() != expected => {
                Err(PlaceError::OtherSpace { expected, found: header.space_id() })
            }
            (Some(_), _) => Ok(()),
        }
    }

    fn parents_of(&self, store: &impl ClockStore, header: &SignedHeader) -> Result<Vec<Parent>, PlaceError> {
        let mut parents = Vec::with_capacity(header.parents.len());
        for id in &header.parents {
            let pos = self.position_of(store, id)?.ok_or(PlaceError::MissingParent { id: *id })?;
            let tip = self.tips.get(pos.chain() as usize).filter(|tip| tip.pos == pos);
            let stamp = match tip {
                Some(tip) => tip.stamp,
                None => store.stamp(pos)?,
            };
            parents.push(Parent { pos, stamp });
        }
        Ok(parents)
    }

    /// Chooses the chain of a new entry, and returns its place with the clock of the chain's last entry.
    ///
    /// Any chain whose last entry is in the past may be continued. The author's own comes first, so that chains stay
    /// few and clocks change little; then the highest parent's; then any.
    fn choose_chain(
        &self,
        store: &impl ClockStore,
        author: &Identity,
        parents: &[Parent],
        past: &Past,
    ) -> Result<(Pos, Arc<Past>), PlaceError> {
        // The tops of the past that end their chains, by what speaks for them.
        let best = past
            .tops()
            .iter()
            .filter_map(|top| self.tips.get(top.chain() as usize).filter(|tip| tip.pos == *top))
            .max_by_key(|tip| {
                let is_parent = parents.iter().any(|parent| parent.pos == tip.pos);
                (tip.author == *author, is_parent, tip.stamp)
            });
        let Some(tip) = best else {
            let chain = u32::try_from(self.tips.len()).map_err(|_| PlaceError::Full)?;
            return Ok((Pos::new(chain, 1).ok_or(PlaceError::Full)?, Arc::new(Past::EMPTY)));
        };
        let pos = Pos::new(tip.pos.chain(), tip.pos.sequence() + 1).ok_or(PlaceError::Full)?;
        Ok((pos, self.clock(store, tip.pos)?))
    }
}

struct Parent {
    pos: Pos,
    stamp: Stamp,
}
