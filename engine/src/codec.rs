//! Reading bytes that somebody else wrote: total, bounded, canonical.
//!
//! [`Reader`] serves formats laid out by hand; [`decode_canonical`] those encoded by borsh. Both refuse trailing
//! bytes. Neither panics or allocates more than the input's size on any input.

use borsh::{BorshDeserialize, BorshSerialize};

/// Why bytes are not the one encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end inside the value.
    #[error("the bytes end at offset {offset}, {missing} bytes short")]
    Short {
        /// Where the missing part begins.
        offset: usize,
        /// How many bytes are missing there.
        missing: usize,
    },
    /// Bytes follow the value.
    #[error("{count} bytes follow the value")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// The bytes do not decode.
    #[error("not decodable: {reason}")]
    Malformed {
        /// The decoder's words.
        reason: String,
    },
    /// The bytes decode to a value whose encoding is different.
    #[error("not the canonical encoding")]
    NotCanonical,
}

/// A cursor over bytes.
#[derive(Debug, Clone)]
pub struct Reader<'b> {
    bytes: &'b [u8],
    offset: usize,
}

impl<'b> Reader<'b> {
    /// Starts at the first of `bytes`.
    pub fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader { bytes, offset: 0 }
    }

    /// Returns how many bytes were read.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Reads the next `count` bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`] if there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'b [u8], CodecError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let taken = rest
            .get(..count)
            .ok_or(CodecError::Short { offset: self.offset, missing: count.saturating_sub(rest.len()) })?;
        self.offset += count;
        Ok(taken)
    }

    /// Reads the next `N` bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`] if there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`CodecError::Short`] at the end.
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// Reads four bytes, least significant first.
    ///
    /// # Errors
    /// [`CodecError::Short`] if there are fewer.
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Reads eight bytes, least significant first.
    ///
    /// # Errors
    /// [`CodecError::Short`] if there are fewer.
    pub fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`CodecError::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), CodecError> {
        match self.bytes.len() - self.offset {
            0 => Ok(()),
            count => Err(CodecError::Trailing { count }),
        }
    }
}

/// Decodes a borsh value that fills `bytes`, and checks that encoding it again gives the same bytes.
///
/// # Errors
/// [`CodecError::Malformed`] (trailing bytes included) or [`CodecError::NotCanonical`].
pub fn decode_canonical<T: BorshDeserialize + BorshSerialize>(bytes: &[u8]) -> Result<T, CodecError> {
    let value = T::try_from_slice(bytes).map_err(|e| CodecError::Malformed { reason: e.to_string() })?;
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Encodes a borsh value.
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory fails only on values beyond 2^32 elements, which limits exclude")
}

/// Appends `value` as an unsigned LEB128 number: 7 bits per byte, least significant first.
pub fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [bits, ..] = (value & 0x7f).to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(bits);
            return;
        }
        bytes.push(bits | 0x80);
    }
}

impl Reader<'_> {
    /// Reads an unsigned LEB128 number, in its shortest form only.
    ///
    /// # Errors
    /// [`CodecError::Short`] if it does not end; [`CodecError::NotCanonical`] if padded or beyond 64 bits.
    pub fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return Err(CodecError::NotCanonical);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(CodecError::NotCanonical)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reader_says_how_many_bytes_are_missing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u32(), Err(CodecError::Short { offset: 1, missing: 2 }));
        assert_eq!(reader.finish(), Err(CodecError::Trailing { count: 2 }));
    }

    #[test]
    fn a_padded_number_is_refused() {
        assert_eq!(Reader::new(&[0x81, 0x00]).varint(), Err(CodecError::NotCanonical));
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(CodecError::NotCanonical));
        assert_eq!(Reader::new(&[0x80]).varint(), Err(CodecError::Short { offset: 1, missing: 1 }));
    }

    #[test]
    fn borsh_values_with_trailing_bytes_are_refused() {
        let mut bytes = encode(&vec![1u32, 2]);
        assert_eq!(decode_canonical::<Vec<u32>>(&bytes), Ok(vec![1, 2]));
        bytes.push(0);
        assert!(matches!(decode_canonical::<Vec<u32>>(&bytes), Err(CodecError::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn numbers_have_one_encoding(value: u64) {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn whatever_reads_as_a_number_is_its_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.varint() {
                let mut again = Vec::new();
                write_varint(&mut again, value);
                prop_assert_eq!(&bytes[..reader.offset()], &again[..]);
            }
        }
    }
}
