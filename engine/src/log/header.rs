//! The header of an entry: all that causality and sync need, so that both work without payloads.
//!
//! One byte string per header. Layout and test vectors: docs/spec/entry.md.

use std::ops::Deref;

use crate::codec::{CodecError, Reader};
use crate::fault::Fault;
use crate::hash::{EntryId, PayloadHash, SpaceId};
use crate::identity::{Identity, Signable, Suite};
use crate::limits::{HEADER_BYTES_FIXED, HEIGHT_MAX, PARENTS_MAX, PAYLOAD_BYTES_MAX, TIME_MS_MAX};

/// The version of the header format, its first byte.
pub const FORMAT_VERSION: u8 = 1;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first entry of a space.
    Genesis,
    /// Any later one: co-transactions, perhaps none (a merge).
    Data,
}

/// The fields of a header, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderFields {
    /// What the entry is.
    pub kind: Kind,
    /// The space it belongs to; [`SpaceId::NONE`] in genesis, whose id names the space.
    pub space: SpaceId,
    /// Who wrote it.
    pub author: Identity,
    /// What it was written on top of: ascending, distinct, none only in genesis.
    pub parents: Vec<EntryId>,
    /// 0 in genesis, else 1 + the greatest height among the parents.
    pub height: u64,
    /// When the author says it was written, in milliseconds since 1970. Advisory: no rule uses it.
    pub time_ms: u64,
    /// The hash of its payload.
    pub payload_hash: PayloadHash,
    /// The length of its payload.
    pub payload_bytes: u32,
}

/// A header that keeps every rule that can be checked on its own. Reads as its [`HeaderFields`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header(HeaderFields);

/// Why bytes or fields are no header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes end early, or others follow.
    #[error("the header does not decode")]
    Codec(#[from] CodecError),
    /// A format this program does not know.
    #[error("header format {found} is unknown, this program knows {FORMAT_VERSION}")]
    UnknownVersion {
        /// The first byte.
        found: u8,
    },
    /// A kind this program does not know.
    #[error("entry kind {found} is unknown")]
    UnknownKind {
        /// The second byte.
        found: u8,
    },
    /// A signature suite this program does not know.
    #[error("signature suite {found} is unknown")]
    UnknownSuite {
        /// The suite byte.
        found: u8,
    },
    /// More parents than allowed.
    #[error("{count} parents, limit {PARENTS_MAX}")]
    TooManyParents {
        /// How many.
        count: usize,
    },
    /// Parents out of order, or one twice.
    #[error("parent {index} is not greater than the one before it")]
    UnsortedParents {
        /// The first parent out of order.
        index: usize,
    },
    /// A height beyond the limit.
    #[error("height {height}, limit {HEIGHT_MAX}")]
    HeightTooGreat {
        /// The height.
        height: u64,
    },
    /// A time beyond the limit.
    #[error("time {time_ms} ms, limit {TIME_MS_MAX}")]
    TimeTooGreat {
        /// The time.
        time_ms: u64,
    },
    /// A payload beyond the limit.
    #[error("payload of {payload_bytes} bytes, limit {PAYLOAD_BYTES_MAX}")]
    PayloadTooLarge {
        /// Its length.
        payload_bytes: u32,
    },
    /// A genesis with parents, a height, or a space.
    #[error("genesis has no parents, height 0 and no space")]
    GenesisNotFirst,
    /// Another entry without parents, or of height 0, or without a space.
    #[error("an entry other than genesis has parents, a height and a space")]
    DataNotLater,
}

