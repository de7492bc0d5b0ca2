//! An author's public key, as a value of a column and as text.

use borsh::{BorshDeserialize, BorshSerialize};

/// The signature suite of an identity. One today; the byte leaves room for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Suite {
    /// Ed25519, verified strictly (RFC 8032, small-order keys refused).
    Ed25519 = 1,
}

/// A public key with its suite: who wrote something, and the value of an IDENTITY column.
///
/// Text form: `id1` and the lower-case base32 (no padding) of suite byte, key and a 4-byte BLAKE3 checksum. Whether
/// the bytes are a usable key (not of small order) is the engine's question, not this type's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Identity {
    /// How its signatures are made.
    pub suite: Suite,
    /// The public key.
    pub key: [u8; 32],
}
