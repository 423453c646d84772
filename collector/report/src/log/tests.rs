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
    assert_eq!(
        ever.within(&store, now).unwrap(),
        of(now.0, now.0),
        "an empty log"
    );

    store_honest(&inline(&store), EPOCH, 25);
    let first_day = START.0 / DAY_MS * DAY_MS;
    assert_eq!(ever.within(&store, now).unwrap(), of(first_day, now.0));
    let inside = of(START.0 + 1, START.0 + 2);
    assert_eq!(inside.within(&store, now).unwrap(), inside);
    assert_eq!(of(5, 9).within(&store, now).unwrap(), of(9, 9), "before the log");
    let future = of(now.0 + 5, now.0 + 9);
    assert_eq!(future.within(&store, now).unwrap(), of(now.0, now.0));
}
