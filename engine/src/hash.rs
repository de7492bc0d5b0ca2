//! Names made by hashing: of entries, of spaces, of payloads.
//!
//! Each name is 32 bytes of BLAKE3, printed and parsed as 64 lower-case hex digits. An entry is named by its header
//! (under its own derivation context), a space by its genesis entry, a payload by its bytes. What a header's bytes
//! are is `log`'s question, not this file's.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

/// The derivation context of entry ids. Part of the format: never changes for format version 1.
pub const ENTRY_ID_CONTEXT: &str = "treaty 2026 entry id v1";

/// The name of an entry: BLAKE3 of its header bytes under [`ENTRY_ID_CONTEXT`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct EntryId(pub [u8; 32]);

/// The name of a space: the id of its genesis entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct SpaceId(pub EntryId);

/// The name of a payload: plain BLAKE3 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PayloadHash(pub [u8; 32]);

/// A text that is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not 64 lower-case hex digits: {text:?}")]
pub struct HashTextError {
    /// The beginning of the text.
    pub text: String,
}

impl EntryId {
    /// Names the entry whose header has these bytes.
    pub fn of_header(header_bytes: &[u8]) -> EntryId {
        EntryId(blake3::derive_key(ENTRY_ID_CONTEXT, header_bytes))
    }

    /// Returns the first 8 bytes as a number: what indexes and locators use. Not unique: compare whole ids.
    pub fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl SpaceId {
    /// What the space field of a genesis header holds: a space cannot carry its own name.
    pub const NONE: SpaceId = SpaceId(EntryId([0; 32]));
}

impl PayloadHash {
    /// Names the payload with these bytes.
    pub fn of(payload: &[u8]) -> PayloadHash {
        PayloadHash(*blake3::hash(payload).as_bytes())
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Display for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0.0, f)
    }
}

impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryId({self})")
    }
}

impl fmt::Debug for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpaceId({self})")
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadHash({self})")
    }
}

impl FromStr for EntryId {
    type Err = HashTextError;

    fn from_str(text: &str) -> Result<EntryId, HashTextError> {
        read_hex(text).map(EntryId)
    }
}

impl FromStr for SpaceId {
    type Err = HashTextError;

    fn from_str(text: &str) -> Result<SpaceId, HashTextError> {
        read_hex(text).map(|bytes| SpaceId(EntryId(bytes)))
    }
}

impl FromStr for PayloadHash {
    type Err = HashTextError;

    fn from_str(text: &str) -> Result<PayloadHash, HashTextError> {
        read_hex(text).map(PayloadHash)
    }
}

fn write_hex(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn read_hex(text: &str) -> Result<[u8; 32], HashTextError> {
    let refusal = || HashTextError { text: text.chars().take(80).collect() };
    if text.len() != 64 {
        return Err(refusal());
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return Err(refusal()) };
        *byte = match (hex_digit(*high), hex_digit(*low)) {
            (Some(high), Some(low)) => high << 4 | low,
            _ => return Err(refusal()),
        };
    }
    Ok(bytes)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = EntryId::of_header(b"header");
        assert_eq!(id.to_string().parse::<EntryId>(), Ok(id));
        assert_eq!(id.to_string().len(), 64);
    }

    #[test]
    fn a_text_that_is_not_64_lower_case_digits_is_refused() {
        let text = EntryId::of_header(b"header").to_string();
        for bad in [&text[1..], &format!("{text}0"), &text.to_uppercase(), &format!("g{}", &text[1..]), "é", ""] {
            assert!(bad.parse::<EntryId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_prefix_orders_as_the_id_does() {
        let (low, high) = (EntryId([1; 32]), EntryId([255; 32]));
        assert!(low < high && low.prefix() < high.prefix());
    }

    #[test]
    fn a_header_and_a_payload_of_the_same_bytes_have_different_names() {
        assert_ne!(EntryId::of_header(b"x").0, PayloadHash::of(b"x").0);
    }
}
