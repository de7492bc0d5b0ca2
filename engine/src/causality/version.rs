//! Versions by name: the ids of a frontier, the same on every replica.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::{CodecError, decode_canonical, encode};
use crate::fault::{Fault, StoreError};
use crate::hash::EntryId;

/// Entries standing for themselves and their pasts. No entries: the version before genesis.
///
/// What `Index` returns is an antichain. A version that came from elsewhere is sorted and free of duplicates, and
/// means the same set of entries whether it is an antichain or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, BorshSerialize)]
pub struct Version(Vec<EntryId>);

/// Why a version cannot be looked at here.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// One of its entries is not kept (yet).
    #[error("entry {id} of the version is not here")]
    Unknown {
        /// The smallest such.
        id: EntryId,
    },
    /// The store cannot be read.
    #[error("reading the store for a version")]
    Store(#[from] StoreError),
}

impl VersionError {
    /// Returns who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            VersionError::Unknown { .. } => Fault::Local,
            VersionError::Store(cause) => cause.fault(),
        }
    }
}

impl Version {
    /// The version before genesis.
    pub const EMPTY: Version = Version(Vec::new());

    /// Makes the version that stands for these entries and their pasts.
    pub fn new(mut ids: Vec<EntryId>) -> Version {
        ids.sort_unstable();
        ids.dedup();
        Version(ids)
    }

    /// Returns the ids, ascending.
    pub fn ids(&self) -> &[EntryId] {
        &self.0
    }

    /// Says whether it is the version before genesis.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns its one byte string: a count and the ids.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads the bytes of [`Version::to_bytes`].
    ///
    /// # Errors
    /// [`CodecError`] if they are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Version, CodecError> {
        decode_canonical(bytes)
    }
}

impl BorshDeserialize for Version {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Version> {
        let ids = Vec::<EntryId>::deserialize_reader(reader)?;
        if !ids.is_sorted_by(|a, b| a < b) {
            return Err(borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, "ids are not ascending"));
        }
        Ok(Version(ids))
    }
}
