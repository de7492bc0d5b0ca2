//! Decimals against integers of one fixed scale, where arithmetic is plain.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::Decimal;

/// A decimal of few digits: everything exact at scale 12 in an `i128`.
fn small() -> impl Strategy<Value = Decimal> {
    (-1_000_000_i128..1_000_000, 0_u8..=6).prop_map(|(unscaled, scale)| Decimal::new(unscaled, scale).unwrap())
}

/// Any decimal.
fn wide() -> impl Strategy<Value = Decimal> {
    let end = 10_i128.pow(38);
    (prop_oneof![1 - end..end, -1_000_i128..1_000], 0_u8..=38)
        .prop_map(|(unscaled, scale)| Decimal::new(unscaled, scale).unwrap())
}

fn at_scale_12(decimal: Decimal) -> i128 {
    decimal.unscaled() * 10_i128.pow(12 - u32::from(decimal.scale()))
}

/// Compares digit by digit, with no arithmetic on the numbers.
fn compare_texts(left: Decimal, right: Decimal) -> std::cmp::Ordering {
    let key = |decimal: Decimal| {
        let text = decimal.to_string();
        let (whole, fraction) = text
            .trim_start_matches('-')
            .split_once('.')
            .map_or((text.trim_start_matches('-').to_owned(), String::new()), |(w, f)| (w.to_owned(), f.to_owned()));
        (decimal.unscaled() < 0, format!("{whole:0>40}{fraction:0<40}"))
    };
    let ((left_negative, left), (right_negative, right)) = (key(left), key(right));
    match (left_negative, right_negative) {
        (false, false) => left.cmp(&right),
        (true, true) => right.cmp(&left),
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
    }
}

/// Two numbers of 38 digits make a sum that not even 128 bits hold: that was calculated unchecked once.
#[test]
fn a_sum_of_too_many_digits_is_none() {
    let most = Decimal::new(10_i128.pow(38) - 1, 0).unwrap();
    assert_eq!(most.checked_add(most), None);
    assert_eq!(most.checked_sub(most.negate()), None);
    assert_eq!(most.negate().checked_sub(most), None);
}

proptest! {
    #[test]
    fn arithmetic_is_that_of_scaled_integers(left in small(), right in small()) {
        let (a, b) = (at_scale_12(left), at_scale_12(right));
        prop_assert_eq!(at_scale_12(left.checked_add(right).unwrap()), a + b);
        prop_assert_eq!(at_scale_12(left.checked_sub(right).unwrap()), a - b);
        let product = left.checked_mul(right).unwrap();
        prop_assert_eq!(product.unscaled() * 10_i128.pow(24 - u32::from(product.scale()) - 12), left.unscaled() * right.unscaled() * 10_i128.pow(12 - u32::from(left.scale() + right.scale())));
        prop_assert_eq!(left.compare(right), a.cmp(&b));
        prop_assert_eq!(at_scale_12(left.negate()), -a);
    }

    #[test]
    fn comparison_is_that_of_the_digits(left in wide(), right in wide()) {
        prop_assert_eq!(left.compare(right), compare_texts(left, right));
        prop_assert_eq!(left.compare(left.reduce()), std::cmp::Ordering::Equal);
    }

    #[test]
    fn addition_undoes_subtraction_wherever_both_are_exact(left in wide(), right in wide()) {
        if let Some(difference) = left.checked_sub(right) {
            let sum = difference.checked_add(right).unwrap();
            prop_assert_eq!(sum.compare(left), std::cmp::Ordering::Equal);
        }
    }

    #[test]
    fn text_and_rescaling_keep_the_number(decimal in wide(), scale in 0_u8..=40) {
        let read = Decimal::parse(&decimal.to_string()).unwrap();
        prop_assert_eq!(read, decimal.reduce());
        if let Some(rescaled) = decimal.rescale(scale) {
            prop_assert_eq!(rescaled.scale(), scale);
            prop_assert_eq!(rescaled.compare(decimal), std::cmp::Ordering::Equal);
        }
    }

    #[test]
    fn the_nearest_double_is_that_of_the_text(decimal in wide()) {
        prop_assert_eq!(decimal.to_f64(), decimal.to_string().parse::<f64>().unwrap());
    }
}

fn check(result: Option<Decimal>, expected: Expect) {
    expected.assert_eq(&result.map_or("out of range".to_owned(), |decimal| decimal.to_string()));
}

#[test]
fn results_of_more_than_38_digits_are_refused() {
    let most = Decimal::parse("99999999999999999999999999999999999999").unwrap();
    let one = Decimal::from_integer(1);
    let tiny = Decimal::parse("0.00000000000000000000000000000000000001").unwrap();
    check(most.checked_add(one), expect!["out of range"]);
    check(most.negate().checked_sub(one), expect!["out of range"]);
    check(most.checked_add(tiny), expect!["out of range"]);
    check(most.checked_mul(one), expect!["99999999999999999999999999999999999999"]);
    check(most.checked_mul(most), expect!["out of range"]);
    check(tiny.checked_mul(tiny), expect!["out of range"]);
    check(tiny.checked_mul(Decimal::new(10, 1).unwrap()), expect!["0.00000000000000000000000000000000000001"]);
    check(Decimal::new(10_i128.pow(38), 0), expect!["out of range"]);
    check(Decimal::new(0, 39), expect!["out of range"]);
}
