use isochrone_borrowed::{
    AtlasResults, GlobalpingResults, Measured, Outcome, Probes, Refusals, Targets, Where, open,
};

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_953_600_000); // 2026-11-29T12:00:00Z

/// By vantage and host: the time, and when.
type Row = (String, String, f64, UnixMillis);

/// What one of the files gives: by vantage and host the time, and what was refused.
fn read(path: &Path, files: &Files, is_atlas: bool) -> (Vec<Row>, Vec<(String, u64)>) {
    let all = super::targets();
    let targets = Targets::new(all.iter().map(|target| (&target.host, target.host.clone())));
    let opened = |path: &Path| open(File::open(path).unwrap()).unwrap();
    let mut rows = Vec::new();
    let mut each = |_: Where, measured: &Measured<'_>| {
        let Outcome::Answered(answer) = &measured.outcome else {
            panic!("{measured:?}")
        };
        rows.push((
            measured.vantage.id.clone(),
            measured.target.to_owned(),
            answer.round_trip().unwrap().millis(),
            measured.at,
        ));
    };
    let mut probes = Probes::default();
    probes
        .read(opened(&files.probes), &mut Refusals::default())
        .unwrap();
    let counts = |refusals: &Refusals| {
        let counts = refusals.counts();
        counts.map(|(rule, count)| (rule.to_string(), count)).collect()
    };
    let refused = match is_atlas {
        true => {
            let mut results = AtlasResults::new(opened(path), &probes, &targets, NOW);
            while results.read(1_000, &mut each).unwrap() {}
            counts(results.refusals())
        }
        false => {
            let mut results = GlobalpingResults::new(opened(path), &targets, NOW);
            while results.read(1_000, &mut each).unwrap() {}
            counts(results.refusals())
        }
    };
    (rows, refused)
}

#[test]
fn files_of_the_platforms_are_read_as_such_and_give_the_hidden_truth() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), NOW).unwrap();
    let eyes = eyes();
    let (mut rows, mut refused) = (Vec::new(), 0);
    for (path, is_atlas) in [
        (&files.atlas[0], true),
        (&files.atlas[1], true),
        (&files.globalping, false),
    ] {
        let (more, left_out) = read(path, &files, is_atlas);
        assert!(!more.is_empty(), "{}", path.display());
        rows.extend(more);
        refused += left_out.iter().map(|(_, count)| count).sum::<u64>();
    }
    let targets = 9 + CANDIDATES.len();
    assert_eq!(rows.len(), (STANDING + 1) * targets, "one of them is misplaced");
    assert_eq!(
        refused as usize,
        2 * targets,
        "the private one, and the broken one"
    );
    let vantages: std::collections::BTreeSet<_> = rows.iter().map(|(id, ..)| id.clone()).collect();
    assert_eq!(vantages.len(), STANDING + 1);
    let shanghai = &eyes[0];
    let number = shanghai.number.unwrap().to_string();
    let tokyo = address_of(8).to_string();
    let way = way_ms(&shanghai.spot, &Spot::of_city(8)) + LAST_MILE_MS;
    let row = rows.iter().find(|(id, host, ..)| *id == number && *host == tokyo);
    assert!((row.unwrap().2 - way).abs() < 0.01, "{row:?}: {way}");
    let ages: std::collections::BTreeSet<_> = rows.iter().map(|row| (NOW.0 - row.3.0) / 86_400_000).collect();
    assert_eq!(ages.into_iter().collect::<Vec<_>>(), [0, 44], "some are older");
}

#[test]
fn misplaced_eye_is_contradicted_by_light_and_no_other_is() {
    let nodes: Vec<usize> = (0..CITIES.len()).filter(|&city| CITIES[city].has_node).collect();
    for eye in eyes() {
        let claimed = position(eye.claims).unwrap();
        let contradicts = nodes.iter().filter(|&&city| {
            let node = Position::new(CITIES[city].latitude, CITIES[city].longitude).unwrap();
            let ms = way_ms(&eye.spot, &Spot::of_city(city)) + LAST_MILE_MS;
            claimed.distance_km(node) > isochrone_coverage::light::most_km(ms) + 50.0
        });
        let is_odd = eye.claims != eye.spot.place;
        assert_eq!(
            contradicts.count() >= 2,
            is_odd,
            "{} of {}",
            eye.claims,
            eye.spot.place
        );
    }
}
