//! A whole entry: a signed header and the payload that it names.

use crate::codec::Reader;
use crate::fault::Fault;
use crate::hash::{EntryId, PayloadHash, SpaceId};
use crate::identity::{Identity, Keypair, Signature, SignatureError, Unverified, Verified};
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::log::header::{Header, HeaderError, HeaderFields, Kind};
use crate::log::position::Stamp;

/// A header with a signature that nobody has checked: what comes from a peer.
pub type UnverifiedHeader = Unverified<Header>;

/// A header whose signature was checked or made here. Reads as its [`HeaderFields`].
pub type SignedHeader = Verified<Header>;

/// A signed header with its payload. There is no other way to hold the two together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    header: SignedHeader,
    payload: Vec<u8>,
}

/// What a new entry says besides its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDraft {
    /// The space; none makes a genesis.
    pub space: Option<SpaceId>,
    /// What it is written on top of, in any order.
    pub parents: Vec<EntryId>,
    /// 1 + the greatest height among the parents; 0 for a genesis.
    pub height: u64,
    /// The author's clock, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Why an entry cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The header breaks a rule.
    #[error("the header breaks a rule")]
    Header(#[from] HeaderError),
    /// The signature proves nothing.
    #[error("the signature proves nothing")]
    Signature(#[from] SignatureError),
    /// The payload is not as long as the header says.
    #[error("payload of {found} bytes, the header says {expected}")]
    PayloadLength {
        /// The length in the header.
        expected: u32,
        /// The length of the payload.
        found: usize,
    },
    /// The payload is not the one that the header names.
    #[error("payload hashes to {found}, the header says {expected}")]
    PayloadHash {
        /// The hash in the header.
        expected: PayloadHash,
        /// The hash of the payload.
        found: PayloadHash,
    },
    /// The payload is longer than any entry's may be.
    #[error("payload of {found} bytes, limit {PAYLOAD_BYTES_MAX}")]
    PayloadTooLarge {
        /// The length of the payload.
        found: usize,
    },
}

impl EntryError {
    /// Returns who is at fault. A payload that does not match is the sender's fault, not the author's.
    pub fn fault(&self) -> Fault {
        match self {
            EntryError::Header(e) => e.fault(),
            EntryError::Signature(e) => e.fault(),
            EntryError::PayloadLength { .. } | EntryError::PayloadHash { .. } => Fault::Peer,
            EntryError::PayloadTooLarge { .. } => Fault::Local,
        }
    }
}

impl UnverifiedHeader {
    /// Reads a header and the 64 bytes of its signature off a longer byte string.
    ///
    /// # Errors
    /// [`HeaderError`] if the bytes are no header, or end early.
    pub fn read(reader: &mut Reader<'_>) -> Result<UnverifiedHeader, HeaderError> {
        let value = Header::read(reader)?;
        Ok(Unverified { value, signature: Signature(reader.array()?) })
    }
}

impl SignedHeader {
    /// Returns the header's bytes and its signature's, as [`UnverifiedHeader::read`] reads them.
    pub fn encode_signed(&self) -> Vec<u8> {
        let mut bytes = self.encode();
        bytes.extend_from_slice(&self.signature().0);
        bytes
    }

    /// Returns the space: the header's, or in genesis the one that it founds.
    pub fn space_id(&self) -> SpaceId {
        match self.kind {
            Kind::Genesis => SpaceId(*self.id()),
            Kind::Data => self.space,
        }
    }

    /// Returns what orders the entry among all others.
    pub fn stamp(&self) -> Stamp {
        Stamp { height: self.height, id: *self.id() }
    }
}

impl Entry {
    /// Joins a signed header with its payload.
    ///
    /// # Errors
    /// [`EntryError::PayloadLength`] or [`EntryError::PayloadHash`] if the payload is not the header's.
    pub fn new(header: SignedHeader, payload: Vec<u8>) -> Result<Entry, EntryError> {
        if u32::try_from(payload.len()) != Ok(header.payload_bytes) {
            return Err(EntryError::PayloadLength { expected: header.payload_bytes, found: payload.len() });
        }
        let found = PayloadHash::of(&payload);
        if found != header.payload_hash {
            return Err(EntryError::PayloadHash { expected: header.payload_hash, found });
        }
        Ok(Entry { header, payload })
    }

    /// Writes and signs a new entry.
    ///
    /// # Errors
    /// [`EntryError::Header`] if draft and payload break a rule of headers; [`EntryError::PayloadTooLarge`].
    pub fn sign(keypair: &Keypair, draft: EntryDraft, payload: Vec<u8>) -> Result<Entry, EntryError> {
        let EntryDraft { space, mut parents, height, time_ms } = draft;
        let payload_bytes = u32::try_from(payload.len())
            .ok()
            .filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX)
            .ok_or(EntryError::PayloadTooLarge { found: payload.len() })?;
        parents.sort_unstable();
        let header = Header::new(HeaderFields {
            kind: if space.is_some() { Kind::Data } else { Kind::Genesis },
            space: space.unwrap_or(SpaceId::NONE),
            author: keypair.identity(),
            parents,
            height,
            time_ms,
            payload_hash: PayloadHash::of(&payload),
            payload_bytes,
        })?;
        Ok(Entry { header: Verified::sign(header, keypair)?, payload })
    }

    /// Returns the header.
    pub fn header(&self) -> &SignedHeader {
        &self.header
    }

    /// Returns the id.
    pub fn id(&self) -> &EntryId {
        self.header.id()
    }

    /// Returns who wrote it.
    pub fn author(&self) -> &Identity {
        &self.header.author
    }

    /// Returns the payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Gives up the parts.
    pub fn into_parts(self) -> (SignedHeader, Vec<u8>) {
        (self.header, self.payload)
    }
}
