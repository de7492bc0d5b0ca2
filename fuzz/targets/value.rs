//! What decodes as a value encodes to the same bytes, and its text reads back as the same value.
#![no_main]

use treaty_schema::Value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = borsh::from_slice::<Value>(bytes) {
        assert_eq!(borsh::to_vec(&value).expect("writing to memory"), bytes);
        let _ = value.to_text();
    }
});
