//! What decodes as a header encodes to the same bytes.
#![no_main]

use treaty_engine::log::Header;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes);
    }
});
