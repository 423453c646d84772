//! The demo's borrowed eyes: vantages of public platforms, whose files its world writes and `import` takes in.
//!
//! Two dozen stand where they say, at heavy cities that no probe of the demo is near. One more does not, one is private and
//! one is tagged as broken: what becomes of these is part of the story.

mod atlas;
mod globalping;
mod ways;

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use isochrone_borrowed::Access;
use isochrone_coverage::cities;
use isochrone_coverage::geo::Position;
use isochrone_proto::units::UnixMillis;
use tokio::time::Duration;

use self::ways::{Spot, way_ms};
use super::world::CITIES;

/// A vantage of a public platform.
struct Eye {
    /// Its number on RIPE Atlas; `None`: it is Globalping's, which numbers none.
    number: Option<u32>,
    /// "City, CC": where it says that it stands.
    claims: &'static str,
    /// Where it stands.
    spot: Spot,
    network: u32,
    access: Access,
    /// What its platform says of it beside.
    mark: Mark,
}

/// What a platform says of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    None,
    Private,
    Broken,
}

/// Something that eyes measure.
struct Target {
    /// As it stands in targets.toml.
    host: String,
    /// Where it stands.
    spot: Spot,
    /// The measurement's number on RIPE Atlas.
    measurement: u32,
}

/// Places that might get a node, with a server of somebody's that answers there: "City, CC", and its host.
pub(super) const CANDIDATES: [(&str, &str, Spot); 5] = [
    ("shanghai-provider", "shanghai.example.net", ways::SHANGHAI),
    ("cairo-provider", "cairo.example.net", ways::CAIRO),
    ("london-provider", "london.example.net", ways::LONDON),
    ("mexicocity-provider", "mexicocity.example.net", ways::MEXICO_CITY),
    ("nairobi-provider", "nairobi.example.net", ways::NAIROBI),
];

/// Of which eyes there are how many.
pub(super) const STANDING: usize = 24;

/// The files that `import` takes.
pub(super) struct Files {
    /// Of RIPE Atlas: results, of which the second are packed and older.
    pub(super) atlas: [PathBuf; 2],
    /// Its list of probes.
    pub(super) probes: PathBuf,
    /// Of Globalping: a measurement a line.
    pub(super) globalping: PathBuf,
}

/// The address at which a city's node listens: each has its own, for platforms know no port.
pub(super) const fn address_of(city: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 101 + city as u8)
}

/// Writes what the eyes measured until `now`: of every node and every candidate.
pub(super) fn write(folder: &Path, now: UnixMillis) -> anyhow::Result<Files> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let files = Files {
        atlas: ["atlas-results.json", "atlas-older.json.gz"].map(|name| folder.join(name)),
        probes: folder.join("atlas-probes.json"),
        globalping: folder.join("globalping.json"),
    };
    let (eyes, targets) = (eyes(), targets());
    let (newest, older) = (now.minus(YESTERDAY), now.minus(WEEKS_AGO));
    let (late, early): (Vec<&Eye>, Vec<&Eye>) = eyes.iter().partition(|eye| !is_older(eye));
    put(&files.atlas[0], atlas::array(&late, &targets, newest)?.as_bytes())?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(atlas::lines(&early, &targets, older)?.as_bytes())?;
    put(&files.atlas[1], &packed.finish()?)?;
    put(&files.probes, atlas::probes(&eyes)?.as_bytes())?;
    put(
        &files.globalping,
        globalping::lines(&eyes, &targets, newest)?.as_bytes(),
    )?;
    Ok(files)
}

fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> io::Result<()> { File::create(path)?.write_all(bytes) };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// These measured some weeks before the others.
fn is_older(eye: &Eye) -> bool {
    eye.number.is_some_and(|number| number % 4 == 0)
}

fn eyes() -> Vec<Eye> {
    let mut eyes = Vec::new();
    for (place, spot) in ways::STANDING.iter().enumerate() {
        let number = FIRST_NUMBER + place as u32;
        eyes.push(Eye {
            number: (place % 3 != 2).then_some(number),
            claims: spot.place,
            spot: *spot,
            network: FIRST_NETWORK + place as u32,
            access: if place % 6 == 5 {
                Access::DataCentre
            } else {
                Access::Eyeball
            },
            mark: Mark::None,
        });
    }
    for (at, (claims, spot, mark)) in [
        ("Lima, PE", ways::LONDON, Mark::None),
        (ways::CAIRO.place, ways::CAIRO, Mark::Private),
        (ways::SHANGHAI.place, ways::SHANGHAI, Mark::Broken),
    ]
    .into_iter()
    .enumerate()
    {
        eyes.push(Eye {
            number: Some(ODD_NUMBER + at as u32),
            claims,
            spot,
            network: FIRST_NETWORK + 40 + at as u32,
            access: Access::Eyeball,
            mark,
        });
    }
    eyes
}

fn targets() -> Vec<Target> {
    let nodes = CITIES.iter().enumerate().filter(|(_, city)| city.has_node);
    let nodes = nodes.map(|(index, _)| (address_of(index).to_string(), Spot::of_city(index)));
    let candidates = CANDIDATES
        .iter()
        .map(|(_, host, spot)| ((*host).to_owned(), *spot));
    let all = nodes.chain(candidates).zip(FIRST_MEASUREMENT..);
    all.map(|((host, spot), measurement)| Target {
        host,
        spot,
        measurement,
    })
    .collect()
}

/// Three echoes of one ping, in milliseconds: the shortest is the way itself.
fn echoes(eye: &Eye, target: &Target) -> [f64; 3] {
    let last_mile = match eye.access {
        Access::Eyeball => LAST_MILE_MS,
        Access::DataCentre | Access::Unknown => 0.5,
    };
    let way = way_ms(&eye.spot, &target.spot) + last_mile;
    let more = |part: u32| f64::from((eye.network * 7 + target.measurement * 13 + part * 29) % 40) / 1_000.0;
    [way * (1.01 + more(1)), way, way * (1.02 + more(2))]
}

/// Where a place stands, by its name.
fn position(place: &str) -> anyhow::Result<Position> {
    let city = cities::find(place).with_context(|| format!("{place} is in no list of cities"))?;
    Ok(city.position)
}

const YESTERDAY: Duration = Duration::from_secs(20 * 3_600);
/// When the packed file was measured.
const WEEKS_AGO: Duration = Duration::from_secs(45 * 86_400);
/// What a line that people use adds.
const LAST_MILE_MS: f64 = 8.0;
const FIRST_NUMBER: u32 = 60_001;
/// Of the probes that are misplaced, private or broken.
const ODD_NUMBER: u32 = 60_101;
/// Of the range reserved for documentation, beside the demo's own.
const FIRST_NETWORK: u32 = 65_536;
const FIRST_MEASUREMENT: u32 = 90_000_001;

#[cfg(test)]
mod tests;