impl HeaderError {
    /// Returns who is at fault. (Local headers are made by the engine from checked parts.)
    pub fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl Header {
    /// Checks the rules that need nothing but the header.
    ///
    /// # Errors
    /// [`HeaderError`], the first rule broken.
    pub fn new(fields: HeaderFields) -> Result<Header, HeaderError> {
        let HeaderFields { kind, space, ref parents, height, time_ms, payload_bytes, .. } = fields;
        if parents.len() > PARENTS_MAX {
            return Err(HeaderError::TooManyParents { count: parents.len() });
        }
        if let Some(index) = parents.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(HeaderError::UnsortedParents { index: index + 1 });
        }
        if height > HEIGHT_MAX {
            return Err(HeaderError::HeightTooGreat { height });
        }
        if time_ms > TIME_MS_MAX {
            return Err(HeaderError::TimeTooGreat { time_ms });
        }
        if payload_bytes > PAYLOAD_BYTES_MAX {
            return Err(HeaderError::PayloadTooLarge { payload_bytes });
        }
        match kind {
            Kind::Genesis if !parents.is_empty() || height != 0 || space != SpaceId::NONE => {
                Err(HeaderError::GenesisNotFirst)
            }
            Kind::Data if parents.is_empty() || height == 0 || space == SpaceId::NONE => Err(HeaderError::DataNotLater),
            Kind::Genesis | Kind::Data => Ok(Header(fields)),
        }
    }

    /// Decodes a header that fills `bytes`.
    ///
    /// # Errors
    /// [`HeaderError`]; trailing bytes are [`HeaderError::Codec`].
    pub fn decode(bytes: &[u8]) -> Result<Header, HeaderError> {
        let mut reader = Reader::new(bytes);
        let header = Header::read(&mut reader)?;
        reader.finish()?;
        Ok(header)
    }

    /// Reads a header, which ends itself, off a longer byte string.
    ///
    /// # Errors
    /// [`HeaderError`] if the bytes are no header; the reader is then somewhere inside.
    pub fn read(reader: &mut Reader<'_>) -> Result<Header, HeaderError> {
        let version = reader.u8()?;
        if version != FORMAT_VERSION {
            return Err(HeaderError::UnknownVersion { found: version });
        }
        let kind = match reader.u8()? {
            0 => Kind::Genesis,
            1 => Kind::Data,
            found => return Err(HeaderError::UnknownKind { found }),
        };
        let space = SpaceId(EntryId(reader.array()?));
        let suite = match reader.u8()? {
            1 => Suite::Ed25519,
            found => return Err(HeaderError::UnknownSuite { found }),
        };
        let author = Identity { suite, key: reader.array()? };
        let count = usize::from(reader.u8()?);
        if count > PARENTS_MAX {
            return Err(HeaderError::TooManyParents { count });
        }
        let parents = (0..count).map(|_| reader.array().map(EntryId)).collect::<Result<_, _>>()?;
        Header::new(HeaderFields {
            kind,
            space,
            author,
            parents,
            height: reader.u64()?,
            time_ms: reader.u64()?,
            payload_hash: PayloadHash(reader.array()?),
            payload_bytes: reader.u32()?,
        })
    }

    /// Returns the one byte string of this header.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES_FIXED + 32 * self.parents.len());
        bytes.push(FORMAT_VERSION);
        bytes.push(match self.kind {
            Kind::Genesis => 0,
            Kind::Data => 1,
        });
        bytes.extend_from_slice(&self.space.0.0);
        bytes.push(match self.author.suite {
            Suite::Ed25519 => 1,
        });
        bytes.extend_from_slice(&self.author.key);
        bytes.push(u8::try_from(self.parents.len()).expect("a header has at most 32 parents"));
        for parent in &self.parents {
            bytes.extend_from_slice(&parent.0);
        }
        bytes.extend_from_slice(&self.height.to_le_bytes());
        bytes.extend_from_slice(&self.time_ms.to_le_bytes());
        bytes.extend_from_slice(&self.payload_hash.0);
        bytes.extend_from_slice(&self.payload_bytes.to_le_bytes());
        bytes
    }
}

impl Deref for Header {
    type Target = HeaderFields;

    fn deref(&self) -> &HeaderFields {
        &self.0
    }
}

impl Signable for Header {
    fn author(&self) -> &Identity {
        &self.author
    }

    fn id(&self) -> EntryId {
        EntryId::of_header(&self.encode())
    }
}
