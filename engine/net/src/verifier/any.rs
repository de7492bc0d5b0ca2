//! Accepts every usable key: for those who listen, and judge by policy afterwards.

use treaty_engine::identity::{Identity, check_key};

use super::{IdentityVerifier, VerifyError};

/// Accepts every key that is not weak.
#[derive(Clone, Copy, Debug)]
pub struct AnyIdentity;

impl IdentityVerifier for AnyIdentity {
    fn verify(&self, presented: &Identity) -> Result<(), VerifyError> {
        Ok(check_key(presented)?)
    }
}
