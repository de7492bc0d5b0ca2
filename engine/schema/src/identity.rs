//! An author's public key, as a value of a column and as text.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;

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

/// Why a text is not an [`Identity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The text is not `id1` and 60 characters of a-z, 2-7.
    #[error("an identity is id1 and 60 characters of a-z, 2-7, as `treaty identity` prints it")]
    Form,
    /// The checksum does not match: some character is wrong.
    #[error("a character of the identity is wrong: its checksum does not match; copy it again")]
    Checksum,
    /// The suite byte names no suite that this version knows.
    #[error("the identity uses signature suite {suite}, which this version does not know")]
    Suite {
        /// The byte.
        suite: u8,
    },
}

const PREFIX: &str = "id1";
const CHECKSUM_CONTEXT: &str = "treaty 2026 identity text v1";
const KEYED_BYTES: usize = 33;
const CHECKSUM_BYTES: usize = 4;

/// RFC 4648 base32 in lower case, without padding; the unused bits at the end are zero.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().expect("32 distinct symbols make an encoding")
});

impl Identity {
    /// Reads the text form; upper case is read too.
    ///
    /// # Errors
    /// [`IdentityError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Identity, IdentityError> {
        let folded = text.trim().to_ascii_lowercase();
        let encoded = folded.strip_prefix(PREFIX).ok_or(IdentityError::Form)?;
        let bytes = BASE32.decode(encoded.as_bytes()).map_err(|_| IdentityError::Form)?;
        if bytes.len() != KEYED_BYTES + CHECKSUM_BYTES {
            return Err(IdentityError::Form);
        }
        let (keyed, checksum_found) = bytes.split_at(KEYED_BYTES);
        if checksum(keyed) != checksum_found {
            return Err(IdentityError::Checksum);
        }
        let suite = match keyed[0] {
            1 => Suite::Ed25519,
            suite => return Err(IdentityError::Suite { suite }),
        };
        let key = keyed[1..].try_into().map_err(|_| IdentityError::Form)?;
        Ok(Identity { suite, key })
    }
}

fn checksum(keyed: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = blake3::derive_key(CHECKSUM_CONTEXT, keyed);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The text form, 63 characters.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.suite as u8];
        bytes.extend_from_slice(&self.key);
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{PREFIX}{}", BASE32.encode(&bytes))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
