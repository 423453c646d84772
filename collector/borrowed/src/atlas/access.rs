//! What a probe's tags say of it: how it is connected, and whether something is wrong with it.

use crate::vantage::Access;

/// How a probe is connected, by its tags; anchors stand in data centres.
pub(super) fn access<'t>(tags: impl Iterator<Item = &'t str> + Clone, is_anchor: bool) -> Access {
    let has = |words: &[&str]| tags.clone().any(|tag| words.contains(&tag));
    match (has(EYEBALL), is_anchor || has(DATA_CENTRE)) {
        (true, false) => Access::Eyeball,
        (false, true) => Access::DataCentre,
        (true, true) | (false, false) => Access::Unknown,
    }
}

/// The tag that says that something is wrong with a probe.
pub(super) fn broken<'t>(mut tags: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    tags.find(|tag| BROKEN.iter().any(|word| tag.contains(word)))
}

/// The tag of a probe whose place is the middle of a country that its address is listed in.
pub(super) const COUNTRY_ONLY: &str = "system-auto-geoip-country";

/// Lines that people use. Offices and universities are neither.
const EYEBALL: &[&str] = &[
    "home",
    "dsl",
    "adsl",
    "adsl2",
    "vdsl",
    "vdsl2",
    "cable",
    "docsis",
    "fibre",
    "fiber",
    "ftth",
    "gpon",
    "lte",
    "4g",
    "5g",
    "mobile",
    "fwa",
    "satellite",
    "starlink",
    "residential",
];

const DATA_CENTRE: &[&str] = &[
    "system-anchor",
    "datacentre",
    "datacenter",
    "data-centre",
    "data-center",
    "colocation",
    "hosting",
    "cloud",
    "vps",
    "ixp",
    "core",
    "backbone",
];

/// Tags of the platform and of hosts that say that results are not to be trusted.
const BROKEN: &[&str] = &[
    "broken",
    "problem",
    "corrupt",
    "flaky",
    "flakey",
    "unstable",
    "readonly-flash",
    "read-only",
    "do-not-use",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_known_only_where_tags_agree() {
        let of = |tags: &[&str], is_anchor| access(tags.iter().copied(), is_anchor);
        assert_eq!(of(&["system-ipv4-works", "home", "nat"], false), Access::Eyeball);
        assert_eq!(of(&["datacentre"], false), Access::DataCentre);
        assert_eq!(of(&[], true), Access::DataCentre);
        assert_eq!(of(&["home", "datacentre"], false), Access::Unknown);
        assert_eq!(of(&["cable"], true), Access::Unknown);
        assert_eq!(of(&["office", "nat", "homeless"], false), Access::Unknown);
    }

    #[test]
    fn tag_that_says_that_something_is_wrong_is_found() {
        let of = |tag| broken([tag].into_iter());
        assert_eq!(
            of("system-firewall-problem-suspected"),
            Some("system-firewall-problem-suspected")
        );
        assert_eq!(of("do-not-use"), Some("do-not-use"));
        assert_eq!(of("system-ipv6-doesnt-work"), None, "its IPv4 does");
    }
}
