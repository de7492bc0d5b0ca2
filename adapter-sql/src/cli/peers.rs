//! Peers as people write them and as commands show them.

use std::net::UdpSocket;

use anyhow::{Context, Result, bail};
use treaty_engine::hash::SpaceId;
use treaty_engine::identity::Identity;
use treaty_engine::sync::ByeCode;
use treaty_net::discovery::Target;
use treaty_net::hub::{HubEvent, PeerStatus};
use treaty_net::ticket::Ticket;

use super::objects::UpEvent;
use crate::home::{Home, KnownPeer, RunningPeer, merge_peer};

/// Returns whom to dial: the peers remembered in `home` and those in `written` (tickets or addresses).
///
/// # Errors
/// If one of them is neither, or a ticket is for another space.
pub(crate) fn targets(home: &Home, written: &[String], space: SpaceId) -> Result<Vec<Target>> {
    let mut known = home.peers()?;
    for text in written {
        merge_peer(&mut known, &parse_peer(text, space)?);
    }
    known.into_iter().map(target).collect()
}

fn parse_peer(text: &str, space: SpaceId) -> Result<KnownPeer> {
    if !text.starts_with("treaty1") {
        let has_port =
            text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !has_port {
            bail!("peer '{text}' is neither a ticket nor an address: write HOST:PORT, or what `treaty invite` printed");
        }
        return Ok(KnownPeer { identity: None, addresses: vec![text.to_owned()] });
    }
    let ticket: Ticket = text.parse().context("reading a ticket given as a peer")?;
    if ticket.space() != space {
        bail!("the ticket given as a peer is for space {}, this node is in space {space}", ticket.space());
    }
    Ok(known_peer(&ticket))
}

/// Returns the peer that wrote a ticket.
pub(crate) fn known_peer(ticket: &Ticket) -> KnownPeer {
    KnownPeer { identity: Some(ticket.identity().to_string()), addresses: ticket.addresses().to_vec() }
}

pub(crate) fn target(peer: KnownPeer) -> Result<Target> {
    let identity = peer.identity.as_deref().map(Identity::parse).transpose();
    let identity = identity.context("reading an identity in peers.json; remove the file, it is rebuilt")?;
    Ok(Target { identity, addresses: peer.addresses })
}

/// Returns the event to print for what happened with a peer; none if it is of no interest.
pub(crate) fn peer_event(event: HubEvent) -> Option<UpEvent> {
    let (identity, address, reason) = match event {
        HubEvent::Connected { identity, address, .. } => (Some(identity), address, None),
        HubEvent::Refused { identity, address, text, is_by_peer: true } => {
            (Some(identity), address, Some(format!("the peer refused this node: {text}")))
        }
        HubEvent::Refused { identity, address, text, is_by_peer: false } => {
            (Some(identity), address, Some(format!("refused: {text}")))
        }
        HubEvent::Faulted { identity, address, bye, is_by_peer } => {
            let who = if is_by_peer { "the peer complained" } else { "the peer broke the protocol" };
            (Some(identity), address, Some(format!("{who}: {bye}")))
        }
        HubEvent::Closed { identity, address, bye, .. } if bye.code != ByeCode::Duplicate => {
            (Some(identity), address, Some(bye.to_string()))
        }
        HubEvent::Lost { identity, address, reason } => (Some(identity), address, Some(reason)),
        HubEvent::Unreachable { identity, address, reason } => (identity, address, Some(reason)),
        HubEvent::Closed { .. } | HubEvent::InStep { .. } | HubEvent::Received { .. } => return None,
        HubEvent::EntriesRefused { identity, ids } => {
            tracing::warn!(peer = %identity, entry_count = ids.len(), "a peer sent entries that are refused here");
            return None;
        }
    };
    let identity = identity.map(|identity| identity.to_string());
    Some(UpEvent::Peer { identity, address, connected: reason.is_none(), reason })
}

