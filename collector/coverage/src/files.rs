//! Measurements from two CSV files, `sites.csv` and `rtt.csv`: read whole, or not at all.

mod candidates;
mod doubts;
mod mesh;
mod rtt;
mod sites;
pub(crate) mod table;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

pub use candidates::read_candidates;
pub use mesh::{Mesh, read_mesh};
pub(crate) use sites::country_of;

use crate::names::composed;
use crate::observations::{AccessClass, Basis, Node, Observations, Readings, SingleReading, Source, Vantage};

/// A larger file is refused.
pub(crate) const LARGEST_FILE: u64 = 512 << 20;
/// More sites, or more rows of weights, are refused.
pub(crate) const MOST_SITES: usize = 100_000;

/// A file's name and contents.
#[derive(Clone, Debug)]
pub struct FileText {
    name: String,
    bytes: Vec<u8>,
}

impl FileText {
    /// Contents that are at hand; `name` is what errors call them.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(name.into(), bytes.into())
    }

    /// Names in it are in their composed form; bytes that are no text stay as they are, for the error that tells of them.
    fn of(name: String, bytes: Vec<u8>) -> Self {
        let bytes = match std::str::from_utf8(&bytes) {
            Ok(text) if !text.is_ascii() => composed(text).into_bytes(),
            _ => bytes,
        };
        Self { name, bytes }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is larger than `LARGEST_FILE`.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Self::load_up_to(path, LARGEST_FILE)
    }

    /// Reads a file of at most `limit` bytes.
    ///
    /// # Errors
    /// The file cannot be read, or is larger.
    pub fn load_up_to(path: &Path, limit: u64) -> Result<Self, FileError> {
        let name = path.display().to_string();
        let unreadable = |source| FileError::Unreadable {
            file: name.clone(),
            source,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > limit {
            return Err(FileError::TooLarge {
                file: name,
                limit_mib: limit >> 20,
            });
        }
        Ok(Self::of(name, bytes))
    }

    /// Its contents as text.
    ///
    /// # Errors
    /// They are not UTF-8; the error names the line.
    pub fn into_text(self) -> Result<String, FileError> {
        let Self { name, bytes } = self;
        String::from_utf8(bytes).map_err(|error| {
            let sound = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            FileError::NotUtf8 {
                file: name,
                line: 1 + sound.iter().filter(|byte| **byte == b'\n').count() as u64,
            }
        })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What is wrong with a file, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot read {file}: check that it exists and that you may read it")]
    Unreadable {
        /// Its path, as it was given.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than any measurement this reads.
    #[error("{file} is larger than {limit_mib} MiB: split it, or keep only the rows of your nodes")]
    TooLarge {
        /// Its path, as it was given.
        file: String,
        /// The most that is read, in MiB.
        limit_mib: u64,
    },
    /// It holds more rows than this reads.
    #[error("{file}:{line}: more than {limit} rows: split the file")]
    TooMany {
        /// Its path, as it was given.
        file: String,
        /// The first line too many.
        line: u64,
        /// The most rows that are read.
        limit: usize,
    },
    /// It is not UTF-8 text.
    #[error("{file}:{line}: not UTF-8 text: save the file as UTF-8 (a spreadsheet calls it “CSV UTF-8”)")]
    NotUtf8 {
        /// Its path, as it was given.
        file: String,
        /// Counted from 1: the header is line 1.
        line: u64,
    },
    /// It has no header, or nothing below it.
    #[error("{file} holds no rows: it needs a header line and at least one line below it")]
    Empty {
        /// Its path, as it was given.
        file: String,
    },
    /// The header does not name all that is needed.
    #[error("{file}:1: no column `{column}`: {hint}")]
    MissingColumn {
        /// Its path, as it was given.
        file: String,
        /// Its name in the header.
        column: String,
        /// What it looks like, and what to do.
        hint: &'static str,
    },
    /// A column is named twice.
    #[error("{file}:1: column `{column}` is named twice: remove or rename one")]
    ColumnTwice {
        /// Its path, as it was given.
        file: String,
        /// Its name in the header.
        column: String,
    },
    /// A row has more or fewer fields than the header.
    #[error(
        "{file}:{line}: {found} fields where the header has {expected}: look for a missing or unquoted comma"
    )]
    Fields {
        /// Its path, as it was given.
        file: String,
        /// Counted from 1: the header is line 1.
        line: u64,
        /// Fields in the row.
        found: usize,
        /// Fields in the header.
        expected: usize,
    },
    /// A name is missing.
    #[error("{file}:{line}: `{column}` is empty: fill it in or remove the line")]
    NoName {
        /// Its path, as it was given.
        file: String,
        /// Counted from 1: the header is line 1.
        line: u64,
        /// Its name in the header.
        column: String,
    },
    /// A value is not a number, or not one that can be.
    #[error("{file}:{line}: {column} = `{value}`: {expected}")]
    Number {
        /// Its path, as it was given.
        file: String,
        /// Counted from 1: the header is line 1.
        line: u64,
        /// Its name in the header.
        column: String,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// Something occurs twice.
    #[error("{file}:{line}: {what} `{value}` was already given in line {first}: remove one of the two")]
    Twice {
        /// Its path, as it was given.
        file: String,
        /// Counted from 1: the header is line 1.
        line: u64,
        /// What kind of thing.
        what: &'static str,
        /// As it stands in the file.
        value: String,
        /// Where it first stood.
        first: u64,
    },
    /// A site that is not known.
    #[error("{file}:{line}: site `{site}` is not in {known_from}: add it there, or remove this line")]
    UnknownSite {
        /// Its path, as it was given.
        file: String,
        /// Counted from 1: the header is line 1.
        line: u64,
        /// Its name, as this line spells it.
        site: String,
        /// Where sites are listed.
        known_from: String,
    },
    /// A country that is not known.
    #[error("{file}:{line}: country `{value}` is not known: write its two-letter ISO code, such as DE")]
    UnknownCountry {
        /// Its path, as it was given.
        file: String,
        /// Counted from 1: the header is line 1.
        line: u64,
        /// What it says.
        value: String,
    },
    /// No site has coordinates.
    #[error(
        "{file}: no site has coordinates, so nothing can be said of any region: fill in latitude and longitude"
    )]
    NoPlaces {
        /// Its path, as it was given.
        file: String,
    },
    /// None of the columns of times is there.
    #[error(
        "{file}:1: no column of times: name one of `rtt_ms`, `min_rtt_ms`, `p50_rtt_ms` in the header line"
    )]
    NoTimes {
        /// Its path, as it was given.
        file: String,
    },
    /// A name given as node is no site.
    #[error("--nodes: `{node}` is not a site of {file}{}", suggestion(.nearest))]
    UnknownNode {
        /// The name.
        node: String,
        /// The file of sites.
        file: String,
        /// A site that is spelled alike.
        nearest: Option<String>,
    },
    /// A node is named twice.
    #[error("--nodes: `{node}` is named twice: name each node once")]
    NodeTwice {
        /// The name.
        node: String,
    },
    /// No node is named.
    #[error("--nodes: no node is named: say which sites are nodes, such as --nodes {example}")]
    NoNodes {
        /// Sites of the file.
        example: String,
    },
    /// The CSV itself cannot be read.
    #[error("{file}:{line}: this line cannot be read as CSV: look for a quote that is not closed")]
    Csv {
        /// Its path, as it was given.
        file: String,
        /// Counted from 1: the header is line 1.
        line: u64,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!(": did you mean `{name}`?"),
        None => ": name sites as its column `site` spells them".to_owned(),
    }
}

