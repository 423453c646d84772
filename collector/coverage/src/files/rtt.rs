//! Reads `rtt.csv`, keeping what stands between a site and a node.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::doubts::Paces;
use super::sites::Sites;
use super::table::{Row, Table};
use super::{FileError, FileText};
use crate::note::Note;
use crate::observations::{SingleReading, Statistic};

/// The columns of times, the one that is preferred first.
const COLUMNS: [(&str, Statistic); 3] = [
    ("p50_rtt_ms", Statistic::P50),
    ("min_rtt_ms", Statistic::Min),
    ("rtt_ms", Statistic::Unnamed),
];

pub(super) struct Times {
    pub(super) statistic: Statistic,
    pub(super) values: Vec<SingleReading>,
    pub(super) notes: Vec<Note>,
}

/// Both directions of a pair of vantage and node, in milliseconds.
#[derive(Default)]
struct Pair {
    forth: Option<f64>,
    back: Option<f64>,
}

/// The sites that a row may name, and the file that names them.
pub(super) struct KnownSites<'a> {
    pub(super) file: &'a str,
    pub(super) sites: &'a Sites,
}

pub(super) fn read(file: &FileText, known: &KnownSites<'_>, nodes: &[usize]) -> Result<Times, FileError> {
    let mut table = Table::open(file)?;
    let (source, destination) = (table.column("source")?, table.column("destination")?);
    let TimesColumn {
        column,
        name,
        statistic,
        others,
    } = times_column(&table, file.name())?;
    let mut rows = Rows {
        file: file.name(),
        known,
        source,
        destination,
        time: (column, name),
        node_at: nodes
            .iter()
            .enumerate()
            .map(|(node, &site)| (site, node))
            .collect(),
        lines: HashMap::new(),
        pairs: BTreeMap::new(),
        own: 0,
        paces: Paces::default(),
        twice: Vec::new(),
        unknown: Unknown::default(),
        without: Without::default(),
    };
    while let Some(row) = table.next_row()? {
        rows.take(&row)?;
    }
    if rows.lines.is_empty()
        && let Some(first) = rows.unknown.first.take().or(rows.without.first.take())
    {
        return Err(first);
    }
    if rows.lines.is_empty() {
        return Err(table.no_rows());
    }
    let mut notes = rows.contradictions();
    notes.extend(std::mem::take(&mut rows.paces).unit(file.name()));
    if !others.is_empty() {
        let (file, read) = (file.name().to_owned(), name);
        notes.push(Note::OtherTimes { file, read, others });
    }
    if rows.own > 0 {
        notes.push(Note::OwnRows { rows: rows.own });
    }
    let read = |((vantage, node), pair): ((usize, usize), Pair)| pair.reading(vantage, node, statistic);
    let values: Vec<SingleReading> = rows.pairs.into_iter().filter_map(read).collect();
    notes.extend(direction_note(statistic, &values));
    Ok(Times {
        statistic,
        values,
        notes,
    })
}

/// The rows that were read so far.
struct Rows<'a> {
    file: &'a str,
    known: &'a KnownSites<'a>,
    source: usize,
    destination: usize,
    /// The column of times, and its name.
    time: (usize, &'static str),
    /// Which node a site is.
    node_at: HashMap<usize, usize>,
    /// In which line each pair of sites stands, and its time.
    lines: HashMap<(usize, usize), (u64, f64)>,
    /// By vantage and node.
    pairs: BTreeMap<(usize, usize), Pair>,
    /// Rows from a site to itself.
    own: usize,
    /// How long pairs take.
    paces: Paces,
    twice: Vec<Twice>,
    unknown: Unknown,
    without: Without,
}

/// A pair that stands twice with different times.
struct Twice {
    pair: (usize, usize),
    written: String,
    lines: (u64, u64),
}

/// Rows that name a site which the file of sites does not hold.
#[derive(Default)]
struct Unknown {
    rows: usize,
    line: u64,
    names: BTreeSet<String>,
    /// What is wrong with the first.
    first: Option<FileError>,
}

/// Rows that hold no time: the pair was not measured, or nothing came back. A failure has no time.
#[derive(Default)]
struct Without {
    rows: usize,
    line: u64,
    /// What is wrong with the first.
    first: Option<FileError>,
}

