//! The demo's chain: a family for each node. One family lies about its place, one bucket's node says that it serves another, one
//! operator's endpoint lacks its slash; the rest represents the demo's world.

use std::collections::BTreeMap;

use isochrone_chain::{
    Area, Bucket, BucketId, Claim, Family, Operator, Rule, Status, Subject, TestObject, Topology,
};

use super::world::{CITIES, City, SAYS_OTHERWISE, claimed};

/// The node whose place the chain has wrong: the longitude lost its sign, and everything else on the chain follows it.
const MISPLACED: &str = "losangeles";
/// What stands where that node claims to be.
const THERE: (&str, &str) = ("CN", "Suqian");
/// The node whose endpoint lacks the slash at its end.
const NO_SLASH: &str = "saopaulo";
/// The block that the demo's chain stands at.
const BLOCK: u64 = 7_500_000;
/// Bags of each bucket.
const BAGS: u64 = 40;

/// The chain of nodes by city, each with its URL; every bucket holds the object `asset`, of `bytes`.
pub(super) fn topology(urls: &BTreeMap<usize, String>, (asset, bytes): (u64, u64)) -> Topology {
    let object = TestObject {
        id: asset.to_string(),
        size: bytes,
        ipfs_hash: String::new(),
    };
    let families = (0..)
        .zip(urls)
        .map(|(id, (city, url))| family(id, &CITIES[*city], url, &object));
    Topology {
        block: Some(BLOCK),
        families: families.collect(),
        ..Topology::default()
    }
}

fn family(id: u32, city: &City, url: &str, object: &TestObject) -> Family {
    let (name, country) = city.place.split_once(", ").unwrap_or((city.place, ""));
    let (country, name) = match city.name {
        MISPLACED => THERE,
        _ => (country, name),
    };
    let endpoint = match city.name {
        NO_SLASH => url.trim_end_matches('/'),
        _ => url,
    };
    let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    let bucket = Bucket {
        id: BucketId { family: id, index: 0 },
        accepting: true,
        distributing: true,
        bags: Some(BAGS),
        objects: vec![object.clone()],
        operators: vec![Operator {
            worker: Some(u64::from(id)),
            status: Status::Active,
            endpoint: endpoint.to_owned(),
            place: Claim {
                country: country.to_owned(),
                city: name.to_owned(),
                coordinates: Some(claimed(city)),
            },
        }],
    };
    Family {
        id,
        region: format!("{}-1", country.to_lowercase()),
        description: format!("Users in {country}"),
        latency_test_targets: host.into_iter().map(str::to_owned).collect(),
        areas: vec![Area::Country(country.to_owned())],
        buckets: vec![bucket],
        ..Family::default()
    }
}