/// Reads sites and times; `nodes` says which sites are nodes. Every site that has coordinates is a vantage. What
/// contradicts itself is left out and noted, as long as something is left.
///
/// # Errors
/// The first bad row with its file and line. Nothing half-read is returned.
pub fn read(sites: &FileText, rtt: &FileText, nodes: &[impl AsRef<str>]) -> Result<Observations, FileError> {
    let (sites_file, (sites, mut notes)) = (sites, sites::read(sites)?);
    let known = rtt::KnownSites {
        file: sites_file.name(),
        sites: &sites,
    };
    let nodes = sites.nodes(sites_file.name(), nodes)?;
    let times = rtt::read(rtt, &known, &nodes)?;
    notes.extend(times.notes);
    let (placed, number) = sites.placed();
    if placed.is_empty() {
        return Err(FileError::NoPlaces {
            file: sites_file.name().to_owned(),
        });
    }
    let vantages = placed.iter().map(|&(index, position)| {
        let site = &sites.all[index];
        Vantage {
            name: site.name.clone(),
            site: site.name.clone(),
            position,
            country: site.country,
            network: site.network,
            access: AccessClass::Unknown,
            worker: None,
            own_node: nodes.contains(&index).then(|| site.name.clone()),
        }
    });
    let values = times.values.into_iter().filter_map(|value| {
        let vantage = number[value.vantage]?;
        Some(SingleReading { vantage, ..value })
    });
    let targets = nodes.iter().map(|&index| &sites.all[index]).map(|site| Node {
        name: site.name.clone(),
        site: site.name.clone(),
        position: site.position,
        country: site.country,
        worker: None,
    });
    Ok(Observations {
        source: Source::Files,
        basis: Basis::File,
        window: None,
        nodes: targets.collect(),
        vantages: vantages.collect(),
        readings: Readings::Single {
            statistic: times.statistic,
            values: values.collect(),
        },
        echoes: Vec::new(),
        eyes: Vec::new(),
        notes,
    })
}

#[cfg(test)]
mod tests;
