//! Accepts one key: for those who dial, and know from a ticket whom.

use treaty_engine::identity::{Identity, check_key};

use super::{IdentityVerifier, VerifyError};

/// Accepts this key only.
#[derive(Clone, Copy, Debug)]
pub struct PinnedIdentity(pub Identity);

impl IdentityVerifier for PinnedIdentity {
    fn verify(&self, presented: &Identity) -> Result<(), VerifyError> {
        check_key(presented)?;
        if *presented == self.0 {
            Ok(())
        } else {
            Err(VerifyError::Unexpected { presented: *presented, expected: self.0 })
        }
    }
}
