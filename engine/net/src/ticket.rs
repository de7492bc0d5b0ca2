//! Tickets: what a person hands to a person so that a node can join a space.
//!
//! Text: `treaty1` and the lower-case base32 (no padding) of version, space, inviting identity, addresses and a checksum.
//! A ticket is no permission: it names a space and whom to ask. Layout and a vector: docs/spec/ticket.md.

use std::fmt;
use std::str::FromStr;

use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;
use treaty_engine::codec::{CodecError, Reader};
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::{Identity, Suite};

use crate::limits::{ADDRESS_BYTES_MAX, TICKET_ADDRESSES_MAX};

const PREFIX: &str = "treaty1";
const CHECKSUM_CONTEXT: &str = "treaty 2026 ticket text v1";
const CHECKSUM_BYTES: usize = 4;

/// RFC 4648 base32 in lower case, without padding; the unused bits at the end are zero.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().expect("32 distinct symbols make an encoding")
});

/// A space, a node that has it, and where that node may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    space: SpaceId,
    identity: Identity,
    addresses: Vec<String>,
}

/// Why a text is no [`Ticket`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not `treaty1` and base32.
    #[error("a ticket is treaty1 and many characters of a-z, 2-7, as `treaty invite` prints it")]
    Form,
    /// The checksum does not match.
    #[error("a character of the ticket is wrong or missing: its checksum does not match; copy it again")]
    Checksum,
    /// The contents are malformed.
    #[error("the ticket is malformed")]
    Contents(#[from] CodecError),
    /// A suite that this version does not know.
    #[error("the ticket uses signature suite {suite}, which this version does not know")]
    Suite {
        /// The byte.
        suite: u8,
    },
    /// More or longer addresses than a ticket may have, or one that is no printable text.
    #[error("a ticket has at most {TICKET_ADDRESSES_MAX} addresses of 1 to {ADDRESS_BYTES_MAX} printable characters")]
    Addresses,
}

impl Ticket {
    /// Makes a ticket. Addresses are `HOST:PORT`, the best first.
    ///
    /// # Errors
    /// [`TicketError::Addresses`] if there are too many, or one is too long.
    pub fn new(space: SpaceId, identity: Identity, addresses: Vec<String>) -> Result<Ticket, TicketError> {
        let is_address = |address: &String| {
            (1..=ADDRESS_BYTES_MAX).contains(&address.len()) && address.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if addresses.len() > TICKET_ADDRESSES_MAX || !addresses.iter().all(is_address) {
            return Err(TicketError::Addresses);
        }
        Ok(Ticket { space, identity, addresses })
    }

    /// The space to join.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        self.space
    }

    /// Who invites.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Where it may be reached, the best address first; perhaps nowhere.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.space.0.0.to_vec();
        bytes.push(self.identity.suite as u8);
        bytes.extend_from_slice(&self.identity.key);
        bytes.push(u8::try_from(self.addresses.len()).expect("checked when made"));
        for address in &self.addresses {
            bytes.push(u8::try_from(address.len()).expect("checked when made"));
            bytes.extend_from_slice(address.as_bytes());
        }
        bytes
    }

    fn read(reader: &mut Reader<'_>) -> Result<Ticket, TicketError> {
        let space = SpaceId(EntryId(reader.array()?));
        let suite = match reader.u8()? {
            1 => Suite::Ed25519,
            suite => return Err(TicketError::Suite { suite }),
        };
        let identity = Identity { suite, key: reader.array()? };
        let address_count = reader.u8()?;
        let mut addresses = Vec::new();
        for _ in 0..address_count {
            let address_bytes = usize::from(reader.u8()?);
            let address = std::str::from_utf8(reader.take(address_bytes)?).map_err(|_| TicketError::Addresses)?;
            addresses.push(address.to_owned());
        }
        Ticket::new(space, identity, addresses)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.to_bytes();
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{PREFIX}{}", BASE32.encode(&bytes))
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Ticket, TicketError> {
        let folded = text.trim().to_ascii_lowercase();
        let encoded = folded.strip_prefix(PREFIX).ok_or(TicketError::Form)?;
        let bytes = BASE32.decode(encoded.as_bytes()).map_err(|_| TicketError::Form)?;
        let (contents, found) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(TicketError::Form)?;
        if checksum(contents) != *found {
            return Err(TicketError::Checksum);
        }
        let mut reader = Reader::new(contents);
        let ticket = Ticket::read(&mut reader)?;
        reader.finish()?;
        Ok(ticket)
    }
}

fn checksum(contents: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = blake3::derive_key(CHECKSUM_CONTEXT, contents);
    [a, b, c, d]
}
