//! A payload from a peer: what decodes, decodes operation by operation from its spans, and gives its bytes back.
#![no_main]

use treaty_engine::relation::payload::Payload;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(payload) = Payload::decode(bytes.to_vec()) {
        assert_eq!(payload.bytes(), bytes);
        for transaction in 0..payload.transaction_count() {
            for operation in 0..payload.operation_count(transaction) {
                assert!(payload.operation(transaction, operation).is_some());
            }
        }
    }
});
