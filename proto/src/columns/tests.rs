use proptest::prelude::*;

use super::*;

/// The same packing, bit by bit.
fn naive(values: &[u64]) -> (u64, u8, Vec<u8>) {
    let Some(base) = values.iter().copied().min() else {
        return (0, 0, Vec::new());
    };
    let mut width = 0;
    while values.iter().any(|value| u128::from(value - base) >= 1 << width) {
        width += 1;
    }
    let bits: Vec<bool> = values
        .iter()
        .flat_map(|value| (0..width).map(move |bit| (value - base) >> bit & 1 == 1))
        .collect();
    let bytes = bits
        .chunks(8)
        .map(|chunk| chunk.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)))
        .collect();
    (base, width, bytes)
}

/// Values whose largest distance needs exactly `width` bits.
fn values_of(width: u8) -> impl Strategy<Value = Vec<u64>> {
    let widest = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let base = 0..=u64::MAX - widest;
    (base, prop::collection::vec(0..=widest, 0..40)).prop_map(move |(base, mut deltas)| {
        deltas.extend([0, widest]);
        deltas.rotate_left(1);
        deltas.into_iter().map(|delta| base + delta).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn packing_agrees_with_bits_laid_down_one_by_one(values in (0u8..=64).prop_flat_map(values_of)) {
        let packed = Packed::of(&values);
        let (base, width, bits) = naive(&values);
        prop_assert_eq!((packed.base, packed.width, &packed.bits), (base, width, &bits));
        prop_assert_eq!(packed.values(values.len()).collect::<Vec<_>>(), values);
    }

    #[test]
    fn column_is_taken_up_to_its_highest_value_and_refused_below(values in (0u8..=64).prop_flat_map(values_of)) {
        let packed = Packed::of(&values);
        let highest = *values.iter().max().expect("there are values");
        prop_assert_eq!(packed.check(values.len(), highest), Ok(()));
        prop_assert_eq!(packed.check(values.len(), u64::MAX), Ok(()));
        if let Some(max) = highest.checked_sub(1) {
            let expected = ColumnError::Range { highest: Some(highest), max };
            prop_assert_eq!(packed.check(values.len(), max), Err(expected));
        }
    }

    #[test]
    fn column_of_another_number_of_rows_is_refused(values in (8u8..=64).prop_flat_map(values_of), more in 1usize..5) {
        let packed = Packed::of(&values);
        for rows in [values.len() + more, values.len() - more.min(values.len())] {
            let found = packed.check(rows, u64::MAX);
            let refused = matches!(found, Err(ColumnError::Length { .. }));
            prop_assert!(refused);
        }
    }

    /// Whatever stands in a column: checking and reading it is never a panic, and what is taken is in range.
    #[test]
    fn any_column_is_checked_without_a_panic(
        base: u64, width: u8, bits in prop::collection::vec(any::<u8>(), 0..80), rows in 0usize..40, max: u64,
    ) {
        let packed = Packed { base, width, bits };
        if packed.check(rows, max).is_ok() {
            let values: Vec<u64> = packed.values(rows).collect();
            prop_assert_eq!(values.len(), rows);
            for value in values {
                prop_assert!(value <= max && value >= base, "{value}: nothing wrapped around");
            }
        }
    }
}

#[test]
fn every_width_from_0_to_64_is_packed_in_as_many_bits() {
    for width in 0..=64u8 {
        let widest = if width == 64 { u64::MAX } else { (1 << width) - 1 };
        for rows in [2, 3, 8, 9] {
            let values: Vec<u64> = (0..rows)
                .map(|row| if row % 2 == 0 { widest } else { 0 })
                .collect();
            let packed = Packed::of(&values);
            assert_eq!(
                (packed.width, packed.bits.len()),
                (width, (rows * usize::from(width)).div_ceil(8))
            );
            assert_eq!(packed.values(rows).collect::<Vec<_>>(), values);
        }
    }
}

#[test]
fn column_wider_than_a_number_is_refused() {
    for width in [65, 255] {
        let packed = Packed {
            base: 0,
            width,
            bits: vec![0; 300],
        };
        assert_eq!(packed.check(1, u64::MAX), Err(ColumnError::Width { width }));
    }
}

#[test]
fn set_bits_after_the_last_value_are_refused() {
    let mut packed = Packed::of(&[0, 5, 7]); // 9 bits
    assert_eq!(packed.check(3, 7), Ok(()));
    packed.bits[1] |= 2;
    assert_eq!(packed.check(3, 7), Err(ColumnError::SpareBits));
}

#[test]
fn empty_column_is_nothing_at_all() {
    assert_eq!(Packed::of(&[]).check(0, 0), Ok(()));
    let based = Packed {
        base: 1,
        ..Packed::default()
    };
    assert_eq!(based.check(0, u64::MAX), Err(ColumnError::SpareBits));
    let wide = Packed {
        width: 3,
        ..Packed::default()
    };
    assert_eq!(wide.check(0, u64::MAX), Err(ColumnError::SpareBits));
}

#[test]
fn value_that_wraps_around_is_refused() {
    let packed = Packed {
        base: u64::MAX,
        width: 1,
        bits: vec![1],
    };
    let expected = ColumnError::Range {
        highest: None,
        max: u64::MAX,
    };
    assert_eq!(packed.check(1, u64::MAX), Err(expected));
}
