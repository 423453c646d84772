//! What was imported of public platforms, as eyes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use isochrone_base::roster::{CandidateEntry, Roster};
use isochrone_borrowed::{Access, Answer, Outcome, Platform, host_as_kept};
use isochrone_coverage::cities;
use isochrone_coverage::country::Country;
use isochrone_coverage::geo::Position;
use isochrone_coverage::observations::{
    AccessClass, CandidateSite, CandidateTime, Eye, EyeSource, EyeTime, Network, Node,
};
use isochrone_proto::units::UnixMillis;
use isochrone_store::Store;
use isochrone_store::StoreError;
use isochrone_store::borrowed::{Borrowed, BorrowedSeen, BorrowedVantage};

use crate::log::DAY_MS;

/// What was imported, as a report needs it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The eyes that measured a node, by platform and name.
    pub(crate) eyes: Vec<Eye>,
    /// All places that might get a node, and what these eyes measured of them.
    pub(crate) candidates: Vec<CandidateSite>,
}

/// What eyes measured of nodes and candidates in the year before `until`. An eye that measured no node says nothing of what
/// another one would bring, and is left out.
///
/// # Errors
/// When the store failed.
pub(crate) fn eyes(
    store: &Store,
    (roster, nodes): (&Roster, &[Node]),
    until: UnixMillis,
) -> Result<Seen, StoreError> {
    let borrowed = Borrowed::of(store);
    let vantages = borrowed.vantages()?;
    let sites = roster.candidates().iter().filter_map(candidate);
    let mut seen = Seen {
        eyes: Vec::new(),
        candidates: sites.collect(),
    };
    if vantages.is_empty() {
        return Ok(seen);
    }
    // what a vantage measured from an earlier place says nothing of where it stands now
    let moved = vantages.iter().filter_map(|known| {
        let until = known.moved.first()?.until;
        Some(((known.vantage.platform, known.vantage.id.clone()), until))
    });
    let since: HashMap<(Platform, String), UnixMillis> = moved.collect();
    let hosts = hosts(roster, nodes, &seen.candidates);
    let mut answers: BTreeMap<(Platform, String), BTreeMap<usize, Vec<Answered>>> = BTreeMap::new();
    let from = until.minus(Duration::from_millis(YEAR_DAYS * DAY_MS));
    borrowed.days((from, until), &mut |day| {
        let Some(here) = hosts.get(&day.host) else { return };
        let key = (day.platform, day.vantage);
        let stands_since = since.get(&key).copied().unwrap_or_default();
        let runs = day.runs.iter().filter(|run| run.at >= stands_since);
        let times: Vec<_> = runs.filter_map(|run| Answered::of(day.platform, run)).collect();
        if times.is_empty() {
            return;
        }
        let of = answers.entry(key).or_default();
        for &node in here {
            of.entry(node).or_default().extend(&times);
        }
    })?;
    let eye = |known: &BorrowedVantage| {
        let key = (known.vantage.platform, known.vantage.id.clone());
        eye(known, answers.get(&key)?, until)
    };
    for mut eye in vantages.iter().filter_map(eye) {
        let (of_nodes, of_candidates): (Vec<_>, Vec<_>) =
            eye.times.into_iter().partition(|time| time.node < nodes.len());
        eye.times = of_nodes;
        if eye.times.is_empty() {
            continue;
        }
        for time in of_candidates {
            seen.candidates[time.node - nodes.len()]
                .times
                .push(CandidateTime {
                    source: eye.source,
                    eye: eye.name.clone(),
                    rtt_ms: time.rtt_ms,
                    age_days: time.age_days,
                    answers: time.answers,
                });
        }
        seen.eyes.push(eye);
    }
    Ok(seen)
}

fn candidate(entry: &CandidateEntry) -> Option<CandidateSite> {
    Some(CandidateSite {
        name: entry.name.clone(),
        place: entry.place.clone(),
        position: Position::new(entry.latitude, entry.longitude)?,
        country: entry.country.as_deref().and_then(Country::code),
        own: Vec::new(),
        times: Vec::new(),
    })
}

