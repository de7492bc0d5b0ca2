//! Verifiers of identities: which keys a transport accepts at all.
//!
//! This is about proving a key, not about permissions: who may sync a space is the space's own policy
//! (`treaty_peers`), judged above the transport. One plug-in per file.

mod any;
mod pinned;

use std::fmt::Debug;

use treaty_engine::identity::{Identity, SignatureError};

pub use any::AnyIdentity;
pub use pinned::PinnedIdentity;

/// Says whether a key that a peer is about to prove is one this side wants to talk to.
pub trait IdentityVerifier: Debug + Send + Sync + 'static {
    /// Judges the identity.
    ///
    /// # Errors
    /// [`VerifyError`] ends the handshake.
    fn verify(&self, presented: &Identity) -> Result<(), VerifyError>;
}

/// Why a key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The key can prove nothing.
    #[error("the key is unusable")]
    Unusable(#[from] SignatureError),
    /// Somebody else was expected.
    #[error("the key is {presented}, expected {expected}")]
    Unexpected {
        /// Whose key it is.
        presented: Identity,
        /// Whose it should be.
        expected: Identity,
    },
}
