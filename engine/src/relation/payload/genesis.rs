//! The payload of a genesis entry: the first schema, a nonce, and the rows that the space starts with.

use treaty_schema::Patch;

use super::encode::PayloadBuilder;
use super::reader::{Mistake, PayloadError, Reader};
use super::{Operation, Payload};

/// A decoded genesis payload. The patch is data: whether it makes a valid schema is not decided here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisPayload {
    /// Makes two spaces of one founder and one schema different.
    pub nonce: [u8; 16],
    /// The changes that make the first schema out of nothing.
    pub patch: Patch,
    /// No co-transaction, or one of inserts; with the bytes of the whole payload, so that spans count from its start.
    pub rows: Payload,
}

impl GenesisPayload {
    /// Decodes a genesis payload.
    ///
    /// # Errors
    /// [`PayloadError`] names the first rule broken and where.
    pub fn decode(bytes: Vec<u8>) -> Result<GenesisPayload, PayloadError> {
        let mut reader = Reader::new(&bytes);
        let nonce = reader.array()?;
        let patch: Patch = reader.borsh()?;
        let offset = reader.offset();
        if borsh::to_vec(&patch).is_ok_and(|canonical| canonical != bytes[16..offset]) {
            return Err(PayloadError { offset: 16, mistake: Mistake::Value });
        }
        let rows = Payload::decode_body(bytes, offset)?;
        let has_inserts_only = (0..rows.operation_count(0))
            .all(|index| matches!(rows.operation(0, index), Some(Operation::Insert { .. })));
        if rows.transaction_count() > 1 || !has_inserts_only {
            return Err(PayloadError { offset, mistake: Mistake::GenesisRows });
        }
        Ok(GenesisPayload { nonce, patch, rows })
    }

    /// Encodes a genesis payload.
    ///
    /// * `rows` - no co-transaction, or one of inserts.
    pub fn encode(nonce: [u8; 16], patch: &Patch, rows: PayloadBuilder) -> Vec<u8> {
        let mut bytes = nonce.to_vec();
        borsh::to_writer(&mut bytes, patch).expect("writing to a Vec does not fail");
        rows.append_to(&mut bytes);
        bytes
    }

    /// Returns how many bytes of a genesis payload precede its dictionaries.
    ///
    /// # Errors
    /// [`Mistake::Value`] if `bytes`, a part from the start, ends before.
    pub fn body_offset(bytes: &[u8]) -> Result<usize, PayloadError> {
        let mut reader = Reader::new(bytes);
        reader.skip(16)?;
        let _: Patch = reader.borsh()?;
        Ok(reader.offset())
    }
}
