//! Decoding what a stranger may send: refused or canonical, within bounded stack and memory, and never a panic.

use borsh::{BorshDeserialize, BorshSerialize};
use proptest::prelude::*;

use crate::sketch::patch;
use crate::*;

const WHOLE: &str = "
    CREATE TABLE members (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), who IDENTITY NOT NULL, role VARCHAR(9) DEFAULT 'editor',
        weight NUMERIC(5,2) DEFAULT -1.5, at TIMESTAMPTZ DEFAULT now(), UNIQUE (who, role), CHECK (role IN ('admin', 'editor')));
    CREATE TABLE notes (id UUID PRIMARY KEY, owner UUID REFERENCES members (id) ON DELETE CASCADE,
        title TEXT CHECK (length(title) <= 200 AND NOT title IS NULL OR coalesce(title, 'x') < 'y' AND 1 + 2 * -3 <> 4));
    REVOKE UPDATE (who, role) ON members FROM PUBLIC;
    CREATE POLICY p ON notes FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()) OR owner IS NULL AND TRUE);
    CREATE POLICY q ON treaty_peers FOR SELECT USING (TRUE);";

#[test]
fn a_patch_decodes_from_its_bytes() {
    let patch = patch(WHOLE);
    let bytes = borsh::to_vec(&patch).unwrap();
    assert_eq!(borsh::from_slice::<Patch>(&bytes).unwrap(), patch);
}

proptest! {
    #[test]
    fn a_patch_with_bytes_changed_is_refused_or_canonical(at: prop::sample::Index, change: [u8; 3], cut: bool) {
        let mut bytes = borsh::to_vec(&patch(WHOLE)).unwrap();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        }
        for (byte, new) in bytes.iter_mut().skip(at).zip(change) {
            *byte = new;
        }
        if let Ok(other) = borsh::from_slice::<Patch>(&bytes) {
            prop_assert_eq!(borsh::to_vec(&other).unwrap(), bytes);
            // Whatever decodes is judged without a panic.
            let _judged = Schema::empty().apply(&other);
        }
    }

    #[test]
    fn random_bytes_are_refused_or_canonical(bytes in prop::collection::vec(prop_oneof![0_u8..14, any::<u8>()], 0..80)) {
        check_canonical::<Patch>(&bytes)?;
        check_canonical::<Change>(&bytes)?;
        check_canonical::<NamedExpr>(&bytes)?;
        check_canonical::<NamedCondition>(&bytes)?;
        check_canonical::<SchemaExpr>(&bytes)?;
        check_canonical::<Identity>(&bytes)?;
        check_canonical::<Ident>(&bytes)?;
    }
}

/// If a prefix of `bytes` decodes, it is what the decoded value encodes to.
fn check_canonical<T: BorshDeserialize + BorshSerialize>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut rest = bytes;
    if let Ok(decoded) = T::deserialize(&mut rest) {
        prop_assert_eq!(borsh::to_vec(&decoded).unwrap(), &bytes[..bytes.len() - rest.len()]);
    }
    Ok(())
}

/// Tags that nest: each byte (and count) opens one more level.
#[test]
fn nesting_beyond_the_limit_is_refused_without_recursing() {
    let one = 1_u32.to_le_bytes();
    let openers: [Vec<u8>; 5] =
        [vec![3], [&[4], &one[..]].concat(), vec![6, 0], [&[12], &one[..]].concat(), vec![10, 2]];
    for opener in openers {
        let bytes = opener.repeat(1_000_000);
        let refusal = borsh::from_slice::<NamedExpr>(&bytes).unwrap_err();
        assert_eq!(refusal.to_string(), format!("nested deeper than {EXPR_DEPTH_MAX}"));
    }
    let conditions = [&[0], &one[..]].concat().repeat(1_000_000);
    assert!(borsh::from_slice::<NamedCondition>(&conditions).is_err());
}

#[test]
fn the_deepest_expression_comes_back() {
    let deepest = (1..EXPR_DEPTH_MAX).fold(NamedExpr::Author, |inner, _| Expr::Not(Box::new(inner)));
    let bytes = borsh::to_vec(&deepest).unwrap();
    assert_eq!(borsh::from_slice::<NamedExpr>(&bytes).unwrap(), deepest);
    let deeper = borsh::to_vec(&Expr::Not(Box::new(deepest))).unwrap();
    assert!(borsh::from_slice::<NamedExpr>(&deeper).is_err());
}

