use isochrone_coverage::fixture::{beside_its_node, daily, node, report, single, small_world, vantage};
use isochrone_coverage::observations::{AccessClass, Observations, Source};
use isochrone_coverage::weights::Weights;

use crate::Printed as _;

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn no_line_is_wider_than_asked_for() {
    let long = "a-node-with-a-very-long-name-indeed.example.org";
    let nodes: Vec<_> = (0..6)
        .map(|index| node(&format!("{long}{index}"), "Berlin, DE"))
        .collect();
    let vantages = vec![
        vantage("a-vantage-whose-name-is-long-as-well-0001", "Hamburg, DE"),
        vantage("b", "Paris, FR"),
    ];
    let mut times = Vec::new();
    for vantage in 0..2 {
        times.extend((0..6).map(|node| (vantage, node, 123.0)));
    }
    let values = single(nodes.clone(), vantages.clone(), &times);
    let by_days: Vec<(usize, usize, &[f64])> = times
        .iter()
        .map(|&(vantage, node, _)| (vantage, node, &[123.0, 456.0][..]))
        .collect();
    let days = daily(nodes, vantages, 9, &by_days, |_, _, day| f64::from(day));
    for world in [values, days, small_world()] {
        for weights in [Weights::people(), Weights::sites()] {
            let report = report(&world, weights);
            for width in [60, 80, 100] {
                let text = report.text(width);
                assert!(widest(&text) <= width, "{} > {width}\n{text}", widest(&text));
            }
        }
    }
}

#[test]
fn summary_comes_first() {
    let text = report(&small_world(), Weights::people()).text(100);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("Region coverage: median round-trip time to 3 nodes"),
        "{text}"
    );
    assert!(
        lines
            .iter()
            .take(5)
            .any(|line| line.starts_with("Between servers: 3 vantages in 2 networks;")),
        "{text}"
    );
    assert!(text.contains("Less than 30 % is measured"), "{text}");
    assert!(
        !text.contains("if any one node dies"),
        "no table of shares where no share may be a headline:\n{text}"
    );
    assert!(text.contains("Heaviest not measured: China"), "{text}");
    assert!(text.contains("¹ this server only"), "{text}");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("Germany") && line.contains("berlin <\u{a0}paris")),
        "{text}"
    );
}

#[test]
fn shares_are_printed_where_they_may_be() {
    let places = ["Berlin, DE", "Paris, FR", "London, GB", "Tokyo, JP", "Madrid, ES"];
    let vantages: Vec<_> = places.iter().map(|place| vantage(place, place)).collect();
    let times: Vec<_> = (0..5)
        .map(|index| (index, 0, 15.0 * index as f64 + 4.0))
        .collect();
    let text = report(
        &single(vec![node("berlin", "Berlin, DE")], vantages, &times),
        Weights::sites(),
    )
    .text(100);
    let line = text.lines().find(|line| line.starts_with("50 ms")).unwrap();
    assert!(line.contains("80.0 %") && line.contains("20.0 %"), "{text}");
    assert!(
        text.contains("5 vantages in networks that are not given"),
        "{text}"
    );
}

#[test]
fn counted_shares_and_their_parts_add_up_to_what_is_spoken_for() {
    let report = report(&beside_its_node(), Weights::people());
    let text = report.text(100);
    let class = &report.classes[0];
    let share = class
        .shares
        .iter()
        .find(|share| share.budget_ms == 100.0)
        .unwrap();
    assert!((share.within + share.beyond + share.own_node - class.known_share()).abs() < 1e-12);
    assert!(share.own_node > 0.0 && share.own_node <= share.unknown);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "Counted at 100 ms:",
        "that no vantage speaks for",
        "with its own node",
    ] {
        assert!(flat.contains(part), "{part}:\n{text}");
    }
}

