//! Ports that stay a test's own, while nothing listens on them too: over restarts of what is tested.

use std::net::{TcpListener, UdpSocket};

/// Where ports are looked for: below those that systems give to outgoing connections and to whoever asks for any port.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port of 127.0.0.1, for UDP and for TCP, that no other test is given before this is dropped.
///
/// A port that was free a moment ago may be somebody else's by the time it is listened on, and again whenever what
/// listens is restarted; so its neighbour is held in its place.
#[derive(Debug)]
pub struct Port {
    /// Listens on the neighbour, and is never asked anything.
    _claim: TcpListener,
    number: u16,
}

impl Port {
    /// Claims a free one.
    ///
    /// # Panics
    /// If there is none.
    pub fn claim() -> Port {
        let (first, pairs) = (PORTS.start, PORTS.len() / 2);
        // Test processes that run side by side begin at different places.
        let start = std::process::id() as usize % pairs;
        let even = |pair: usize| first + u16::try_from(pair % pairs * 2).expect("within the range");
        (start..start + pairs).find_map(|pair| Port::try_claim(even(pair))).expect("loopback has free ports")
    }

    fn try_claim(neighbour: u16) -> Option<Port> {
        let claim = TcpListener::bind(("127.0.0.1", neighbour)).ok()?;
        let number = neighbour + 1;
        UdpSocket::bind(("127.0.0.1", number)).ok()?;
        TcpListener::bind(("127.0.0.1", number)).ok()?;
        Some(Port { _claim: claim, number })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The address, as options and URLs name it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_to_one_only_although_nothing_listens() {
        let ports: Vec<Port> = (0..50).map(|_| Port::claim()).collect();
        let distinct: std::collections::BTreeSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(distinct.len(), ports.len());
    }

    #[test]
    fn a_port_is_free_for_its_owner_again_and_again() {
        let port = Port::claim();
        for _ in 0..3 {
            TcpListener::bind(port.address()).expect("ours");
            UdpSocket::bind(port.address()).expect("ours");
        }
    }
}
