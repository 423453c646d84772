//! What borrowed eyes measured of nodes, in short: in no figure of the report, and in no verdict.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use isochrone_base::roster::Roster;
use isochrone_base::words::{self, count, date_time};
use isochrone_borrowed::{Access, Outcome, Platform, host_as_kept};
use isochrone_proto::units::UnixMillis;
use isochrone_store::borrowed::Borrowed;
use isochrone_store::{Store, StoreError};
use serde::{Serialize, Serializer};

use crate::log::Window;

/// What borrowed eyes measured of a node in the window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BorrowedNode {
    /// The node's name.
    pub node: String,
    /// How many eyes measured it.
    pub eyes: usize,
    /// How many of them on people's lines.
    pub eyeballs: usize,
    /// How many of them in data centres.
    pub data_centres: usize,
    /// Measurements.
    pub measurements: u64,
    /// How many of them were answered.
    pub answered: u64,
    /// The last one's time.
    #[serde(serialize_with = "rfc3339")]
    pub newest: UnixMillis,
}

#[derive(Default)]
struct Counts {
    eyes: BTreeSet<(Platform, String)>,
    measurements: u64,
    answered: u64,
    newest: UnixMillis,
}

/// By node, by name; nodes that no eye measured are not in it.
pub(super) fn read(store: &Store, roster: &Roster, window: Window) -> Result<Vec<BorrowedNode>, StoreError> {
    let borrowed = Borrowed::of(store);
    let vantages = borrowed.vantages()?.into_iter().map(|known| known.vantage);
    let access: HashMap<(Platform, String), Access> = vantages
        .map(|vantage| ((vantage.platform, vantage.id), vantage.access))
        .collect();
    if access.is_empty() {
        return Ok(Vec::new());
    }
    let mut names: HashMap<String, Vec<&str>> = HashMap::new();
    for node in roster.nodes() {
        if let Some(host) = host_as_kept(&node.url) {
            names.entry(host).or_default().push(&node.name);
        }
    }
    let mut nodes: BTreeMap<&str, Counts> = BTreeMap::new();
    borrowed.days((window.from, window.until), &mut |day| {
        for name in names.get(&day.host).into_iter().flatten() {
            let counts = nodes.entry(name).or_default();
            counts.eyes.insert((day.platform, day.vantage.clone()));
            counts.measurements += day.runs.len() as u64;
            let answered = day
                .runs
                .iter()
                .filter(|run| matches!(run.outcome, Outcome::Answered(_)));
            counts.answered += answered.count() as u64;
            let newest = day.runs.iter().map(|run| run.at).max();
            counts.newest = counts.newest.max(newest.unwrap_or_default());
        }
    })?;
    let node = |(name, counts): (&str, Counts)| {
        let of = |wanted| {
            counts
                .eyes
                .iter()
                .filter(|eye| access.get(eye) == Some(&wanted))
                .count()
        };
        BorrowedNode {
            node: name.to_owned(),
            eyes: counts.eyes.len(),
            eyeballs: of(Access::Eyeball),
            data_centres: of(Access::DataCentre),
            measurements: counts.measurements,
            answered: counts.answered,
            newest: counts.newest,
        }
    };
    Ok(nodes.into_iter().map(node).collect())
}

/// Above the sentences.
pub(super) const TITLE: &str = "Borrowed eyes";
/// Below the title.
pub(super) const ABOUT: &str = "Vantages of public platforms, as they were imported: in no figure above, and in no verdict. What they say \
                                of distances is in `report coverage`.";

fn rfc3339<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&words::rfc3339(*at))
}

/// A sentence for each node.
pub(super) fn sentences(nodes: &[BorrowedNode]) -> Vec<String> {
    let sentence = |one: &BorrowedNode| {
        format!(
            "{}: {} ({} on people's lines, {} in data centres), {} of {} answered, the last at {} UTC.",
            one.node,
            count(one.eyes, "borrowed eye"),
            one.eyeballs,
            one.data_centres,
            one.answered,
            count(
                usize::try_from(one.measurements).unwrap_or(usize::MAX),
                "measurement"
            ),
            &date_time(one.newest)[..16],
        )
    };
    nodes.iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use isochrone_base::fixture;
    use isochrone_base::roster::NodeEntry;
    use isochrone_borrowed::{Answer, Cause, Echoes, Failure, Kind, Micros, Place, Vantage};
    use isochrone_store::StoreOptions;
    use isochrone_store::borrowed::{BorrowedBatch, BorrowedRun, BorrowedSeen};

    use super::*;

    const NOON: u64 = 1_795_867_200_000; // 2026-11-28T12:00:00Z

    #[test]
    fn eyes_of_a_node_are_counted_with_what_was_answered_in_the_window_alone() {
        let store = Store::in_memory(StoreOptions::default()).unwrap();
        let vantage = |id: &str, access| Vantage {
            platform: Platform::Atlas,
            id: id.to_owned(),
            place: Place::at(-1.29, 36.82).unwrap(),
            network_v4: None,
            network_v6: None,
            access,
        };
        let answered = Outcome::Answered(Answer::Ping(Echoes {
            min: Micros::try_from(9_000).unwrap(),
            median: None,
            sent: 3,
            received: 3,
        }));
        let failed = Outcome::Failed(Failure {
            cause: Cause::NoReply,
            sent: 3,
            words: String::new(),
        });
        let run = |vantage: usize, at: u64, outcome: &Outcome| BorrowedRun {
            vantage,
            host: "tokyo.example.org".to_owned(),
            seen: BorrowedSeen {
                at: UnixMillis(at),
                measurement: "1".to_owned(),
                part: 0,
                kind: Kind::Ping,
                family: None,
                outcome: outcome.clone(),
            },
        };
        let batch = BorrowedBatch {
            vantages: vec![vantage("1", Access::Eyeball), vantage("2", Access::DataCentre)],
            runs: vec![
                run(0, NOON, &answered),
                run(0, NOON + 60_000, &failed),
                run(1, NOON - 1, &answered),
                run(1, NOON - 86_400_000, &answered),
            ],
        };
        Borrowed::of(&store).take(&batch, false).unwrap();
        let tokyo = NodeEntry {
            url: "https://Tokyo.example.org:443/distributor/".to_owned(),
            ..fixture::node("tokyo", "ken")
        };
        let lima = NodeEntry {
            url: "https://lima.example.org/".to_owned(),
            ..fixture::node("lima", "pia")
        };
        let window = Window {
            from: UnixMillis(NOON - 3_600_000),
            until: UnixMillis(NOON + 3_600_000),
        };
        let read = read(&store, &Roster::new([], [tokyo, lima]), window).unwrap();
        assert_eq!(
            sentences(&read),
            [
                "tokyo: 2 borrowed eyes (1 on people's lines, 1 in data centres), 2 of 3 measurements answered, the last at \
              2026-11-28 12:01 UTC."
            ]
        );
    }
}