/// By host, as platforms write it: the nodes there; the first candidate, where no node is there.
fn hosts(roster: &Roster, nodes: &[Node], candidates: &[CandidateSite]) -> HashMap<String, Vec<usize>> {
    let mut hosts: HashMap<String, Vec<usize>> = HashMap::new();
    for entry in roster.nodes() {
        let place = nodes.iter().position(|node| node.name == entry.name);
        if let (Some(node), Some(host)) = (place, host_as_kept(&entry.url)) {
            hosts.entry(host).or_default().push(node);
        }
    }
    for entry in roster.candidates() {
        let place = candidates.iter().position(|site| site.name == entry.name);
        // a host stands at one place: what a node's host answered says nothing of another
        if let (Some(site), Some(host)) = (place, host_as_kept(&entry.url)) {
            hosts.entry(host).or_insert_with(|| vec![nodes.len() + site]);
        }
    }
    hosts
}

/// One round trip.
#[derive(Clone, Copy)]
struct Answered {
    at: UnixMillis,
    rtt_ms: f64,
    /// Told well enough to judge a place by.
    is_exact: bool,
}

impl Answered {
    /// A failure has no time, and says nothing here.
    fn of(platform: Platform, run: &BorrowedSeen) -> Option<Self> {
        let Outcome::Answered(answer) = &run.outcome else {
            return None;
        };
        let in_whole_millis = platform == Platform::Globalping && matches!(answer, Answer::Http(_));
        Some(Self {
            at: run.at,
            rtt_ms: answer.round_trip()?.millis(),
            is_exact: !in_whole_millis,
        })
    }
}

/// What people call the place where a vantage says that it stands: as its platform does, or after the largest city of its
/// country there, or the nearest one.
pub(crate) fn site(known: &BorrowedVantage) -> String {
    let place = &known.vantage.place;
    let country = place.country.as_deref().and_then(Country::code);
    let city = place.city.clone().or_else(|| {
        let position = Position::new(place.latitude, place.longitude)?;
        let largest = cities::table().largest_near(position, THERE_KM);
        let largest = largest.filter(|city| country.is_none_or(|country| city.country == country));
        let city = largest.or_else(|| Some(cities::table().nearest(position)?.0))?;
        Some(city.name.to_owned())
    });
    match (city, country) {
        (Some(city), Some(country)) => format!("{city}, {country}"),
        (Some(city), None) => city,
        (None, _) => format!("{:.1}, {:.1}", place.latitude, place.longitude),
    }
}

/// What stands so near to the middle of a city is in it: many have districts that are places of their own.
const THERE_KM: f64 = 10.0;

fn eye(known: &BorrowedVantage, answers: &BTreeMap<usize, Vec<Answered>>, until: UnixMillis) -> Option<Eye> {
    let vantage = &known.vantage;
    let (latitude, longitude) = (vantage.place.latitude, vantage.place.longitude);
    let position = Position::new(latitude, longitude)?;
    let country = vantage.place.country.as_deref().and_then(Country::code);
    let site = site(known);
    let network = vantage.network_v4.or(vantage.network_v6).map(Network);
    Some(Eye {
        name: vantage.id.clone(),
        source: match vantage.platform {
            Platform::Atlas => EyeSource::Atlas,
            Platform::Globalping => EyeSource::Globalping,
        },
        site,
        position,
        network,
        country,
        access: match vantage.access {
            Access::Eyeball => AccessClass::Eyeball,
            Access::DataCentre => AccessClass::DataCentre,
            Access::Unknown => AccessClass::Unknown,
        },
        times: answers
            .iter()
            .filter_map(|(&node, times)| time(node, times, until))
            .collect(),
    })
}

/// Of the month before the newest one: what was measured long before says less.
fn time(node: usize, answers: &[Answered], until: UnixMillis) -> Option<EyeTime> {
    let newest = answers.iter().map(|one| one.at).max()?;
    let from = newest.minus(Duration::from_millis(MONTH_DAYS * DAY_MS));
    let recent = || answers.iter().filter(|one| one.at >= from);
    let mut times: Vec<f64> = recent().map(|one| one.rtt_ms).collect();
    times.sort_by(f64::total_cmp);
    let last = times.len().checked_sub(1)?;
    let exact = recent().filter(|one| one.is_exact).map(|one| one.rtt_ms);
    Some(EyeTime {
        node,
        rtt_ms: f64::midpoint(times[last / 2], times[last.div_ceil(2)]),
        least_ms: exact.min_by(f64::total_cmp),
        age_days: until.0.saturating_sub(newest.0) as f64 / DAY_MS as f64,
        answers: times.len() as u64,
    })
}

/// Older times are left out.
const YEAR_DAYS: u64 = 366;
const MONTH_DAYS: u64 = 30;
