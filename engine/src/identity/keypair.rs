//! A key pair, the signatures it makes, and their strict verification.

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use treaty_schema::{Identity, Suite};
use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::hash::EntryId;

/// What precedes an entry id in the signed bytes. Part of the format.
const ENTRY_SIGNATURE_PREFIX: &[u8; 15] = b"treaty entry v1";

/// A private key with its identity. Its bytes are wiped from memory when it is dropped.
pub struct Keypair(SigningKey);

/// An Ed25519 signature. Whether it is valid only [`verify_entry`] says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// A file that holds no key.
#[derive(Debug, thiserror::Error)]
pub enum KeypairError {
    /// The text is not a PKCS#8 PEM file with an Ed25519 private key.
    #[error("not a PKCS#8 PEM file with an Ed25519 private key: {reason}")]
    NotPem {
        /// The decoder's words; they hold no part of the key.
        reason: String,
    },
}

/// Why a signature proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The author's key is no point of the curve, or not its one encoding.
    #[error("the author's key is not a canonical Ed25519 public key")]
    NotAKey,
    /// The author's key is of small order: anybody could sign for it.
    #[error("the author's key is weak")]
    WeakKey,
    /// The signature is not the author's over this entry.
    #[error("the signature does not match")]
    Mismatch,
}

impl KeypairError {
    /// Returns who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            KeypairError::NotPem { .. } => Fault::Local,
        }
    }
}

impl SignatureError {
    /// Returns who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            SignatureError::NotAKey | SignatureError::WeakKey | SignatureError::Mismatch => Fault::Peer,
        }
    }
}

impl Keypair {
    /// Makes the key pair of a seed: 32 bytes of the operating system's randomness, drawn by the caller.
    pub fn generate(seed: &[u8; 32]) -> Keypair {
        Keypair(SigningKey::from_bytes(seed))
    }

    /// Reads a PKCS#8 PEM file.
    ///
    /// # Errors
    /// [`KeypairError::NotPem`] if the text is anything else.
    pub fn from_pem(pem: &str) -> Result<Keypair, KeypairError> {
        SigningKey::from_pkcs8_pem(pem).map(Keypair).map_err(|e| KeypairError::NotPem { reason: e.to_string() })
    }

    /// Writes the PKCS#8 PEM file that [`Keypair::from_pem`] reads.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.0.to_pkcs8_pem(LineEnding::LF).expect("a key of fixed size always fits its encoding")
    }

    /// Returns the PKCS#8 DER bytes, as TLS libraries take them.
    pub fn to_der(&self) -> Zeroizing<Vec<u8>> {
        self.0.to_pkcs8_der().expect("a key of fixed size always fits its encoding").to_bytes()
    }

    /// Returns the public half.
    pub fn identity(&self) -> Identity {
        Identity { suite: Suite::Ed25519, key: self.0.verifying_key().to_bytes() }
    }

    /// Signs the entry of this id.
    pub fn sign_entry(&self, id: &EntryId) -> Signature {
        Signature(self.0.sign(&entry_message(id)).to_bytes())
    }
}

impl std::fmt::Debug for Keypair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keypair({:?})", self.identity())
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signature(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Checks that `author` signed the entry of this id. Costs about 60 µs; pure, so callers may spread it over threads.
///
/// # Errors
/// [`SignatureError`], the same on every replica for the same bytes.
pub fn verify_entry(author: &Identity, id: &EntryId, signature: &Signature) -> Result<(), SignatureError> {
    let key = usable_key(author)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(&entry_message(id), &signature).map_err(|_| SignatureError::Mismatch)
}

/// Checks that signatures by this identity can prove anything: a canonical point that is not of small order.
///
/// # Errors
/// [`SignatureError::NotAKey`] or [`SignatureError::WeakKey`].
pub fn check_key(identity: &Identity) -> Result<(), SignatureError> {
    usable_key(identity).map(|_| ())
}

fn usable_key(identity: &Identity) -> Result<VerifyingKey, SignatureError> {
    match identity.suite {
        Suite::Ed25519 => {}
    }
    if !is_reduced(&identity.key) {
        return Err(SignatureError::NotAKey);
    }
    let key = VerifyingKey::from_bytes(&identity.key).map_err(|_| SignatureError::NotAKey)?;
    if key.is_weak() { Err(SignatureError::WeakKey) } else { Ok(key) }
}

/// Says whether the y coordinate is below 2^255 - 19. The library also takes y + p for the few smallest y, which
/// would give one key two identities.
fn is_reduced(key: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = key;
    high & 0x7f != 0x7f || *low < 0xed || middle.iter().any(|byte| *byte != 0xff)
}

fn entry_message(id: &EntryId) -> [u8; 47] {
    let mut message = [0; 47];
    message[..15].copy_from_slice(ENTRY_SIGNATURE_PREFIX);
    message[15..].copy_from_slice(&id.0);
    message
}
