//! What the hand-written decoders share: bounded strings of bytes, and one kind of refusal.

use std::fmt::Display;
use std::io::{self, Read};

use borsh::BorshDeserialize;

/// Makes the error of bytes that no valid value encodes to.
pub(crate) fn invalid(message: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_string())
}

/// Reads a length-prefixed string of bytes, refusing a length above `bytes_max` before reading or allocating it.
pub(crate) fn read_bytes<R: Read>(reader: &mut R, bytes_max: usize) -> io::Result<Vec<u8>> {
    let length = u32::deserialize_reader(reader)?;
    if usize::try_from(length).map_or(true, |length| length > bytes_max) {
        return Err(invalid(format!("{length} bytes, limit {bytes_max}")));
    }
    let mut bytes = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() != usize::try_from(length).map_err(invalid)? {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Reads a length-prefixed UTF-8 text of at most `bytes_max` bytes.
pub(crate) fn read_text<R: Read>(reader: &mut R, bytes_max: usize) -> io::Result<String> {
    String::from_utf8(read_bytes(reader, bytes_max)?).map_err(invalid)
}
