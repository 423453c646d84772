//! Imported documents as what a coverage report is made from: of them alone, and of those whose vantage has a place.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::roster::Roster;
use isochrone_base::words::timestamp;
use isochrone_coverage::country::Country;
use isochrone_coverage::geo::Position;
use isochrone_coverage::note::{ImportedSpan, Note};
use isochrone_coverage::observations::{
    AccessClass, Basis, Day, DayReading, Node, Observations, Readings, Samples, Source, TtfbKind, Vantage,
    Window as Span,
};
use isochrone_store::imported::{
    Imported, ImportedAsset, ImportedCache, ImportedIndex, ImportedPlace, ImportedSeen, ImportedStatus,
};
use isochrone_store::{Store, StoreError};

use super::nodes::{ever, node_at};
use crate::coverage::node_of;
use crate::coverage::notes::sentence;
use crate::log::{DAY_MS, Window};

/// Reads what was imported of `window`; of all time where there is none. Its times are those to the first byte of assets
/// that the node held, of operators-ping alone: the older documents hold none.
///
/// # Errors
/// When the store failed.
pub fn from_store(
    store: &Store,
    roster: &Roster,
    window: Option<Window>,
) -> Result<Observations, StoreError> {
    let imported = Imported::of(store);
    let sources = imported.sources()?;
    let ever = ever(&sources);
    let (first, last) = ever.map_or_else(Default::default, |(_, first, last)| (first, last.plus(INSTANT)));
    let window = window.map_or((first, last), |window| {
        (window.from.max(first), window.until.min(last))
    });
    let window = (window.0, window.1.max(window.0));
    let pings = sources
        .iter()
        .filter(|source| source.index == ImportedIndex::OperatorsPing);
    let places: BTreeMap<&str, &ImportedPlace> = pings
        .clone()
        .filter_map(|source| Some((&*source.vantage, source.place.as_ref()?)))
        .collect();
    let mut read = Read::default();
    imported.days(window, &mut |day| {
        if day.index != ImportedIndex::OperatorsPing {
            read.older += day.runs.len() as u64;
            return;
        }
        read.documents += day.runs.len() as u64;
        if !places.contains_key(&*day.vantage) {
            read.unplaced.insert(day.vantage);
            return;
        }
        for (at, seen) in day.runs {
            let key = (day.vantage.clone(), day.endpoint.clone(), at.0 / DAY_MS);
            add(read.days.entry(key).or_default(), seen);
        }
    })?;
    Ok(read.observations((&places, roster), (window, ever.map(|(_, from, to)| (from, to)))))
}

/// What counts: a node that did not answer, or did not serve, counts as lost. A switched-off bucket says nothing.
fn add(samples: &mut Samples, seen: ImportedSeen) {
    if !seen.distributing {
        return;
    }
    match seen.asset {
        ImportedAsset::Served {
            us: Some(us),
            cache: ImportedCache::Hit,
        } => {
            let _is_a_time = samples.times.record_us(f64::from(us));
        }
        ImportedAsset::Failed { .. } => samples.lost += 1,
        ImportedAsset::NotTried if seen.status == ImportedStatus::Dead => samples.lost += 1,
        ImportedAsset::NotTried | ImportedAsset::Absent { .. } | ImportedAsset::Served { .. } => {}
    }
}

#[derive(Default)]
struct Read {
    documents: u64,
    /// Of distributors-status, which hold no time to first byte.
    older: u64,
    unplaced: BTreeSet<String>,
    days: BTreeMap<(String, String, u64), Samples>,
}

type Times = (
    isochrone_proto::units::UnixMillis,
    isochrone_proto::units::UnixMillis,
);

impl Read {
    fn observations(
        self,
        (places, roster): (&BTreeMap<&str, &ImportedPlace>, &Roster),
        (window, ever): (Times, Option<Times>),
    ) -> Observations {
        let span = |(from, to): Times| Span {
            from: timestamp(from),
            to: timestamp(to),
        };
        let mut vantages: Vec<Vantage> = Vec::new();
        let mut nodes: Vec<Node> = Vec::new();
        let mut readings = Vec::new();
        for ((vantage, endpoint, day), samples) in self.days {
            let name = format!("{vantage} (imported)");
            let Some(made) = places.get(&*vantage).and_then(|place| vantage_at(&name, place)) else {
                continue;
            };
            let vantage = place_of(&mut vantages, made, |vantage| &vantage.name);
            let found = node_at(roster, &endpoint).map_or_else(|| unlisted(&endpoint), node_of);
            let node = place_of(&mut nodes, found, |node| &node.name);
            readings.push(DayReading {
                vantage,
                node,
                day: Day(i32::try_from(day).unwrap_or(i32::MAX)),
                ttfb: (!samples.times.is_empty()).then(|| (TtfbKind::Cached, samples.clone())),
                rtt: samples,
                throughput: Samples::default(),
            });
        }
        let mut notes = vec![Note::Imported(ImportedSpan {
            documents: self.documents,
            without_times: self.older,
            ever: ever.map(|(from, to)| (timestamp(from), timestamp(to))),
        })];
        if !self.unplaced.is_empty() {
            let vantages = self.unplaced.into_iter().collect();
            notes.push(Note::ImportedUnplaced { vantages });
        }
        Observations {
            source: Source::Imported,
            basis: Basis::Ttfb,
            window: Some(span(window)),
            nodes,
            vantages,
            readings: Readings::Days(readings),
            echoes: Vec::new(),
            eyes: Vec::new(),
            notes,
        }
    }
}

/// Where one of that name is in `all`, once it is.
fn place_of<T>(all: &mut Vec<T>, one: T, name: impl Fn(&T) -> &str) -> usize {
    let known = all.iter().position(|known| name(known) == name(&one));
    known.unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    })
}

fn vantage_at(name: &str, place: &ImportedPlace) -> Option<Vantage> {
    Some(Vantage {
        name: name.to_owned(),
        site: place.site.clone(),
        position: Position::new(place.latitude, place.longitude)?,
        country: Country::code(&place.country),
        network: None,
        access: AccessClass::Unknown,
        worker: None,
        own_node: None,
    })
}

/// A node that is in no list: where it stands is not known.
fn unlisted(endpoint: &str) -> Node {
    Node {
        name: endpoint.to_owned(),
        site: endpoint.to_owned(),
        position: None,
        country: None,
        worker: None,
    }
}

/// Why no report can be made of it, in sentences; `None`: one can.
#[must_use]
pub fn nothing(observations: &Observations) -> Option<String> {
    let is_empty = match &observations.readings {
        Readings::Days(days) => days.is_empty(),
        Readings::Single { values, .. } => values.is_empty(),
    };
    is_empty.then(|| {
        let sentences: Vec<_> = observations.notes.iter().map(sentence).collect();
        sentences.join(" ")
    })
}

/// The least that a window holds.
const INSTANT: std::time::Duration = std::time::Duration::from_millis(1);
