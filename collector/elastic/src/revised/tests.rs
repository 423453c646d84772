use isochrone_base::fixture;
use isochrone_base::roster::Roster;
use isochrone_proto::kind::Kind;
use isochrone_store::{Period, Rollup};
use serde_json::Value;

use super::*;
use crate::Prefix;
use crate::index::Layout;

fn rolled() -> Vec<Rollup> {
    let probes = [
        fixture::probe("ada-berlin", "ada", Some(64_500)),
        fixture::probe("bob-osaka", "bob", Some(64_501)),
    ];
    let kinds: Vec<Kind> = ["connect4", "status4"]
        .iter()
        .filter_map(|kind| kind.parse().ok())
        .collect();
    let roster = Roster::new(probes, [fixture::node("tokyo", "eve")]);
    let plan = fixture::plan(&roster, fixture::probe_id("ada-berlin"), &kinds);
    let mut rows = Vec::new();
    for (at, check) in plan.checks.iter().enumerate() {
        let outcomes = match check.kind.check {
            isochrone_proto::kind::Check::Echo => [fixture::replied(3), fixture::lost()],
            isochrone_proto::kind::Check::Connect => [fixture::connected(3), fixture::unconnected()],
            _ => [fixture::good(3), fixture::good(5)],
        };
        for (step, outcome) in (0u64..).zip(outcomes) {
            let slot = UnixMillis(fixture::DAY0 + step);
            rows.push(fixture::row(u16::try_from(at).unwrap(), slot, outcome));
        }
    }
    isochrone_store::fixture::rolled(Period::Hour, &plan, &rows)
}

#[test]
fn every_key_of_a_rollup_is_mapped_in_each_form_and_its_id_is_the_same() {
    let names = Names::new(Prefix::default(), crate::Period::Month);
    let mut ids = std::collections::BTreeSet::new();
    let rollups = rolled();
    assert!(rollups.len() >= 3, "{}", rollups.len());
    for histograms in [Histograms::Exponential, Histograms::Plain, Histograms::Bytes] {
        let layout = Layout {
            histograms,
            ..Layout::default()
        };
        let fields = names.body(Family::Rollup, layout)["mappings"]["properties"].clone();
        for rollup in &rollups {
            let document = rollup::document(rollup, &names, histograms);
            assert_eq!(&*document.index, "isochrone-rollup-2026.11");
            ids.insert(document.id);
            let value: Value = serde_json::from_slice(&document.source).unwrap();
            assert_eq!(Histograms::of_document(&value), Some(histograms), "{value}");
            for key in value.as_object().unwrap().keys() {
                assert!(fields.get(key).is_some(), "{key}");
            }
            assert_eq!(value["run"], 2);
            let answered = value
                .as_object()
                .unwrap()
                .keys()
                .any(|key| key.ends_with("_p50_us"));
            assert!(answered, "{value}");
        }
    }
    assert_eq!(ids.len(), rollups.len());
}

#[test]
fn ids_of_what_may_be_revised_are_frozen() {
    let id =
        crate::document::DocumentId::of_parts(b"isochrone incident document 1", &[b"1795305600000-0badcafe"]);
    assert_eq!(
        id.to_string(),
        "NQ6U9C3-eInxLYsWhey2cA",
        "documents that lie in clusters would double"
    );
}

#[test]
fn digest_is_of_what_documents_say_in_whatever_order_and_version() {
    let names = Names::new(Prefix::default(), crate::Period::Month);
    let rollups = rolled();
    let of = |rollups: &[Rollup], version| {
        let mut digest = Digest::NOTHING;
        for rollup in rollups {
            let mut document = rollup::document(rollup, &names, Histograms::Bytes);
            document.version = Some(version);
            digest.add(&document);
        }
        digest
    };
    let mut turned = rollups.clone();
    turned.reverse();
    assert_eq!(of(&rollups, 1), of(&turned, 2));
    turned[0].sums.run += 1;
    assert_ne!(of(&rollups, 1), of(&turned, 1));
    assert_ne!(of(&rollups, 1), of(&rollups[1..], 1));
}
