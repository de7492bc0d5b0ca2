//! Frames: what two peers write to each other, and their one encoding.
//!
//! A frame is `u32 length | u8 type | body`, little endian; the length counts type and body. Every value has exactly one
//! byte string; decoding is total: any input gives a frame or a [`FrameError`], never a panic and never an allocation
//! larger than the input. Headers are decoded here, payloads are opaque; signatures and hashes are checked in
//! [`super::session`].
//!
//! Spec and vectors: docs/spec/sync.md.

use std::fmt;

use crate::codec::{self, CodecError};
use crate::hash::{EntryId, SpaceId};
use crate::limits::{
    BYE_TEXT_BYTES_MAX, ENTRIES_PER_FRAME_MAX, FRAME_BYTES_MAX, HEADER_BYTES_FIXED, HEADS_PER_FRAME_MAX,
    INLINE_PAYLOAD_BYTES_MAX, LOCATOR_PREFIXES_MAX, PAYLOAD_CHUNK_BYTES_MAX, SYNC_PROTOCOL_VERSION,
    WANTS_PER_FRAME_MAX,
};
use crate::log::{HeaderError, UnverifiedHeader};

/// Length of the length field and the type that precede a body.
const PREAMBLE_BYTES: usize = 5;

/// One message of the sync protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Opens a session: who is spoken to, and where the speaker stands.
    Hello(Hello),
    /// "You named entries that I lack; this is what I hold": asks for the stream. Holds prefixes of ids
    /// ([`EntryId::prefix`]).
    Locator(Vec<u64>),
    /// "I hold everything that your HELLO named": no stream needed.
    Have,
    /// Entries in topological order.
    Entries(Vec<EntryItem>),
    /// Asks for the payloads of announced entries, in this order.
    Want(Vec<EntryId>),
    /// A part of a wanted payload.
    Payload(PayloadChunk),
    /// Allows the other side to send more entries.
    Credit(Credit),
    /// Where the speaker stands now.
    Heads(Heads),
    /// "You sent entries whose parents I lack": names the parents.
    Missing(Vec<EntryId>),
    /// "Everything up to the heads of my HELLO has been sent."
    Done,
    /// Closes the session and says why.
    Bye(Bye),
}

/// The first frame of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The space to be synced.
    pub space: SpaceId,
    /// What the speaker offers.
    pub heads: Heads,
}

/// A frontier, or the first part of one that is too wide for a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Strictly ascending, at most [`HEADS_PER_FRAME_MAX`].
    pub ids: Vec<EntryId>,
    /// Whether the frontier has more heads than these.
    pub is_partial: bool,
}

/// An entry on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryItem {
    /// The header and the alleged signature of its author.
    pub header: UnverifiedHeader,
    /// The payload where it is small; otherwise it is asked for.
    pub payload: Option<Vec<u8>>,
}

impl EntryItem {
    /// Bytes of this item in a frame; what it costs of the sender's credit.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let header_bytes = HEADER_BYTES_FIXED + 32 * self.header.value.parents.len() + 64;
        header_bytes + 1 + self.payload.as_ref().map_or(0, |payload| 2 + payload.len())
    }
}

/// A part of a payload that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadChunk {
    /// The entry whose payload this is.
    pub id: EntryId,
    /// Where in the payload the bytes belong.
    pub offset: u32,
    /// 1 to [`PAYLOAD_CHUNK_BYTES_MAX`] bytes; none only for an empty payload.
    pub bytes: Vec<u8>,
}

/// What a receiver grants on top of what it granted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// More entries.
    pub entries: u32,
    /// More bytes of entries, by [`EntryItem::wire_bytes`].
    pub bytes: u32,
}

/// The last frame of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bye {
    /// The kind of reason.
    pub code: ByeCode,
    /// A sentence for the other side's operator, at most [`BYE_TEXT_BYTES_MAX`] bytes.
    pub text: String,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ByeCode {
    /// The peer may not sync this space.
    Refused = 1,
    /// Another space is spoken here.
    WrongSpace = 2,
    /// Another version of the protocol is spoken here.
    Version = 3,
    /// A frame that is malformed, too large, or out of place.
    Protocol = 4,
    /// More was sent than had been granted.
    Credit = 5,
    /// An entry whose encoding, signature or payload hash is wrong, or which was refused on its merits too often.
    BadEntry = 6,
    /// Entries were announced and then not sent.
    Withheld = 7,
    /// Nothing came for too long.
    Stalled = 8,
    /// Another session between the same two is kept.
    Duplicate = 9,
    /// All has been sent that ends the peer's membership.
    Farewell = 10,
    /// The speaker stops; try again later.
    Leaving = 11,
    /// The speaker cannot read or write its own store.
    Storage = 12,
}

