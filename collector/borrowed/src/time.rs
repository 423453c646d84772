//! Which times a measurement can have.

use isochrone_proto::units::UnixMillis;

use crate::unfit::Unfit;

/// `at`, where a platform can have measured then; `now` is this machine's time.
pub(crate) fn credible(at: UnixMillis, now: UnixMillis) -> Result<UnixMillis, Unfit<'static>> {
    if at < FIRST {
        return Err(Unfit::Early(at));
    }
    if at.0 > now.0.saturating_add(AHEAD_MS) {
        return Err(Unfit::Future(at));
    }
    Ok(at)
}

/// 2010-01-01: before that there was no such platform.
const FIRST: UnixMillis = UnixMillis(1_262_304_000_000);
/// So far ahead a platform's clock may be.
const AHEAD_MS: u64 = 5 * 60_000;
