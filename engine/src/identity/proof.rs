//! Proof types: a [`Verified`] value was signed by its author; nothing else makes one.

use std::ops::Deref;

use super::keypair::{Keypair, Signature, SignatureError, verify_entry};
use crate::hash::EntryId;
use treaty_schema::Identity;

/// What can be signed: it knows its author and the id that the signature covers.
pub trait Signable {
    /// Returns who claims to have signed it.
    fn author(&self) -> &Identity;

    /// Returns the id that the signature covers, computed from the value's canonical bytes.
    fn id(&self) -> EntryId;
}

/// A value with a signature that nobody has checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified<T> {
    /// The value.
    pub value: T,
    /// The alleged signature of its author.
    pub signature: Signature,
}

/// A value, its id, and a signature of its author over the id that was checked or made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    id: EntryId,
    signature: Signature,
}

impl<T: Signable> Unverified<T> {
    /// Checks the signature. Costs about 60 µs; pure, so callers may spread it over threads.
    ///
    /// # Errors
    /// [`SignatureError`] if the author's key is unusable or the signature is not its own.
    pub fn verify(self) -> Result<Verified<T>, SignatureError> {
        let id = self.value.id();
        verify_entry(self.value.author(), &id, &self.signature)?;
        Ok(Verified { value: self.value, id, signature: self.signature })
    }

    /// Takes the value from the store, which keeps only what was verified before: checks the id alone.
    ///
    /// Returns nothing if the value's id is not `id`: the stored row is damaged.
    pub(crate) fn trust_stored(self, id: &EntryId) -> Option<Verified<T>> {
        (self.value.id() == *id).then_some(Verified { value: self.value, id: *id, signature: self.signature })
    }
}

impl<T: Signable> Verified<T> {
    /// Signs a value.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`] if the key pair is not its author's.
    pub fn sign(value: T, keypair: &Keypair) -> Result<Verified<T>, SignatureError> {
        if keypair.identity() != *value.author() {
            return Err(SignatureError::Mismatch);
        }
        let id = value.id();
        Ok(Verified { value, id, signature: keypair.sign_entry(&id) })
    }

    /// Returns the id that the signature covers.
    pub fn id(&self) -> &EntryId {
        &self.id
    }

    /// Returns the signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