/// What an audit of it must find, and nothing else: rule and subject.
pub(super) fn faults(urls: &BTreeMap<usize, String>) -> Vec<(Rule, Subject)> {
    let bucket = |name: &str| {
        let family = urls
            .keys()
            .position(|city| CITIES[*city].name == name)
            .unwrap_or_default();
        BucketId {
            family: u32::try_from(family).unwrap_or_default(),
            index: 0,
        }
    };
    let operator = |name: &str| {
        let bucket = bucket(name);
        let worker = Some(u64::from(bucket.family));
        Subject::Operator(isochrone_chain::OperatorId { bucket, worker })
    };
    vec![
        (Rule::NoSlash, operator(NO_SLASH)),
        (Rule::Measured, operator(MISPLACED)),
        (Rule::SaidBuckets, Subject::Bucket(bucket(SAYS_OTHERWISE))),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use isochrone_chain::facts::{Facts, NodeFacts, SaidBuckets, Standing};
    use isochrone_chain::measured::measured;
    use isochrone_chain::plan::plan;
    use isochrone_chain::{Endpoint, audit};
    use isochrone_coverage::geo::Position;
    use isochrone_coverage::locate::{Site, SiteKind, Survey};
    use isochrone_coverage::observations::{Source, Statistic};
    use isochrone_coverage::predict::{Measured, Place};
    use isochrone_proto::units::UnixMillis;

    use super::super::world::rtt;
    use super::*;

    /// The demo's probes and nodes with the times between them; nobody measures their own node.
    fn survey(cities: &[usize]) -> Survey {
        let site = |index: usize, kind, (latitude, longitude)| Site {
            name: CITIES[index].name.to_owned(),
            kind,
            site: CITIES[index].place.to_owned(),
            place: Place {
                position: Position::new(latitude, longitude).unwrap(),
                network: None,
            },
        };
        let probes = (0..CITIES.len()).map(|index| {
            site(
                index,
                SiteKind::Probe,
                (CITIES[index].latitude, CITIES[index].longitude),
            )
        });
        let nodes = cities
            .iter()
            .map(|index| site(*index, SiteKind::Node, claimed(&CITIES[*index])));
        let mut pairs = Vec::new();
        for a in 0..CITIES.len() {
            let mut measured = |b, city| {
                let rtt_ms = rtt(a, city).as_secs_f64() * 1_000.0;
                pairs.push(Measured { a, b, rtt_ms });
            };
            (0..a).for_each(|b| measured(b, b));
            let others = cities.iter().enumerate().filter(|(_, city)| **city != a);
            others.for_each(|(at, city)| measured(CITIES.len() + at, *city));
        }
        Survey {
            source: Source::Demo,
            window: None,
            statistic: Statistic::Min,
            sites: probes.chain(nodes).collect(),
            pairs,
            notes: Vec::new(),
        }
    }

    #[test]
    fn audit_of_the_demos_chain_finds_its_three_faults_and_nothing_else() {
        let cities: Vec<usize> = (0..CITIES.len())
            .filter(|index| CITIES[*index].has_node)
            .collect();
        let urls: BTreeMap<usize, String> = cities
            .iter()
            .map(|index| {
                (
                    *index,
                    format!("http://127.0.0.1:{}/distributor/", 20_000 + index),
                )
            })
            .collect();
        let topology = topology(&urls, (1_343, 300_000));
        let names: BTreeMap<Endpoint, String> = urls
            .iter()
            .map(|(index, url)| (Endpoint::of(url).unwrap(), CITIES[*index].name.to_owned()))
            .collect();
        let mut measured = measured(&topology, &survey(&cities), &names);
        let now = UnixMillis(1_795_000_000_000);
        let nodes = names.iter().map(|(endpoint, name)| {
            let not = SaidBuckets::Not {
                bucket: BucketId {
                    family: u32::try_from(
                        cities
                            .iter()
                            .position(|city| CITIES[*city].name == *name)
                            .unwrap(),
                    )
                    .unwrap(),
                    index: 0,
                },
                object: "1343".to_owned(),
                answers: 9,
                vantages: 5,
            };
            let facts = NodeFacts {
                name: name.clone(),
                standing: Standing::Up,
                buckets: (name == SAYS_OTHERWISE).then_some((not, now)),
                nearest: measured.nearest.remove(endpoint),
                ..NodeFacts::default()
            };
            (endpoint.clone(), facts)
        });
        let facts = Facts {
            now,
            nodes: nodes.collect(),
            misplaced: measured.misplaced,
            reach: measured.reach,
            ..Facts::default()
        };
        let findings = audit(&topology, &facts);
        let found: BTreeSet<_> = findings
            .iter()
            .map(|finding| (finding.rule, finding.subject.clone()))
            .collect();
        assert_eq!(found, faults(&urls).into_iter().collect(), "{findings:#?}");
        let plan = plan(&topology, &facts, &findings, 0);
        assert!(
            !plan.steps.is_empty() && plan.steps.iter().all(|step| !step.reason.is_empty()),
            "{plan:#?}"
        );
    }
}
