//! Shares and times of checks as people read them, each with its count.

/// Where nothing was counted.
pub(crate) const NO_DATA: &str = "no data";

/// Never rounded up to 100 %.
pub(crate) fn share(share: Option<f64>, checks: u64) -> String {
    match share {
        None => NO_DATA.to_owned(),
        Some(share) if share >= 1.0 => format!("100 % ({checks})"),
        Some(share) => format!("{} ({checks})", floor(share)),
    }
}

/// Two digits, never rounded up.
pub(crate) fn floor(share: f64) -> String {
    format!("{:.2} %", (share * 10_000.0).floor() / 100.0)
}

/// Median and 90th percentile in milliseconds, and of how many.
pub(crate) fn times(p50: Option<f64>, p90: Option<f64>, samples: u64) -> String {
    match p50.zip(p90) {
        Some(pair) => format!("{} ({samples})", ms_pair(pair)),
        None => "-".to_owned(),
    }
}

/// Three digits are enough for people; JSON and CSV hold all.
pub(crate) fn ms_pair((p50_ms, p90_ms): (f64, f64)) -> String {
    let short = |ms: f64| {
        if ms < 99.95 {
            format!("{ms:.1}")
        } else {
            format!("{ms:.0}")
        }
    };
    format!("{} / {}", short(p50_ms), short(p90_ms))
}
