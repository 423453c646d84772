//! Reads `rtt.csv`, keeping what stands between a site and a node.

use std::collections::{BTreeMap, HashMap};

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
    };
    while let Some(row) = table.next_row()? {
        rows.take(&row)?;
    }
    if rows.lines.is_empty() {
        return Err(table.no_rows());
    }
    let mut notes = Vec::new();
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
    known: &'a KnownSites<'a>,
    source: usize,
    destination: usize,
    /// The column of times, and its name.
    time: (usize, &'static str),
    /// Which node a site is.
    node_at: HashMap<usize, usize>,
    /// In which line each pair of sites stands.
    lines: HashMap<(usize, usize), u64>,
    /// By vantage and node.
    pairs: BTreeMap<(usize, usize), Pair>,
    /// Rows from a site to itself.
    own: usize,
}

impl Rows<'_> {
    fn take(&mut self, row: &Row<'_>) -> Result<(), FileError> {
        let from = site(row, self.source, "source", self.known)?;
        let to = site(row, self.destination, "destination", self.known)?;
        let (column, name) = self.time;
        let rtt_ms = row.milliseconds(column, name)?;
        if self.lines.contains_key(&(from, to)) {
            let pair = format!("{} to {}", row.text(self.source), row.text(self.destination));
            row.once(&mut self.lines, (from, to), "pair", &pair)?;
        }
        self.lines.insert((from, to), row.line());
        if from == to {
            self.own += 1;
            return Ok(());
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

fn site(row: &Row<'_>, column: usize, called: &str, known: &KnownSites<'_>) -> Result<usize, FileError> {
    let name = row.name(column, called)?;
    known
        .sites
        .by_name
        .get(name)
        .copied()
        .ok_or_else(|| FileError::UnknownSite {
            file: row.file().to_owned(),
            line: row.line(),
            site: name.to_owned(),
            known_from: known.file.to_owned(),
        })
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
    (reversed > 0).then_some(Note::Reversed { pairs: reversed })
}
