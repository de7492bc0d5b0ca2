//! One form for each value: text and bytes both come back as they went.

use borsh::BorshDeserialize;
use proptest::prelude::*;

use super::strategies::{logical_type, typed_value, value};
use crate::*;

proptest! {
    #[test]
    fn a_value_reads_back_from_its_text((logical_type, value) in typed_value()) {
        prop_assert!(logical_type.admits(&value).is_ok());
        prop_assert_eq!(logical_type.parse(&value.to_text()), Ok(value));
    }

    #[test]
    fn a_value_decodes_from_its_bytes((_, value) in typed_value()) {
        let bytes = borsh::to_vec(&value).unwrap();
        prop_assert_eq!(borsh::from_slice::<Value>(&bytes).unwrap(), value);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(tag in 0_u8..15, mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        bytes.insert(0, tag);
        let mut rest = &bytes[..];
        if let Ok(value) = Value::deserialize(&mut rest) {
            prop_assert_eq!(borsh::to_vec(&value).unwrap(), &bytes[..bytes.len() - rest.len()]);
        }
    }

    #[test]
    fn a_value_with_one_byte_changed_is_refused_or_canonical((_, value) in typed_value(), at: prop::sample::Index, byte: u8) {
        let mut bytes = borsh::to_vec(&value).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(other) = borsh::from_slice::<Value>(&bytes) {
            prop_assert_eq!(borsh::to_vec(&other).unwrap(), bytes);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(logical_type in logical_type(), text in ".{0,40}") {
        if let Ok(value) = logical_type.parse(&text) {
            prop_assert!(logical_type.admits(&value).is_ok());
            prop_assert_eq!(logical_type.parse(&value.to_text()), Ok(value));
        }
    }

    #[test]
    fn a_type_admits_the_values_of_no_other_type(
        (logical_type, pair) in (logical_type(), logical_type()).prop_flat_map(|(one, other)| (Just(one), (Just(other), value(other))))
    ) {
        let (other, value) = pair;
        let is_text = |t| matches!(t, LogicalType::Text | LogicalType::Varchar { .. });
        let is_numeric = |t| matches!(t, LogicalType::Numeric { .. });
        let is_alike = logical_type == other
            || (is_text(logical_type) && is_text(other))
            || (is_numeric(logical_type) && is_numeric(other));
        prop_assert!(is_alike || logical_type.admits(&value).is_err());
    }

    #[test]
    fn every_day_is_the_day_after_the_day_before(date in super::strategies::date()) {
        let (year, month, day) = date.to_ymd();
        prop_assert_eq!(Date::from_ymd(year, month, day), Some(date));
        let Some(next) = Date::from_days(date.days() + 1) else { return Ok(()) };
        let later = [(year, month, day + 1), (year, month + 1, 1), (year + 1, 1, 1)];
        let first_valid = later.into_iter().find_map(|(year, month, day)| Date::from_ymd(year, month, day));
        prop_assert_eq!(first_valid, Some(next));
    }

    #[test]
    fn an_identity_with_one_character_changed_is_refused(key: [u8; 32], at in 0_usize..60, letter in "[a-z2-7]") {
        let identity = Identity { suite: Suite::Ed25519, key };
        let text = identity.to_string();
        let mut other = text.clone();
        other.replace_range(3 + at..4 + at, &letter);
        prop_assert_eq!(Identity::parse(&text), Ok(identity));
        // Four bytes of checksum miss one change in four thousand million.
        prop_assert!(other == text || Identity::parse(&other).is_err());
    }
}