impl ByeCode {
    const ALL: [ByeCode; 12] = [
        ByeCode::Refused,
        ByeCode::WrongSpace,
        ByeCode::Version,
        ByeCode::Protocol,
        ByeCode::Credit,
        ByeCode::BadEntry,
        ByeCode::Withheld,
        ByeCode::Stalled,
        ByeCode::Duplicate,
        ByeCode::Farewell,
        ByeCode::Leaving,
        ByeCode::Storage,
    ];

    /// The word for logs and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ByeCode::Refused => "refused",
            ByeCode::WrongSpace => "wrong_space",
            ByeCode::Version => "version",
            ByeCode::Protocol => "protocol",
            ByeCode::Credit => "credit",
            ByeCode::BadEntry => "bad_entry",
            ByeCode::Withheld => "withheld",
            ByeCode::Stalled => "stalled",
            ByeCode::Duplicate => "duplicate",
            ByeCode::Farewell => "farewell",
            ByeCode::Leaving => "leaving",
            ByeCode::Storage => "storage",
        }
    }
}

impl fmt::Display for Bye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            f.write_str(self.code.word())
        } else {
            write!(f, "{}: {}", self.code.word(), self.text)
        }
    }
}

/// Why bytes are no frame. Always the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length field exceeds the limit, or is zero.
    #[error("frame of {length_bytes} bytes, limit {FRAME_BYTES_MAX}")]
    Length {
        /// What the length field says.
        length_bytes: u32,
    },
    /// The type is not one of this version.
    #[error("unknown frame type {kind}")]
    Kind {
        /// The type byte.
        kind: u8,
    },
    /// HELLO of another protocol version.
    #[error("protocol version {version}, this is {SYNC_PROTOCOL_VERSION}")]
    Version {
        /// What the peer speaks.
        version: u8,
    },
    /// An entry's header is none.
    #[error("malformed header in an ENTRIES frame")]
    Header(#[source] HeaderError),
    /// The body ends early, goes on too long, or holds what it must not.
    #[error("malformed {frame} frame: {fact}")]
    Body {
        /// Name of the frame.
        frame: &'static str,
        /// What is wrong.
        fact: &'static str,
    },
}

impl Frame {
    /// The frame's name in the spec.
    #[must_use]
    pub fn name(&self) -> &'static str {
        kind_name(self.kind()).unwrap_or("unknown")
    }

    fn kind(&self) -> u8 {
        match self {
            Frame::Hello(_) => 1,
            Frame::Locator(_) => 2,
            Frame::Have => 3,
            Frame::Entries(_) => 4,
            Frame::Want(_) => 5,
            Frame::Payload(_) => 6,
            Frame::Credit(_) => 7,
            Frame::Heads(_) => 8,
            Frame::Missing(_) => 9,
            Frame::Done => 10,
            Frame::Bye(_) => 11,
        }
    }

    /// Appends the encoded frame to `out`.
    ///
    /// The caller keeps the limits of each frame; a frame beyond them is a bug of this side and stops the program.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(self.kind());
        match self {
            Frame::Hello(hello) => {
                out.push(SYNC_PROTOCOL_VERSION);
                out.extend_from_slice(&hello.space.0.0);
                put_heads(out, &hello.heads);
            }
            Frame::Locator(prefixes) => {
                put_count(out, prefixes.len(), LOCATOR_PREFIXES_MAX);
                prefixes.iter().for_each(|prefix| out.extend_from_slice(&prefix.to_be_bytes()));
            }
            Frame::Have | Frame::Done => {}
            Frame::Entries(items) => {
                put_count(out, items.len(), ENTRIES_PER_FRAME_MAX);
                items.iter().for_each(|item| put_item(out, item));
            }
            Frame::Want(ids) => put_ids(out, ids, WANTS_PER_FRAME_MAX),
            Frame::Payload(chunk) => {
                out.extend_from_slice(&chunk.id.0);
                out.extend_from_slice(&chunk.offset.to_le_bytes());
                out.extend_from_slice(&chunk.bytes);
            }
            Frame::Credit(credit) => {
                out.extend_from_slice(&credit.entries.to_le_bytes());
                out.extend_from_slice(&credit.bytes.to_le_bytes());
            }
            Frame::Heads(heads) => put_heads(out, heads),
            Frame::Missing(ids) => put_ids(out, ids, HEADS_PER_FRAME_MAX),
            Frame::Bye(bye) => {
                out.push(bye.code as u8);
                out.extend_from_slice(bye.text.as_bytes());
            }
        }
        let length = out.len() - start - 4;
        assert!(length <= FRAME_BYTES_MAX, "a frame of ours must keep the limit");
        let length = u32::try_from(length).expect("the limit fits u32");
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// The encoded frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// Decodes a frame from its type and body, as the length field delimits them.
    ///
    /// # Errors
    /// [`FrameError`] if the bytes are not the one encoding of a frame.
    pub fn decode(framed: &[u8]) -> Result<Frame, FrameError> {
        let (&kind, body) = framed.split_first().ok_or(FrameError::Length { length_bytes: 0 })?;
        let frame = kind_name(kind).ok_or(FrameError::Kind { kind })?;
        match (kind, body.first()) {
            (1, Some(&version)) if version != SYNC_PROTOCOL_VERSION => return Err(FrameError::Version { version }),
            _ => {}
        }
        let mut reader = Reader { bytes: codec::Reader::new(body), body_bytes: body.len() };
        let decoded = decode_body(kind, &mut reader).and_then(|decoded| {
            reader.bytes.finish()?;
            Ok(decoded)
        });
        decoded.map_err(|flaw| match flaw {
            Flaw::Body(fact) => FrameError::Body { frame, fact },
            Flaw::Header(error) => FrameError::Header(error),
        })
    }
}