#[test]
fn claimed_lengths_allocate_nothing() {
    for tag in [4_u8, 5, 12] {
        let bytes = [&[tag], &u32::MAX.to_le_bytes()[..]].concat();
        assert!(borsh::from_slice::<NamedExpr>(&bytes).is_err());
    }
    for tag in [5_u8, 6, 12] {
        let bytes = [&[tag], &u32::MAX.to_le_bytes()[..], &[b'1'; 100]].concat();
        assert!(borsh::from_slice::<Value>(&bytes).is_err());
    }
    assert!(borsh::from_slice::<Patch>(&u32::MAX.to_le_bytes()).is_err());
}

#[test]
fn a_patch_is_bounded_in_bytes() {
    let revoke = Change::RevokeUpdate { table: Ident::new("t").unwrap(), columns: Vec::new() };
    let size = borsh::to_vec(&revoke).unwrap().len();
    let most = (usize::try_from(PATCH_BYTES_MAX).unwrap() - 4) / size;
    let fitting = borsh::to_vec(&Patch { changes: vec![revoke.clone(); most] }).unwrap();
    assert!(borsh::from_slice::<Patch>(&fitting).is_ok());
    let beyond = borsh::to_vec(&Patch { changes: vec![revoke; most + 1] }).unwrap();
    let refusal = borsh::from_slice::<Patch>(&beyond).unwrap_err();
    assert_eq!(refusal.to_string(), "the patch is larger than 1048576 bytes");
}

#[test]
fn violations_are_bounded_in_number() {
    let revoke = Change::RevokeUpdate { table: Ident::new("t").unwrap(), columns: Vec::new() };
    let violations = Schema::empty().apply(&Patch { changes: vec![revoke; VIOLATIONS_MAX + 1] }).unwrap_err();
    assert_eq!(violations.len(), VIOLATIONS_MAX);
}

/// What the documentation of `PATCH_BYTES_MAX` says of memory holds while a node of a tree is no larger than this.
#[test]
fn a_node_of_a_tree_stays_small() {
    assert!(size_of::<NamedExpr>() <= 64, "{}", size_of::<NamedExpr>());
    assert!(size_of::<Option<Value>>() <= 48, "{}", size_of::<Option<Value>>());
}

#[test]
fn values_out_of_range_do_not_decode() {
    let refused: [&[u8]; 12] = [
        &[0, 2],                                                  // BOOLEAN 2
        &[3, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f],                       // NaN
        &[3, 0, 0, 0, 0, 0, 0, 0, 0x80],                          // -0
        &[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 39], // scale 39
        &[5, 1, 0, 0, 0, 0],                                      // NUL
        &[5, 1, 0, 0, 0, 0xff],                                   // not UTF-8
        &[8, 0xff, 0xff, 0xff, 0x7f],                             // a day beyond the year 9999
        &[9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],     // before midnight
        &[10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],    // a timestamp beyond the year 9999
        &[12, 1, 0, 0, 0, b' '],                                  // no JSON
        &[12, 3, 0, 0, 0, b'1', b'.', b'0'],                      // JSON, not canonical
        &[14],                                                    // no such type
    ];
    for bytes in refused {
        assert!(borsh::from_slice::<Value>(bytes).is_err(), "{bytes:?}");
    }
    let largest = borsh::to_vec(&Value::Bytes(Bytes::new(vec![0; VALUE_BYTES_MAX]).unwrap())).unwrap();
    assert!(borsh::from_slice::<Value>(&largest).is_ok());
    let mut larger = largest;
    larger[1..5].copy_from_slice(&u32::try_from(VALUE_BYTES_MAX + 1).unwrap().to_le_bytes());
    larger.push(0);
    assert!(borsh::from_slice::<Value>(&larger).is_err());
    assert!(Bytes::new(vec![0; VALUE_BYTES_MAX + 1]).is_err());
}

#[test]
fn names_are_checked_when_decoded() {
    for text in ["", "treaty_x", "Treaty_x", "a\u{1}b", &"x".repeat(64)] {
        assert!(borsh::from_slice::<Ident>(&borsh::to_vec(text).unwrap()).is_err(), "{text:?}");
    }
}
