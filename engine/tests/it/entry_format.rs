//! The bytes of entries: the recorded vectors, and every way a header can be wrong.

use proptest::prelude::*;
use treaty_engine::codec::{CodecError, Reader};
use treaty_engine::hash::{EntryId, PayloadHash, SpaceId};
use treaty_engine::identity::Keypair;
use treaty_engine::limits::{HEADER_BYTES_MAX, HEIGHT_MAX, PARENTS_MAX, PAYLOAD_BYTES_MAX, TIME_MS_MAX};
use treaty_engine::log::{
    Entry, EntryDraft, EntryError, Header, HeaderError, HeaderFields, Kind, SignedHeader, UnverifiedHeader,
};
use treaty_testkit::{Dag, keypair};

use crate::vectors::{Vectors, hex, unhex};

fn check_vector(vectors: &Vectors, name: &str, entry: &Entry) {
    let expected = |field: &str| vectors.one(&format!("{name}.{field}")).to_owned();
    let header = entry.header();
    assert_eq!(hex(&header.encode()), expected("header"));
    assert_eq!(header.id().to_string(), expected("id"));
    assert_eq!(hex(&header.signature().0), expected("signature"));
    let bytes = unhex(&(expected("header") + &expected("signature")));
    let read = UnverifiedHeader::read(&mut Reader::new(&bytes)).unwrap().verify().unwrap();
    assert_eq!(Entry::new(read, unhex(&expected("payload"))).unwrap(), *entry);
}

#[test]
fn the_recorded_entries_have_their_recorded_bytes() {
    let vectors = Vectors::of_page("entry.md");
    let seed: [u8; 32] = unhex(vectors.one("seed")).try_into().unwrap();
    let keypair = Keypair::generate(&seed);
    assert_eq!(hex(&keypair.identity().key), vectors.one("key"));
    let time = |name: &str| vectors.one(name).parse::<u64>().unwrap();
    let draft = EntryDraft { space: None, parents: vec![], height: 0, time_ms: time("genesis.time_ms") };
    let genesis = Entry::sign(&keypair, draft, unhex(vectors.one("genesis.payload"))).unwrap();
    check_vector(&vectors, "genesis", &genesis);
    let draft = EntryDraft {
        space: Some(genesis.header().space_id()),
        parents: vec![*genesis.id()],
        height: 1,
        time_ms: time("data.time_ms"),
    };
    let entry = Entry::sign(&keypair, draft, unhex(vectors.one("data.payload"))).unwrap();
    check_vector(&vectors, "data", &entry);
}

/// The fields of a header that keeps every rule.
fn fields() -> HeaderFields {
    HeaderFields {
        kind: Kind::Data,
        space: SpaceId(EntryId([1; 32])),
        author: keypair(1).identity(),
        parents: vec![EntryId([2; 32]), EntryId([3; 32])],
        height: 7,
        time_ms: 1,
        payload_hash: PayloadHash::of(b"payload"),
        payload_bytes: 7,
    }
}

fn check_refused(change: impl FnOnce(&mut HeaderFields), expected: &HeaderError) {
    let mut changed = fields();
    change(&mut changed);
    assert_eq!(Header::new(changed).unwrap_err(), *expected);
}

#[test]
fn a_header_over_a_limit_is_refused() {
    check_refused(|f| f.height = HEIGHT_MAX + 1, &HeaderError::HeightTooGreat { height: HEIGHT_MAX + 1 });
    check_refused(|f| f.time_ms = TIME_MS_MAX + 1, &HeaderError::TimeTooGreat { time_ms: TIME_MS_MAX + 1 });
    let payload_bytes = PAYLOAD_BYTES_MAX + 1;
    check_refused(|f| f.payload_bytes = payload_bytes, &HeaderError::PayloadTooLarge { payload_bytes });
    let many: Vec<EntryId> = (0..=PARENTS_MAX).map(|n| EntryId([u8::try_from(n).unwrap(); 32])).collect();
    check_refused(|f| f.parents = many, &HeaderError::TooManyParents { count: PARENTS_MAX + 1 });
}

#[test]
fn a_header_at_every_limit_is_accepted() {
    let parents: Vec<EntryId> = (0..PARENTS_MAX).map(|n| EntryId([u8::try_from(n).unwrap(); 32])).collect();
    let limits = HeaderFields {
        parents,
        height: HEIGHT_MAX,
        time_ms: TIME_MS_MAX,
        payload_bytes: PAYLOAD_BYTES_MAX,
        ..fields()
    };
    let bytes = Header::new(limits).unwrap().encode();
    assert_eq!(bytes.len(), HEADER_BYTES_MAX);
    assert!(Header::decode(&bytes).is_ok());
}

#[test]
fn unsorted_and_repeated_parents_are_refused() {
    check_refused(|f| f.parents.reverse(), &HeaderError::UnsortedParents { index: 1 });
    check_refused(|f| f.parents[1] = f.parents[0], &HeaderError::UnsortedParents { index: 1 });
}

#[test]
fn genesis_comes_first_and_alone() {
    check_refused(|f| f.kind = Kind::Genesis, &HeaderError::GenesisNotFirst);
    for wrong in [
        HeaderFields { kind: Kind::Genesis, height: 0, parents: vec![], ..fields() },
        HeaderFields { kind: Kind::Genesis, height: 0, space: SpaceId::NONE, ..fields() },
        HeaderFields { kind: Kind::Genesis, parents: vec![], space: SpaceId::NONE, ..fields() },
    ] {
        assert_eq!(Header::new(wrong), Err(HeaderError::GenesisNotFirst));
    }
}

