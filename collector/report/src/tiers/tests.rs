use proptest::prelude::*;

use super::*;

const DAY: u64 = DAY_MS;

fn chosen(from: u64, until: u64, held: Held, coarsest: Tier) -> Vec<(Tier, u64, u64)> {
    let window = Window {
        from: UnixMillis(from),
        until: UnixMillis(until),
    };
    let spans = choose(window, held, Needs::sums(coarsest)).into_iter();
    spans.map(|span| (span.tier, span.from.0, span.to.0)).collect()
}

#[test]
fn short_window_is_read_from_measurements_alone() {
    let got = chosen(10 * DAY + 5, 10 * DAY + 5 * HOUR_MS, Held::all(), Tier::Day);
    assert_eq!(got, [(Tier::Raw, 10 * DAY + 5, 10 * DAY + 5 * HOUR_MS)]);
}

#[test]
fn long_window_is_days_with_hours_and_measurements_at_its_ends() {
    let (from, until) = (10 * DAY + 5, 25 * DAY + 90_000 + HOUR_MS);
    assert_eq!(
        chosen(from, until, Held::all(), Tier::Day),
        [
            (Tier::Raw, from, 10 * DAY + HOUR_MS),
            (Tier::Hour, 10 * DAY + HOUR_MS, 11 * DAY),
            (Tier::Day, 11 * DAY, 25 * DAY),
            (Tier::Hour, 25 * DAY, 25 * DAY + HOUR_MS),
            (Tier::Raw, 25 * DAY + HOUR_MS, until),
        ]
    );
    assert_eq!(
        chosen(from, until, Held::all(), Tier::Hour),
        [
            (Tier::Raw, from, 10 * DAY + HOUR_MS),
            (Tier::Hour, 10 * DAY + HOUR_MS, 25 * DAY + HOUR_MS),
            (Tier::Raw, 25 * DAY + HOUR_MS, until),
        ]
    );
}

#[test]
fn what_is_gone_is_read_from_what_is_left() {
    let held = Held {
        rows_from: UnixMillis(20 * DAY + 3 * HOUR_MS),
        hours_from: UnixMillis(15 * DAY),
    };
    assert_eq!(
        chosen(10 * DAY + 5, 12 * DAY + 5, held, Tier::Hour),
        [(Tier::Day, 10 * DAY, 13 * DAY)]
    );
    assert_eq!(
        chosen(16 * DAY + 5, 16 * DAY + 7, held, Tier::Hour),
        [(Tier::Hour, 16 * DAY, 16 * DAY + HOUR_MS)]
    );
    assert_eq!(
        chosen(14 * DAY + 5, 21 * DAY + 5, held, Tier::Hour),
        [
            (Tier::Day, 14 * DAY, 15 * DAY),
            (Tier::Hour, 15 * DAY, 21 * DAY),
            (Tier::Raw, 21 * DAY, 21 * DAY + 5),
        ]
    );
}

proptest! {
    /// Whatever is held: the spans follow one another, hold the window, and each tier only what it can hold whole.
    #[test]
    fn spans_hold_the_window_once(
        from in 0u64..40 * DAY,
        long in 1u64..40 * DAY,
        (rows, hours) in (0u64..60 * 24, 0u64..40),
        by_days in any::<bool>(),
    ) {
        let rows_from = UnixMillis(rows * HOUR_MS);
        let held = Held {
            rows_from,
            hours_from: UnixMillis((hours * DAY).min(rows_from.0 / DAY * DAY)),
            };
        let coarsest = if by_days { Tier::Day } else { Tier::Hour };
        let got = chosen(from, from + long, held, coarsest);
        prop_assert!(got[0].1 <= from && got[got.len() - 1].2 >= from + long, "{got:?}");
        for pair in got.windows(2) {
            prop_assert_eq!(pair[0].2, pair[1].1, "{:?}", got);
        }
        for &(tier, from, to) in &got {
            let whole = match tier {
                Tier::Raw => 1,
                Tier::Hour => HOUR_MS,
                Tier::Day => DAY,
            };
            prop_assert!(from % whole == 0 && to % whole == 0, "{got:?}");
            let held_from = match tier {
                Tier::Raw => held.rows_from,
                Tier::Hour => held.hours_from,
                Tier::Day => UnixMillis(0),
            };
            prop_assert!(from >= held_from.0, "{got:?} {held:?}");
        }
    }
}

#[test]
fn nothing_that_was_read_is_said_to_be_nothing() {
    assert_eq!(
        sentence_of(&[]),
        "Nothing was read: no measurement of this window is stored."
    );
}
