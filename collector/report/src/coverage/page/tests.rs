use isochrone_coverage::fixture::{beside_its_node, node, report, single, small_world, vantage};
use isochrone_coverage::observations::{Observations, Source};
use isochrone_coverage::weights::Weights;

use crate::Printed as _;

/// Every element that is opened is closed, in order.
fn assert_balanced(html: &str) {
    const VOID: [&str; 4] = ["meta", "input", "br", "!doctype"];
    let without_style =
        html.split("<style>").next().unwrap().to_owned() + html.split("</style>").nth(1).unwrap();
    let mut open: Vec<&str> = Vec::new();
    for tag in without_style.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes another element");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn commands_on_a_page_are_code_and_no_backtick_is_left() {
    use isochrone_coverage::note::Note;
    let mut report = report(&small_world(), Weights::people());
    report.notes = vec![
        Note::Impossible {
            names: vec!["losangeles".to_owned()],
        },
        Note::NodeUnplaced {
            node: "oslo".to_owned(),
        },
    ];
    let html = report.html();
    let body = html.split("</style>").nth(1).unwrap();
    assert!(!body.contains('`'), "{body}");
    assert!(body.contains("<code>locate</code>") && body.contains("<code>target set oslo --location</code>"));
    let (wrong, lead) = (body.find("losangeles is left out"), body.find("class=\"lead\""));
    assert!(wrong.is_some() && wrong < lead, "{body}");
}

#[test]
fn page_is_whole_and_loads_nothing() {
    for world in [
        small_world(),
        single(
            vec![node("a", "Berlin, DE")],
            vec![vantage("v", "Paris, FR")],
            &[(0, 0, 9.0)],
        ),
    ] {
        for weights in [Weights::people(), Weights::sites()] {
            let html = report(&world, weights).html();
            assert_balanced(&html);
            for outside in ["<script", "src=", "href=", "url(", "@import", "http:", "https:"] {
                assert!(!html.contains(outside), "{outside}");
            }
            assert!(html.contains("prefers-color-scheme: dark") && html.contains("@media print"));
        }
    }
}

#[test]
fn names_cannot_become_markup() {
    let html = report(&small_world(), Weights::people()).html();
    assert!(html.contains("&lt;tokyo&gt; &amp; co") && !html.contains("<tokyo>"));
}

#[test]
fn every_budget_has_its_button_and_one_is_chosen() {
    let html = report(&small_world(), Weights::people()).html();
    assert_eq!(html.matches("type=\"radio\"").count(), 5);
    assert_eq!(html.matches(" checked>").count(), 1);
    assert!(
        html.contains("id=\"b2\" aria-label=\"100 ms\" checked>"),
        "the documented default of coverage_target_ms"
    );
}

#[test]
fn dots_carry_the_standing_of_their_speaker() {
    let world = single(
        vec![node("a", "Berlin, DE")],
        vec![vantage("v", "Paris, FR")],
        &[(0, 0, 60.0)],
    );
    let html = report(&world, Weights::people()).html();
    assert!(
        html.contains(" o0 o1 i2 i3 i4\""),
        "60 ms is beyond 20 and 50, within 100 and more"
    );
    assert!(
        ["s0", "s1", "s2", "s3", "s4"]
            .iter()
            .any(|size| html.contains(&format!("class=\"dot blank {size}\" "))),
        "the rest of the world is not measured"
    );
    assert!(
        html.contains("h.02") && !html.contains("h0M") && !html.contains("h0\""),
        "a square dot without length is not printed"
    );
}

#[test]
fn own_node_whose_next_is_beyond_has_a_colour_of_its_own() {
    let html = report(&beside_its_node(), Weights::people()).html();
    assert!(
        html.contains(" n0 n1 n2 i3 i4\""),
        "120 ms is beyond 100, and its own node is no measurement"
    );
    assert!(html.contains("has its own node, the next is beyond") && html.contains("class=\"own\""));
}

#[test]
fn long_table_is_folded_and_a_short_one_is_not() {
    let vantages: Vec<_> = (0..30)
        .map(|index| vantage(&format!("v{index}"), "Paris, FR"))
        .collect();
    let times: Vec<_> = (0..30).map(|index| (index, 0, 9.0)).collect();
    let html = report(
        &single(vec![node("a", "Berlin, DE")], vantages, &times),
        Weights::people(),
    )
    .html();
    assert_balanced(&html);
    assert!(html.contains("<summary>All 30 rows</summary>"));
    assert_eq!(html.matches("<details>").count(), 1, "countries are few");
}

#[test]
fn withheld_headline_leaves_no_share_behind() {
    let html = report(&small_world(), Weights::people()).html();
    assert!(
        html.contains("No measured share as a headline")
            && !html.contains("class=\"headline\"")
            && !html.contains("Shares by budget")
    );
}

#[test]
fn demo_is_marked() {
    let html = report(
        &Observations {
            source: Source::Demo,
            ..small_world()
        },
        Weights::people(),
    )
    .html();
    assert!(
        html.contains("<title>DEMO: Region coverage</title>") && html.matches("class=\"demo\"").count() == 2
    );
    assert!(html.len() < 1_000_000, "{}", html.len());
}
