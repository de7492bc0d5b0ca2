//! A patch from a peer: decoding is canonical, and applying what decodes ends in a schema or in violations.
#![no_main]

use treaty_schema::{Patch, Schema};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(patch) = borsh::from_slice::<Patch>(bytes) {
        assert_eq!(borsh::to_vec(&patch).expect("writing to memory"), bytes);
        let _ = Schema::empty().apply(&patch);
    }
});