/// Returns what `running.json` says of these peers.
pub(crate) fn running_peers(peers: Vec<PeerStatus>) -> Vec<RunningPeer> {
    let running = |peer: PeerStatus| RunningPeer {
        identity: peer.identity.map(|identity| identity.to_string()),
        address: Some(peer.address),
        connected: peer.is_connected,
        behind: peer.behind,
    };
    peers.into_iter().map(running).collect()
}

/// Returns the addresses at which a node that listens on `listen` can be reached, for a ticket.
///
/// Of a wildcard address: this machine's outward address and loopback.
///
/// # Errors
/// If the port is not known yet.
pub(crate) fn reachable_at(listen: &str) -> Result<Vec<String>> {
    let listen = crate::config::parse_listen(listen)?;
    if listen.port() == 0 {
        bail!(
            "this node has no fixed port, and its sidecar is not running: start `treaty up`, set `listen` in treaty.toml, \
             or name an address with --address"
        );
    }
    if !listen.ip().is_unspecified() {
        return Ok(vec![listen.to_string()]);
    }
    let mut hosts = Vec::new();
    let outward = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    for (own, far) in &outward[..if listen.is_ipv6() { 2 } else { 1 }] {
        // Connecting a UDP socket sends nothing; it only chooses the interface.
        let chosen = UdpSocket::bind(own).and_then(|socket| socket.connect(far).and_then(|()| socket.local_addr()));
        hosts.extend(chosen.map(|address| address.ip()).ok().filter(|ip| !ip.is_unspecified() && !ip.is_loopback()));
    }
    hosts.push(if listen.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    Ok(hosts.into_iter().map(|ip| std::net::SocketAddr::new(ip, listen.port()).to_string()).collect())
}

#[cfg(test)]
mod tests {
    use treaty_engine::hash::EntryId;
    use treaty_engine::identity::Keypair;

    use super::*;

    const SPACE: SpaceId = SpaceId(EntryId([7; 32]));

    fn home() -> (tempfile::TempDir, Home) {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::at(directory.path().join("n.treaty"));
        (directory, home)
    }

    fn ticket(space: SpaceId, address: &str) -> Ticket {
        Ticket::new(space, Keypair::generate(&[1; 32]).identity(), vec![address.to_owned()]).unwrap()
    }

    #[test]
    fn a_ticket_for_a_remembered_peer_adds_its_addresses_in_front() {
        let (_directory, home) = home();
        let lock = home.lock().unwrap();
        home.remember_peer(&lock, &known_peer(&ticket(SPACE, "old:1"))).unwrap();
        let written = [ticket(SPACE, "new:2").to_string(), "nameless:3".to_owned()];
        let found = targets(&home, &written, SPACE).unwrap();
        let addresses: Vec<_> = found.iter().map(|target| target.addresses.join(" ")).collect();
        assert_eq!(addresses, ["new:2 old:1", "nameless:3"]);
        assert_eq!(found[1].identity, None);
    }

    #[test]
    fn a_peer_that_is_neither_ticket_nor_address_is_refused() {
        let (_directory, home) = home();
        let refused = |text: &str| targets(&home, &[text.to_owned()], SPACE).unwrap_err().to_string();
        for text in ["example.org", "example.org:", ":4433", "example.org:x", ""] {
            assert!(refused(text).contains("HOST:PORT"), "{text}");
        }
        assert!(refused("treaty1nonsense").contains("ticket"));
        let elsewhere = ticket(SpaceId(EntryId([8; 32])), "there:1").to_string();
        assert!(refused(&elsewhere).contains("is for space 0808"), "{}", refused(&elsewhere));
    }

    #[test]
    fn a_wildcard_is_reachable_at_this_machine_and_a_port_must_be_known() {
        assert_eq!(reachable_at("192.0.2.7:4433").unwrap(), ["192.0.2.7:4433"]);
        let found = reachable_at("0.0.0.0:4433").unwrap();
        assert_eq!(found.last().unwrap(), "127.0.0.1:4433");
        assert!(found.iter().all(|address| address.ends_with(":4433") && !address.starts_with("0.")), "{found:?}");
        assert!(reachable_at("0.0.0.0:0").unwrap_err().to_string().contains("--address"));
    }
}