impl Rows<'_> {
    fn take(&mut self, row: &Row<'_>) -> Result<(), FileError> {
        let (column, name) = self.time;
        let from = site(row, self.source, "source", self.known)?;
        let to = site(row, self.destination, "destination", self.known)?;
        if row.lacks(column) {
            if from != to {
                self.without.add(row, (column, name));
            }
            return Ok(());
        }
        let rtt_ms = row.milliseconds(column, name)?;
        let (from, to) = match (from, to) {
            (Ok(from), Ok(to)) => (from, to),
            (from, to) => {
                let names: Vec<String> = from.err().into_iter().chain(to.err()).collect();
                let error = || FileError::UnknownSite {
                    file: row.file().to_owned(),
                    line: row.line(),
                    site: names[0].clone(),
                    known_from: self.known.file.to_owned(),
                };
                self.unknown.add(row.line(), names.clone(), error);
                return Ok(());
            }
        };
        if let Some(&(line, before_ms)) = self.lines.get(&(from, to)) {
            if before_ms != rtt_ms {
                self.twice.push(Twice {
                    pair: (from, to),
                    written: format!("{} to {}", row.text(self.source), row.text(self.destination)),
                    lines: (line, row.line()),
                });
            }
            return Ok(());
        }
        self.lines.insert((from, to), (row.line(), rtt_ms));
        if from == to {
            self.own += 1;
            return Ok(());
        }
        let place = |site: usize| self.known.sites.all[site].position;
        if let (Some(a), Some(b)) = (place(from), place(to)) {
            self.paces.add(a, b, rtt_ms);
        }
        if let Some(&node) = self.node_at.get(&to) {
            self.pairs.entry((from, node)).or_default().forth = Some(rtt_ms);
        }
        if let Some(&node) = self.node_at.get(&from) {
            self.pairs.entry((to, node)).or_default().back = Some(rtt_ms);
        }
        Ok(())
    }
}

impl Rows<'_> {
    /// Leaves out pairs that stand twice with different times, and tells of all that was left out.
    fn contradictions(&mut self) -> Vec<Note> {
        for &Twice { pair: (from, to), .. } in &self.twice {
            if let Some(&node) = self.node_at.get(&to) {
                self.pairs.entry((from, node)).or_default().forth = None;
            }
            if let Some(&node) = self.node_at.get(&from) {
                self.pairs.entry((to, node)).or_default().back = None;
            }
        }
        let file = self.file.to_owned();
        let pairs: BTreeSet<(usize, usize)> = self.twice.iter().map(|twice| twice.pair).collect();
        let twice = self.twice.first().map(
            |Twice {
                 written: pair, lines, ..
             }| Note::GivenTwice {
                file: file.clone(),
                pair: pair.clone(),
                lines: *lines,
                more: pairs.len() - 1,
            },
        );
        let without = (self.without.rows > 0).then(|| Note::WithoutTime {
            file: file.clone(),
            line: self.without.line,
            rows: self.without.rows,
        });
        let unknown = (self.unknown.rows > 0).then(|| Note::UnknownSites {
            file,
            line: self.unknown.line,
            sites: self.unknown.names.iter().cloned().collect(),
            rows: self.unknown.rows,
            known_from: self.known.file.to_owned(),
        });
        twice.into_iter().chain(without).chain(unknown).collect()
    }
}

impl Unknown {
    fn add(&mut self, line: u64, names: impl IntoIterator<Item = String>, error: impl FnOnce() -> FileError) {
        self.rows += 1;
        self.names.extend(names);
        if self.first.is_none() {
            (self.line, self.first) = (line, Some(error()));
        }
    }
}

impl Without {
    fn add(&mut self, row: &Row<'_>, (column, called): (usize, &'static str)) {
        self.rows += 1;
        if self.first.is_none() {
            let error = row.bad_number(
                column,
                called,
                "no line of this file holds a time: fill in milliseconds",
            );
            (self.line, self.first) = (row.line(), Some(error));
        }
    }
}

/// Which column is read.
struct TimesColumn {
    column: usize,
    name: &'static str,
    statistic: Statistic,
    /// The file's further columns of times.
    others: Vec<&'static str>,
}

fn times_column(table: &Table<'_>, file: &str) -> Result<TimesColumn, FileError> {
    let held: Vec<_> = COLUMNS
        .iter()
        .filter_map(|&(name, kind)| Some((table.find(name)?, name, kind)))
        .collect();
    let Some(&(column, name, statistic)) = held.first() else {
        return Err(FileError::NoTimes {
            file: file.to_owned(),
        });
    };
    table.only_once(name)?;
    Ok(TimesColumn {
        column,
        name,
        statistic,
        others: held[1..].iter().map(|&(_, name, _)| name).collect(),
    })
}

/// A row's site, or its name where nobody knows it.
fn site(
    row: &Row<'_>,
    column: usize,
    called: &str,
    known: &KnownSites<'_>,
) -> Result<Result<usize, String>, FileError> {
    let name = row.name(column, called)?;
    Ok(known
        .sites
        .by_name
        .get(name)
        .copied()
        .ok_or_else(|| name.to_owned()))
}

impl Pair {
    /// Minima take the lower direction; other statistics take vantage → node, and the reverse only where that
    /// is missing.
    fn reading(self, vantage: usize, node: usize, statistic: Statistic) -> Option<SingleReading> {
        let (rtt_ms, reversed) = match (self.forth, self.back) {
            (Some(forth), Some(back)) if statistic == Statistic::Min => (forth.min(back), false),
            (Some(forth), _) => (forth, false),
            (None, back) => (back?, statistic != Statistic::Min),
        };
        Some(SingleReading {
            vantage,
            node,
            rtt_ms,
            reversed,
        })
    }
}

fn direction_note(statistic: Statistic, values: &[SingleReading]) -> Option<Note> {
    let reversed = values.iter().filter(|value| value.reversed).count();
    if statistic == Statistic::Min {
        return Some(Note::LowerDirection);
    }
    let of = values.len();
    (reversed > 0).then_some(Note::Reversed { pairs: reversed, of })
}