#[test]
fn rows_have_names_and_columns_a_legend() {
    let text = report(&small_world(), Weights::people()).text(100);
    assert!(text.lines().any(|line| line.starts_with("Germany")), "{text}");
    for word in ["known:", "v/n:", "runs:", "loss:", "interval:", "*:"] {
        assert!(text.contains(word), "{word}:\n{text}");
    }
    assert!(!text.contains("verdict") && !text.contains("eyeball"), "{text}");
    assert!(
        !text.lines().any(|line| line.trim() == "¹"),
        "a mark stays with its word:\n{text}"
    );
}

#[test]
fn access_that_is_not_known_is_not_called_a_data_centre() {
    let mut world = small_world();
    world
        .vantages
        .iter_mut()
        .for_each(|vantage| vantage.access = AccessClass::Unknown);
    let text = report(&world, Weights::people()).text(100);
    assert!(
        text.contains("is not known") && !text.contains("data centre"),
        "{text}"
    );
}

#[test]
fn demo_is_marked_at_both_ends() {
    let text = report(
        &Observations {
            source: Source::Demo,
            ..small_world()
        },
        Weights::people(),
    )
    .text(100);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].contains("DEMO") && lines[lines.len() - 1].contains("DEMO"),
        "{text}"
    );
}

#[test]
fn markdown_holds_the_same_rows_and_shows_every_name_as_it_is() {
    let report = report(&small_world(), Weights::sites());
    let markdown = report.markdown();
    assert!(markdown.starts_with("# Region coverage: "), "{markdown}");
    assert!(!markdown.contains("\n\n\n"), "{markdown}");
    let tables: Vec<&str> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    assert!(tables.len() > 6, "{markdown}");
    assert!(!markdown.contains("<tokyo>"), "{markdown}");
    for line in tables {
        assert!(line.ends_with(" |"), "{line}");
    }
}

#[test]
fn few_days_are_called_provisional() {
    for (days, provisional) in [(6, true), (7, false)] {
        let world = daily(
            vec![node("berlin", "Berlin, DE")],
            vec![vantage("ada", "Hamburg, DE")],
            days,
            &[(0, 0, &[6.0, 7.0])],
            |_, _, _| 0.0,
        );
        let text = report(&world, Weights::sites()).text(100);
        assert_eq!(text.contains("Provisional"), provisional, "{text}");
        assert_eq!(text.contains("days,\nprovisional"), provisional, "{text}");
    }
}

#[test]
fn window_that_begins_at_noon_is_as_long_as_it_is() {
    let mut world = daily(
        vec![node("berlin", "Berlin, DE")],
        vec![vantage("ada", "Paris, FR")],
        16,
        &[(0, 0, &[9.0])],
        |_, _, _| 0.0,
    );
    let about = |world: &Observations| {
        let text = report(world, Weights::sites()).text(200);
        text.lines().next().unwrap().to_owned()
    };
    assert!(about(&world).ends_with(" UTC, 16 days"), "{}", about(&world));
    let whole = world.window.unwrap();
    let shortened = |from_h: i64, to_h: i64| {
        let hours = jiff::SignedDuration::from_hours;
        isochrone_coverage::observations::Window {
            from: whole.from + hours(from_h),
            to: whole.to - hours(to_h),
        }
    };
    for (window, ending) in [
        (shortened(12, 12), " UTC, 15 days (parts of 16 UTC days)"),
        (shortened(12, 10), " UTC, 15 d 2 h (parts of 16 UTC days)"),
    ] {
        world.window = Some(window);
        assert!(about(&world).ends_with(ending), "{}", about(&world));
    }
}