fn decode_body(kind: u8, reader: &mut Reader<'_>) -> Result<Frame, Flaw> {
    Ok(match kind {
        1 => {
            reader.bytes.u8()?;
            let space = SpaceId(reader.id()?);
            Frame::Hello(Hello { space, heads: reader.heads()? })
        }
        2 => {
            let count = reader.count(LOCATOR_PREFIXES_MAX)?;
            let prefix = |_| Ok::<_, Flaw>(u64::from_be_bytes(reader.bytes.array()?));
            Frame::Locator((0..count).map(prefix).collect::<Result<_, _>>()?)
        }
        3 => Frame::Have,
        4 => {
            let count = reader.count(ENTRIES_PER_FRAME_MAX)?;
            Frame::Entries((0..count).map(|_| reader.item()).collect::<Result<_, _>>()?)
        }
        5 => Frame::Want(reader.ids(WANTS_PER_FRAME_MAX)?),
        6 => {
            let (id, offset) = (reader.id()?, reader.bytes.u32()?);
            let bytes = reader.rest(PAYLOAD_CHUNK_BYTES_MAX)?.to_vec();
            Frame::Payload(PayloadChunk { id, offset, bytes })
        }
        7 => Frame::Credit(Credit { entries: reader.bytes.u32()?, bytes: reader.bytes.u32()? }),
        8 => Frame::Heads(reader.heads()?),
        9 => Frame::Missing(reader.ids(HEADS_PER_FRAME_MAX)?),
        10 => Frame::Done,
        _ => Frame::Bye(reader.bye()?),
    })
}

fn kind_name(kind: u8) -> Option<&'static str> {
    const NAMES: [&str; 11] =
        ["HELLO", "LOCATOR", "HAVE", "ENTRIES", "WANT", "PAYLOAD", "CREDIT", "HEADS", "MISSING", "DONE", "BYE"];
    NAMES.get(usize::from(kind).checked_sub(1)?).copied()
}

fn put_count(out: &mut Vec<u8>, count: usize, max: usize) {
    assert!(count <= max, "a list of ours must keep the limit");
    let count = u16::try_from(count).expect("every list limit fits u16");
    out.extend_from_slice(&count.to_le_bytes());
}

fn put_ids(out: &mut Vec<u8>, ids: &[EntryId], max: usize) {
    put_count(out, ids.len(), max);
    ids.iter().for_each(|id| out.extend_from_slice(&id.0));
}

fn put_heads(out: &mut Vec<u8>, heads: &Heads) {
    out.push(u8::from(heads.is_partial));
    put_ids(out, &heads.ids, HEADS_PER_FRAME_MAX);
}

