use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::fixture::{EPOCH, START, inline, store_honest, store_with_plan};

use super::*;

fn of(from: u64, until: u64) -> Window {
    Window {
        from: UnixMillis(from),
        until: UnixMillis(until),
    }
}

#[test]
fn window_of_centuries_is_cut_to_what_the_log_can_hold() {
    let (_, store) = store_with_plan();
    let now = UnixMillis(START.0 + 2 * DAY_MS);
    let ever = of(0, u64::MAX);
    let cut = |window: Window| window.within(&store, now).unwrap();
    assert_eq!(cut(ever).window, of(now.0, now.0), "an empty log");
    assert_eq!(cut(ever).before.unwrap().kept_from, None);

    store_honest(&inline(&store), EPOCH, 25);
    let first_day = START.0 / DAY_MS * DAY_MS;
    assert_eq!(cut(ever).window, of(first_day, now.0));
    let before = cut(ever).before.unwrap();
    assert_eq!(
        (before.asked_from, before.kept_from, before.removed),
        (UnixMillis(0), Some(START.hour().start()), false)
    );
    let inside = of(START.0 + 1, START.0 + 2);
    assert_eq!(cut(inside), inside.into());
    assert_eq!(cut(of(5, 9)).window, of(9, 9), "before the log");
    let future = of(now.0 + 5, now.0 + 9);
    assert_eq!(cut(future), of(now.0, now.0).into());
}