#[test]
fn predicted_rows_are_of_the_predicted_part_alone_and_the_heaviest_stands_first() {
    let mut report = isochrone_coverage::fixture::forecast(&small_world(), Weights::people());
    let at = report.first_budget(&report.classes[0]);
    let regions = &mut report.classes[0].regions;
    let first = regions
        .iter()
        .position(|region| region.predicted.is_some())
        .unwrap();
    let one = regions[first].predicted.clone().unwrap();
    regions.iter_mut().for_each(|region| region.predicted = None);
    // The first is the heavier country, and less of it is predicted.
    for (region, weight, predicted_weight, measured, with) in
        [(0, 100e6, 40e6, 0.6, 0.7), (1, 60e6, 60e6, 0.0, 0.5)]
    {
        let mut predicted = one.clone();
        predicted.weight = predicted_weight;
        predicted.shares[at].within = with;
        regions[region].weight = weight;
        regions[region].shares[at].within = measured;
        regions[region].predicted = Some(predicted);
    }
    let names = [0, 1].map(|at| crate::coverage::words::region_name(&regions[at].id));
    let text = report.text(100);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("Any one dead: what is surely within"), "{text}");
    let table = text.split("Predicted, where no vantage speaks").nth(1).unwrap();
    let lines: Vec<&str> = table.lines().filter(|line| !line.is_empty()).take(4).collect();
    assert!(
        lines[0].contains("people") && !lines[0].contains("weight"),
        "{table}"
    );
    assert!(
        lines[2].starts_with(&names[1]) && lines[2].contains("60.0 M") && lines[2].ends_with("50.0 %"),
        "{table}"
    );
    assert!(
        lines[3].starts_with(&names[0]) && lines[3].contains("40.0 M") && lines[3].ends_with("25.0 %"),
        "{table}"
    );
}

#[test]
fn what_is_special_about_a_region_is_not_cut_off_its_name() {
    use isochrone_coverage::country::Country;
    use isochrone_coverage::report::RegionId;
    let mut report = report(&small_world(), Weights::people());
    let class = &mut report.classes[0];
    let mut part = class
        .regions
        .iter()
        .find(|region| region.measured.is_some())
        .unwrap()
        .clone();
    part.id = RegionId::NoSubdivision(Country::code("US").unwrap());
    class.subdivisions = vec![part];
    let text = report.text(100);
    assert!(text.contains("US, unknown part"), "{text}");
    assert!(report.html().contains("United States, subdivision not known"));
}

#[test]
fn nothing_is_said_of_a_share_of_nobody() {
    let share = |undecided| isochrone_coverage::report::Share {
        undecided,
        unknown: undecided,
        ..report(&small_world(), Weights::sites()).classes[0].shares[0]
    };
    let said = |undecided| crate::coverage::words::surely(&share(undecided), "people");
    assert!(
        said(0.1).contains("for 10.0 % it cannot be told"),
        "{}",
        said(0.1)
    );
    assert!(!said(0.0).contains("cannot be told"), "{}", said(0.0));
}

#[test]
fn region_with_three_samples_is_named_as_chance_and_the_rest_is_there() {
    let nodes = vec![node("berlin", "Berlin, DE"), node("tokyo", "Tokyo, JP")];
    let vantages = vec![vantage("ada", "Hamburg, DE"), vantage("bob", "Lagos, NG")];
    let many = vec![6.0; 20];
    let times: [(usize, usize, &[f64]); 4] =
        [(0, 0, &many), (0, 1, &many), (1, 0, &[110.0]), (1, 1, &[260.0])];
    let world = daily(nodes, vantages, 3, &times, |_, _, _| 0.0);
    let report = isochrone_coverage::fixture::forecast(&world, Weights::people());
    let count = crate::coverage::CountReport {
        count: report.count.clone().unwrap(),
        coverage: report.clone(),
    };
    let sentence = "Fewer than 30 runs reached any node from bob: its figures may be chance.";
    let plain = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [report.text(100), report.html(), report.json().to_string()] {
        assert!(plain(text).contains(sentence));
    }
    for text in [count.text(100), count.html(), count.json().to_string()] {
        assert!(plain(text).contains(sentence));
    }
    let text = report.text(100);
    assert!(
        text.contains("Nigeria") && text.contains("Provisional: measurements of 3 UTC days."),
        "{text}"
    );
}
