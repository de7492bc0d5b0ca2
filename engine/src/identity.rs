//! Keys, signatures, and the proof types: what is [`Verified`] was signed by whom it names.
//!
//! A signature covers `"treaty entry v1" || id`, so it can never pass for anything else (TLS signs under its own
//! prefix). Verification is strict, one by one, never in a batch: batches may answer differently on crafted
//! signatures, and then replicas would keep different logs. Randomness for new keys is an argument.

mod keypair;
mod proof;

pub use keypair::{Keypair, KeypairError, Signature, SignatureError, check_key, verify_entry};
pub use proof::{Signable, Unverified, Verified};
pub use treaty_schema::{Identity, Suite};