fn put_item(out: &mut Vec<u8>, item: &EntryItem) {
    out.extend_from_slice(&item.header.value.encode());
    out.extend_from_slice(&item.header.signature.0);
    match &item.payload {
        None => out.push(0),
        Some(payload) => {
            out.push(1);
            put_count(out, payload.len(), INLINE_PAYLOAD_BYTES_MAX);
            out.extend_from_slice(payload);
        }
    }
}

/// What is wrong with a body.
enum Flaw {
    Body(&'static str),
    Header(HeaderError),
}

impl From<HeaderError> for Flaw {
    fn from(error: HeaderError) -> Flaw {
        Flaw::Header(error)
    }
}

impl From<CodecError> for Flaw {
    fn from(error: CodecError) -> Flaw {
        Flaw::Body(match error {
            CodecError::Short { .. } => "ends early",
            CodecError::Trailing { .. } => "bytes follow it",
            CodecError::Malformed { .. } | CodecError::NotCanonical => "not canonical",
        })
    }
}

/// Reads the parts of bodies, each within its limit.
struct Reader<'a> {
    bytes: codec::Reader<'a>,
    body_bytes: usize,
}

impl<'a> Reader<'a> {
    fn id(&mut self) -> Result<EntryId, Flaw> {
        Ok(EntryId(self.bytes.array()?))
    }

    fn flag(&mut self) -> Result<bool, Flaw> {
        match self.bytes.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Flaw::Body("flag is neither 0 nor 1")),
        }
    }

    fn count(&mut self, max: usize) -> Result<usize, Flaw> {
        let count = usize::from(u16::from_le_bytes(self.bytes.array()?));
        if count > max { Err(Flaw::Body("list too long")) } else { Ok(count) }
    }

    fn rest(&mut self, max: usize) -> Result<&'a [u8], Flaw> {
        let count = self.body_bytes - self.bytes.offset();
        if count > max { Err(Flaw::Body("bytes too many")) } else { Ok(self.bytes.take(count)?) }
    }

    fn ids(&mut self, max: usize) -> Result<Vec<EntryId>, Flaw> {
        let count = self.count(max)?;
        (0..count).map(|_| self.id()).collect()
    }

    fn heads(&mut self) -> Result<Heads, Flaw> {
        let is_partial = self.flag()?;
        let ids = self.ids(HEADS_PER_FRAME_MAX)?;
        if ids.is_sorted_by(|a, b| a < b) {
            Ok(Heads { ids, is_partial })
        } else {
            Err(Flaw::Body("ids not ascending"))
        }
    }

    fn item(&mut self) -> Result<EntryItem, Flaw> {
        let header = UnverifiedHeader::read(&mut self.bytes)?;
        let payload = if self.flag()? {
            let payload_bytes = self.count(INLINE_PAYLOAD_BYTES_MAX)?;
            Some(self.bytes.take(payload_bytes)?.to_vec())
        } else {
            None
        };
        Ok(EntryItem { header, payload })
    }

    fn bye(&mut self) -> Result<Bye, Flaw> {
        let code = self.bytes.u8()?;
        let code = ByeCode::ALL.into_iter().find(|known| *known as u8 == code).ok_or(Flaw::Body("unknown code"))?;
        let text = std::str::from_utf8(self.rest(BYE_TEXT_BYTES_MAX)?).map_err(|_| Flaw::Body("text is not UTF-8"))?;
        Ok(Bye { code, text: text.to_owned() })
    }
}

/// Cuts a stream of bytes into frames.
///
/// Holds at most one incomplete frame; how the stream was cut into pieces makes no difference.
#[derive(Debug, Default)]
pub struct FrameReader {
    pending: Vec<u8>,
    start: usize,
}

impl FrameReader {
    /// Adds bytes as they arrived. Call [`FrameReader::next_frame`] until it gives none before adding more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.start);
        self.start = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// The next complete frame, if there is one.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is then worthless and must be closed.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = &self.pending[self.start..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length_bytes = u32::from_le_bytes(*length);
        let length = usize::try_from(length_bytes).unwrap_or(usize::MAX);
        if length == 0 || length > FRAME_BYTES_MAX {
            return Err(FrameError::Length { length_bytes });
        }
        let Some(framed) = rest.get(..length) else { return Ok(None) };
        let frame = Frame::decode(framed)?;
        self.start += PREAMBLE_BYTES - 1 + length;
        Ok(Some(frame))
    }
}
