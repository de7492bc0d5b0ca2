//! Peers named by the operator: tickets and addresses of the configuration.

use std::collections::VecDeque;

use super::{Discovery, Target};
use crate::transport::BoxFuture;

/// A list of peers that is known from the start.
#[derive(Clone, Debug)]
pub struct FixedPeers(VecDeque<Target>);

impl FixedPeers {
    /// Finds these.
    #[must_use]
    pub fn new(targets: Vec<Target>) -> FixedPeers {
        FixedPeers(targets.into())
    }
}

impl Discovery for FixedPeers {
    fn next(&mut self) -> BoxFuture<'_, Option<Target>> {
        let next = self.0.pop_front();
        Box::pin(async { next })
    }
}
