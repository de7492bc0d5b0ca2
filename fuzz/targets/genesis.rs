//! A genesis payload from a peer: decoding is canonical, and its schema is judged without a panic.
#![no_main]

use treaty_engine::relation::payload::GenesisPayload;
use treaty_schema::Schema;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(genesis) = GenesisPayload::decode(bytes.to_vec()) {
        assert_eq!(genesis.rows.bytes(), bytes);
        assert!(genesis.rows.transaction_count() <= 1);
        let _ = Schema::empty().apply(&genesis.patch);
    }
});
