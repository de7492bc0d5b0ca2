//! A cursor over payload bytes that never reads past the end, and the mistakes it and the decoder report.

use borsh::BorshDeserialize;

use crate::codec;

/// Why bytes are no payload: the place, and the rule broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("payload byte {offset}: {mistake}")]
pub struct PayloadError {
    /// Offset of the first byte of what is wrong.
    pub offset: usize,
    /// The rule.
    pub mistake: Mistake,
}

/// A rule of docs/spec/payload.md that bytes break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// The bytes end early.
    #[error("the payload ends in the middle of a field")]
    Truncated,
    /// Bytes follow the last operation.
    #[error("bytes follow the last operation")]
    Trailing,
    /// A tag byte has no meaning.
    #[error("a tag byte has no meaning")]
    Tag,
    /// A value or a patch is cut off, or not in its one canonical form.
    #[error("a value is cut off or not in canonical form")]
    Value,
    /// A dictionary is longer than its limit.
    #[error("a dictionary is longer than allowed")]
    DictionaryLength,
    /// A dictionary entry is not in the order of first use, or used before it is its turn.
    #[error("a dictionary is not in the order of first use")]
    DictionaryOrder,
    /// A dictionary entry is never used.
    #[error("a dictionary entry is never used")]
    DictionaryUnused,
    /// A dictionary holds one entry twice.
    #[error("a dictionary holds an entry twice")]
    DictionaryDuplicate,
    /// A co-transaction has no operation.
    #[error("a co-transaction has no operation")]
    EmptyTransaction,
    /// More operations than an entry may have.
    #[error("more operations than an entry may have")]
    TooManyOperations,
    /// An operation addresses a row by something that is no insert of this entry at that place.
    #[error("a row of this entry is named that no insert of it makes")]
    NotAnInsert,
    /// Two operations of one co-transaction touch one row.
    #[error("two operations of one co-transaction touch the same row")]
    TouchedTwice,
    /// The genesis payload holds more than one co-transaction, or something but inserts.
    #[error("the genesis rows are not one co-transaction of inserts")]
    GenesisRows,
}

/// Reads fields from `bytes`, with this room's errors.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    fields: codec::Reader<'a>,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from its start.
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, fields: codec::Reader::new(bytes) }
    }

    /// Where the next field starts.
    pub(super) fn offset(&self) -> usize {
        self.fields.offset()
    }

    /// Bytes not yet read.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.offset()
    }

    /// The error `mistake` at the next field.
    pub(super) fn error(&self, mistake: Mistake) -> PayloadError {
        PayloadError { offset: self.offset(), mistake }
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), PayloadError> {
        let error = self.error(Mistake::Truncated);
        self.fields.take(count).map(|_| ()).map_err(|_| error)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PayloadError> {
        let error = self.error(Mistake::Truncated);
        self.fields.array().map_err(|_| error)
    }

    pub(super) fn u8(&mut self) -> Result<u8, PayloadError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, PayloadError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Reads a count of items of at least `item_bytes` each, so that a list of that length can be allocated.
    pub(super) fn count(&mut self, item_bytes: usize) -> Result<usize, PayloadError> {
        let error = self.error(Mistake::Truncated);
        let count = self.u32()? as usize;
        if count > self.left() / item_bytes {
            return Err(error);
        }
        Ok(count)
    }

    /// Reads one borsh value.
    pub(super) fn borsh<T: BorshDeserialize>(&mut self) -> Result<T, PayloadError> {
        let mut rest = &self.bytes[self.offset()..];
        let value = T::deserialize_reader(&mut rest).map_err(|_| self.error(Mistake::Value))?;
        self.skip(self.left() - rest.len())?;
        Ok(value)
    }
}
