//! How fast light runs: no answer comes back sooner.

/// The speed of light in a vacuum, in kilometres a millisecond.
pub const VACUUM_KM_PER_MS: f64 = 299.792_458;

/// The speed of light in fibre, in kilometres a millisecond: two thirds of that in a vacuum.
pub const FIBRE_KM_PER_MS: f64 = VACUUM_KM_PER_MS * 2.0 / 3.0;

/// The shortest round trip over a distance in kilometres, through a straight fibre, in milliseconds.
#[must_use]
pub fn least_ms(km: f64) -> f64 {
    2.0 * km / FIBRE_KM_PER_MS
}

/// How far away an answer that took so many milliseconds can have come from at most, in kilometres.
#[must_use]
pub fn most_km(rtt_ms: f64) -> f64 {
    rtt_ms * FIBRE_KM_PER_MS / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_over_a_thousand_kilometres_takes_ten_milliseconds() {
        assert!((least_ms(1000.0) - 10.007).abs() < 1e-3);
        assert!((most_km(least_ms(1234.5)) - 1234.5).abs() < 1e-9);
    }
}
