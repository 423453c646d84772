//! Questions worth keeping, in ES|QL: text to paste into Kibana, or into `POST _query`.

use crate::index::{Family, Names};

/// Name, what it answers, and the text of each.
#[must_use]
pub fn queries(names: &Names) -> Vec<(&'static str, &'static str, String)> {
    let (echo, endpoint) = (names.pattern(Family::Echo), names.pattern(Family::Endpoint));
    let (incident, ledger) = (names.pattern(Family::Incident), names.pattern(Family::Ledger));
    vec![
        (
            "loss-by-pair",
            "Which pairs of probes lose most, over the last day?",
            format!(
                "FROM {echo} | WHERE slot > NOW() - 1 day AND outcome != \"unsent\"\n\
                 | STATS runs = COUNT(*), lost = SUM(CASE(outcome == \"timed-out\", 1, 0)) BY probe, target, kind\n\
                 | EVAL loss = TO_DOUBLE(lost) / runs | SORT loss DESC | LIMIT 50"
            ),
        ),
        (
            "rtt-by-pair",
            "How far apart are two probes?",
            format!(
                "FROM {echo} | WHERE slot > NOW() - 1 day AND outcome == \"replied\"\n\
                 | STATS runs = COUNT(*), min_us = MIN(rtt_us), p50_us = PERCENTILE(rtt_us, 50), \
                 p90_us = PERCENTILE(rtt_us, 90) BY probe, target\n| SORT p50_us | LIMIT 500"
            ),
        ),
        (
            "failures-by-node",
            "What fails at which node, and from where?",
            format!(
                "FROM {endpoint} | WHERE slot > NOW() - 1 day AND outcome == \"failed\" AND candidate IS NULL\n\
                 | STATS failures = COUNT(*), vantages = COUNT_DISTINCT(probe) BY target, kind, phase, cause\n\
                 | SORT failures DESC | LIMIT 100"
            ),
        ),
        (
            "first-byte-by-day",
            "How fast does each node answer, day by day?",
            format!(
                "FROM {endpoint} | WHERE outcome == \"ok\" AND first_byte_us IS NOT NULL\n\
                 | EVAL day = DATE_TRUNC(1 day, slot)\n\
                 | STATS runs = COUNT(*), p50_us = PERCENTILE(first_byte_us, 50) BY target, day | SORT day, target"
            ),
        ),
        (
            "outages-by-node",
            "Which nodes were down, how often and for how long, over the last fifteen days?",
            format!(
                "FROM {incident} | WHERE start > NOW() - 15 days AND state == \"over\"\n\
                 | STATS incidents = COUNT(*), down_s = SUM(down_s), longest_s = MAX(duration_s) BY target, check, cause\n\
                 | SORT down_s DESC | LIMIT 100"
            ),
        ),
        (
            "planned-and-stored",
            "What became of planned slots, by probe, over the last week?",
            format!(
                "FROM {ledger} | WHERE hour > NOW() - 7 days\n\
                 | STATS planned = SUM(planned), stored = SUM(stored), skipped = SUM(skipped), absent = SUM(absent) BY probe\n\
                 | EVAL share = TO_DOUBLE(stored) / planned | SORT share"
            ),
        ),
    ]
}
