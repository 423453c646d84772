//! Instants by another clock: the collector's was set.

use isochrone_proto::units::UnixMillis;

/// An instant of the clock as it was, by the clock as it is.
pub(super) type Anew<'a> = &'a dyn Fn(UnixMillis) -> UnixMillis;

/// Reads what was noted by the new clock. Never and ever, 0 and the end of time, stay so.
pub(super) fn each<'a>(noted: impl IntoIterator<Item = &'a mut UnixMillis>, anew: Anew<'_>) {
    for at in noted {
        if *at != UnixMillis(0) && *at != UnixMillis(u64::MAX) {
            *at = anew(*at);
        }
    }
}
