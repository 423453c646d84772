use isochrone_chain::audit;
use isochrone_chain::facts::Misplaced;
use isochrone_chain::fixture::{NOW, World, planted, world};
use isochrone_chain::plan::plan;
use isochrone_coverage::geo::Position;

use super::*;

/// The audit of a world, `age_ms` after it was read.
fn audited(world: &World, age_ms: u64) -> ChainAudit {
    let findings = audit(&world.topology, &world.facts);
    let from = "https://query.example.org/graphql".to_owned();
    ChainAudit {
        plan: plan(&world.topology, &world.facts, &findings, age_ms),
        copy: Copy::next(None, world.topology.clone(), (NOW, from), false).unwrap(),
        now: UnixMillis(NOW.0 + age_ms),
        findings,
        nodes: world.facts.nodes.len(),
        vantages: 10,
        demo: false,
    }
}

/// As the demo's chain: one place that lies, one node that says otherwise, one endpoint without a slash; and a family of
/// continents.
fn three_faults() -> World {
    let mut world = world(4, 1);
    let id = world.operator_id(1, 0);
    world.facts.misplaced.insert(
        id,
        Misplaced {
            witnesses: vec![
                "It answered ben-newyork in 65.0 ms; light needs 112 ms for the 11,200 km.".to_owned(),
            ],
            probably: None,
            meant: Position::new(34.05, -118.24),
        },
    );
    world.node(2, 0).buckets = Some((
        isochrone_chain::facts::SaidBuckets::Not {
            bucket: isochrone_chain::BucketId { family: 2, index: 0 },
            object: "1343".to_owned(),
            answers: 31,
            vantages: 9,
        },
        NOW,
    ));
    let operator = world.operator(3, 0);
    operator.endpoint = operator.endpoint.trim_end_matches('/').to_owned();
    world.family(0).areas = vec![isochrone_chain::Area::Continent("EU".to_owned())];
    world
}

#[test]
fn every_format_of_an_audit_is_as_agreed() {
    crate::golden::check("audit", &audited(&three_faults(), 20 * 60_000));
}

#[test]
fn old_copy_is_said_first_and_drafts_nothing() {
    let audit = audited(&three_faults(), 3 * 3_600_000);
    let text = audit.text(100);
    let old = text.find("This copy of the chain is 3 h old").unwrap();
    assert!(old < text.find("What users feel").unwrap(), "{text}");
    assert!(
        text.contains("Nothing is drafted") && !text.contains("leader:"),
        "{text}"
    );
    assert!(audit.json()["plan"]["withheld"].is_string());
    assert!(audit.json()["findings"][0]["draft"].is_null());
}

#[test]
fn clean_chain_is_said_with_what_it_was_held_against() {
    let text = audited(&world(3, 2), 0).text(100);
    assert!(
        text.contains("Nothing that was looked at contradicts the chain: 3 families held against 6 nodes"),
        "{text}"
    );
    assert!(!text.contains("What to do"), "{text}");
}

#[test]
fn finding_names_its_command_in_json_and_csv() {
    let audit = audited(&three_faults(), 0);
    let json = audit.json();
    let findings = json["findings"].as_array().unwrap();
    let of = |rule: &str| findings.iter().find(|finding| finding["rule"] == rule).unwrap();
    assert_eq!(
        of("family.only-continents")["draft"],
        "leader:set-bucket-family-metadata -f 0 -i family-0.json"
    );
    assert!(
        of("endpoint.no-slash")["draft"]
            .as_str()
            .unwrap()
            .starts_with("Ask worker 3000: add the slash")
    );
    assert_eq!(of("node.buckets")["subject"], "bucket 2:0");
    assert!(audit.csv().contains("leader:set-bucket-family-metadata -f 0"));
}

#[test]
fn names_with_scripts_in_them_are_shown_and_not_obeyed() {
    let mut world = three_faults();
    world.family(0).region = "<script>alert(1)</script>".to_owned();
    world.family(1).region = "a`b` | c [x](https://evil.example.org/)".to_owned();
    world.family(2).areas.clear();
    let audit = audited(&world, 0);
    let page = audit.html();
    assert!(
        !page.contains("<script") && page.contains("&lt;script&gt;"),
        "a name became markup"
    );
    for outside in ["src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!audit.markdown().contains("\n<script"), "{}", audit.markdown());
}

#[test]
fn all_planted_faults_are_printed_in_every_format() {
    let (_, all) = planted();
    let audit = audited(&all.world, 0);
    for finding in &audit.findings {
        assert!(audit.csv().contains(finding.rule.id()), "{}", finding.rule.id());
    }
    let text = audit.text(100);
    let long = text
        .lines()
        .filter(|line| line.chars().count() > 100 && !line.contains('"'))
        .count();
    assert_eq!(long, 0, "lines wider than a terminal");
    assert!(audit.html().contains("What to do, in this order"));
}
