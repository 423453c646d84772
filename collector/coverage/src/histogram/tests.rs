use super::scale::{GROWTH, SCALE};
use super::*;
use proptest::prelude::*;

/// What a quantile may be off.
const ERROR: f64 = 0.0055;

fn of(samples: &[f64]) -> LogHistogram {
    let mut histogram = LogHistogram::new();
    for &us in samples {
        assert!(histogram.record_us(us));
    }
    histogram
}

#[test]
fn last_bucket_is_the_one_of_the_longest_time() {
    let exact = (LONGEST_US.ln() / GROWTH.ln()).ceil();
    assert_eq!(exact, f64::from(LAST_BUCKET));
    assert_eq!(bucket_of(LONGEST_US), LAST_BUCKET);
}

/// OpenTelemetry's index of a value at scale 6 is ⌈log2(value) · 2^6⌉ - 1; exact powers of the base lie in the bucket
/// that they end.
#[test]
fn buckets_are_those_of_scale_6_one_further() {
    for us in [
        1.0,
        1.005,
        2.0,
        3.0,
        4.0,
        1_000.0,
        65_536.0,
        12_345.678,
        99_999_999.0,
    ] {
        let index = (f64::log2(us) * 64.0).ceil() - 1.0;
        assert_eq!(f64::from(bucket_of(us)) - 1.0, index, "{us}");
    }
    assert_eq!((bucket_of(1.0), bucket_of(2.0), bucket_of(4.0)), (0, 64, 128));
}

#[test]
fn whole_microseconds_count_in_the_bucket_of_their_value() {
    let powers = (0..27).flat_map(|power| [(1_u32 << power) - 1, 1 << power, (1 << power) + 1]);
    for us in (1..70_000).chain(powers).chain([99_999_999, 100_000_000]) {
        let us = us.clamp(1, 100_000_000);
        assert_eq!(SCALE.bucket(us), bucket_of(f64::from(us)), "{us}");
    }
}

#[test]
fn bytes_that_are_no_histogram_are_refused() {
    let whole = of(&[15.0, 15.0, 80.5, 90_000.0]).to_bytes();
    assert!(LogHistogram::from_bytes(&whole).is_ok());
    for length in 0..whole.len() {
        let cut = LogHistogram::from_bytes(&whole[..length]);
        assert!(cut.is_err() || cut.unwrap().count() < 4, "cut to {length}");
    }
    let longer = [whole.as_slice(), &[0x80]].concat();
    assert_eq!(LogHistogram::from_bytes(&longer), Err(HistogramError::Bytes));
    for odd in [&[][..], &[2], &[1, 0x80, 0x00], &[1, 5, 0, 0x80, 0x80, 0x04]] {
        assert!(LogHistogram::from_bytes(odd).is_err(), "{odd:?}");
    }
}

#[test]
fn empty_histogram_has_no_quantile() {
    let empty = LogHistogram::new();
    assert_eq!(
        (
            empty.count(),
            empty.quantile_us(0.5),
            empty.min_us(),
            empty.max_us()
        ),
        (0, None, None, None)
    );
}

#[test]
fn impossible_times_are_not_counted() {
    let mut histogram = LogHistogram::new();
    for us in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(!histogram.record_us(us));
    }
    assert!(histogram.is_empty());
}

#[test]
fn stored_nonsense_is_refused() {
    for text in [
        r#"{"buckets":[[5,1],[4,1]],"min_ns":1100,"max_ns":1200}"#,
        r#"{"buckets":[[5,0]],"min_ns":1100,"max_ns":1100}"#,
        r#"{"buckets":[[60000,1]],"min_ns":1100,"max_ns":1100}"#,
        r#"{"buckets":[[500,1]],"min_ns":1100,"max_ns":1100}"#,
    ] {
        assert!(serde_json::from_str::<LogHistogram>(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn quantiles_are_within_the_buckets_error_of_the_sorted_oracle(
        mut samples in prop::collection::vec(1.0..100e6f64, 1..400),
        q in 0.0..=1.0f64,
    ) {
        let histogram = of(&samples);
        samples.sort_by(f64::total_cmp);
        let exact = samples[rank(q, samples.len() as u64) as usize - 1];
        let got = histogram.quantile_us(q).unwrap();
        prop_assert!((got - exact).abs() <= exact * (ERROR + 1e-9), "{got} {exact}");
        prop_assert!((histogram.min_us().unwrap() - samples[0]).abs() <= 0.00051);
        prop_assert!((histogram.max_us().unwrap() - samples[samples.len() - 1]).abs() <= 0.00051);
        prop_assert_eq!(histogram.count(), samples.len() as u64);
    }

    #[test]
    fn merging_equals_recording_all(
        a in prop::collection::vec(0.0..200e6f64, 0..100),
        b in prop::collection::vec(0.0..200e6f64, 0..100),
    ) {
        let mut merged = of(&a);
        merged.merge(&of(&b));
        prop_assert_eq!(&merged, &of(&[a.clone(), b.clone()].concat()));
        prop_assert_eq!(&merged, &of(&[b, a].concat()));
        let text = serde_json::to_string(&merged).unwrap();
        prop_assert_eq!(&serde_json::from_str::<LogHistogram>(&text).unwrap(), &merged);
        prop_assert_eq!(LogHistogram::from_bytes(&merged.to_bytes()).unwrap(), merged);
    }

    #[test]
    fn counter_counts_as_recording_one_by_one(
        first in prop::collection::vec(0..200_000_000_u32, 0..200),
        second in prop::collection::vec(1..300_000_u32, 0..200),
    ) {
        let mut counter = Counter::new();
        for samples in [first, second] {
            for us in &samples {
                counter.record(*us);
            }
            let one_by_one: Vec<f64> = samples.iter().map(|us| f64::from(*us)).collect();
            prop_assert_eq!(counter.take(), of(&one_by_one));
        }
    }

    #[test]
    fn any_bytes_are_read_as_they_would_be_written_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        if let Ok(histogram) = LogHistogram::from_bytes(&bytes) {
            prop_assert_eq!(histogram.to_bytes(), bytes);
        }
    }
}