#[test]
fn other_entries_come_later() {
    check_refused(|f| f.parents.clear(), &HeaderError::DataNotLater);
    check_refused(|f| f.height = 0, &HeaderError::DataNotLater);
    check_refused(|f| f.space = SpaceId::NONE, &HeaderError::DataNotLater);
}

fn check_bytes_refused(change: impl FnOnce(&mut Vec<u8>), expected: &HeaderError) {
    let mut bytes = Header::new(fields()).unwrap().encode();
    change(&mut bytes);
    assert_eq!(Header::decode(&bytes).unwrap_err(), *expected);
}

#[test]
fn bytes_of_an_unknown_format_are_refused() {
    check_bytes_refused(|b| b[0] = 2, &HeaderError::UnknownVersion { found: 2 });
    check_bytes_refused(|b| b[0] = 0, &HeaderError::UnknownVersion { found: 0 });
    check_bytes_refused(|b| b[1] = 2, &HeaderError::UnknownKind { found: 2 });
    check_bytes_refused(|b| b[34] = 0, &HeaderError::UnknownSuite { found: 0 });
    check_bytes_refused(|b| b[67] = 33, &HeaderError::TooManyParents { count: 33 });
}

#[test]
fn bytes_cut_off_or_followed_by_others_are_refused() {
    check_bytes_refused(|b| b.push(0), &HeaderError::Codec(CodecError::Trailing { count: 1 }));
    let bytes = Header::new(fields()).unwrap().encode();
    for count in 0..bytes.len() {
        assert!(matches!(Header::decode(&bytes[..count]), Err(HeaderError::Codec(CodecError::Short { .. }))));
    }
}

#[test]
fn a_payload_that_is_not_the_headers_is_refused() {
    let entry = Dag::drawn("a").entries().remove(0);
    let (header, _) = entry.into_parts();
    assert!(matches!(Entry::new(header.clone(), b"ab".to_vec()), Err(EntryError::PayloadLength { found: 2, .. })));
    assert!(matches!(Entry::new(header.clone(), b"b".to_vec()), Err(EntryError::PayloadHash { .. })));
    assert!(Entry::new(header, b"a".to_vec()).is_ok());
}

#[test]
fn a_payload_over_the_limit_is_not_signed() {
    let draft = EntryDraft { space: None, parents: vec![], height: 0, time_ms: 0 };
    let payload = vec![0; PAYLOAD_BYTES_MAX as usize + 1];
    assert!(matches!(Entry::sign(&keypair(0), draft, payload), Err(EntryError::PayloadTooLarge { .. })));
}

#[test]
fn only_the_author_signs_a_header() {
    let header = Header::new(fields()).unwrap();
    assert!(SignedHeader::sign(header.clone(), &keypair(2)).is_err());
    assert!(SignedHeader::sign(header, &keypair(1)).is_ok());
}

fn any_fields() -> impl Strategy<Value = HeaderFields> {
    let parents = proptest::collection::btree_set(any::<[u8; 32]>(), 0..5);
    let numbers = (0..=HEIGHT_MAX, 0..=TIME_MS_MAX, 0..=PAYLOAD_BYTES_MAX);
    (any::<bool>(), any::<[u8; 32]>(), any::<u8>(), parents, numbers, any::<[u8; 32]>()).prop_map(
        |(is_genesis, space, author, parents, (height, time_ms, payload_bytes), hash)| HeaderFields {
            kind: if is_genesis { Kind::Genesis } else { Kind::Data },
            space: if is_genesis { SpaceId::NONE } else { SpaceId(EntryId(space)) },
            author: keypair(author).identity(),
            parents: if is_genesis { vec![] } else { parents.into_iter().map(EntryId).collect() },
            height: if is_genesis { 0 } else { height },
            time_ms,
            payload_hash: PayloadHash(hash),
            payload_bytes,
        },
    )
}

proptest! {
    #[test]
    fn a_header_reads_back_from_its_bytes(fields in any_fields()) {
        if let Ok(header) = Header::new(fields) {
            prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        }
    }

    #[test]
    fn whatever_decodes_is_the_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in any::<bool>()) {
        // Random bytes rarely get past the first fields: let half of them be a header with a tail of noise.
        let mut noisy = bytes.clone();
        if keep {
            let valid = Header::new(fields()).unwrap().encode();
            noisy = valid.iter().copied().chain(bytes).collect();
            let cut = noisy.len().min(valid.len());
            noisy.truncate(cut);
            if let Some(last) = noisy.last_mut() { *last ^= 1; }
        }
        if let Ok(header) = Header::decode(&noisy) {
            prop_assert_eq!(header.encode(), noisy);
        }
    }

    #[test]
    fn a_header_with_any_byte_changed_is_refused_or_another(index in 0_usize..184, bit in 0_u8..8) {
        let header = Header::new(fields()).unwrap();
        let mut bytes = header.encode();
        bytes[index] ^= 1 << bit;
        if let Ok(other) = Header::decode(&bytes) {
            prop_assert_ne!(EntryId::of_header(&other.encode()), EntryId::of_header(&header.encode()));
            prop_assert_eq!(other.encode(), bytes);
        }
    }
}
