//! Tests of the crate by subject; what they share is drawn with `sketch`.

mod canonical;
mod decimals;
mod expressions;
mod hostile;
mod jsons;
mod patches;
mod permissions;
mod reading;
mod strategies;
