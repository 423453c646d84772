//! Reads `rtt.csv`, keeping what stands between a site and a node.

use std::collections::{BTreeMap, HashMap};

use super::sites::Sites;
use super::table::{Row, Table};
use super::{FileError, FileText};
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
    pub(super) notes: Vec<String>,
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
    let (column, name, statistic, mut notes) = times_column(&table, file.name())?;
    let node_at: HashMap<usize, usize> = nodes
        .iter()
        .enumerate()
        .map(|(node, &site)| (site, node))
        .collect();
    let (mut lines, mut pairs, mut own, mut rows) = (HashMap::new(), BTreeMap::<_, Pair>::new(), 0, 0);
    while let Some(row) = table.next_row()? {
        rows += 1;
        let from = site(&row, source, "source", known)?;
        let to = site(&row, destination, "destination", known)?;
        let rtt_ms = row.amount(column, name)?;
        let pair = format_args!("{} to {}", row.text(source), row.text(destination));
        if lines.contains_key(&(from, to)) {
            row.once(&mut lines, (from, to), "pair", &pair.to_string())?;
        }
        lines.insert((from, to), row.line());
        if from == to {
            own += 1;
            continue;
        }
        if let Some(&node) = node_at.get(&to) {
            pairs.entry((from, node)).or_default().forth = Some(rtt_ms);
        }
        if let Some(&node) = node_at.get(&from) {
            pairs.entry((to, node)).or_default().back = Some(rtt_ms);
        }
    }
    if rows == 0 {
        return Err(table.no_rows());
    }
    if own > 0 {
        let rows = if own == 1 {
            "1 row".to_owned()
        } else {
            format!("{own} rows")
        };
        notes.push(format!(
            "{rows} from a site to itself: not used, a node does not judge itself."
        ));
    }
    let read = |((vantage, node), pair): ((usize, usize), Pair)| pair.reading(vantage, node, statistic);
    let values: Vec<SingleReading> = pairs.into_iter().filter_map(read).collect();
    notes.extend(direction_note(statistic, &values));
    Ok(Times {
        statistic,
        values,
        notes,
    })
}

fn times_column(
    table: &Table<'_>,
    file: &str,
) -> Result<(usize, &'static str, Statistic, Vec<String>), FileError> {
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
    let others: Vec<&str> = held[1..].iter().map(|&(_, name, _)| name).collect();
    let note = format!(
        "{file} also holds {}: this report reads {name} only.",
        others.join(" and ")
    );
    Ok((
        column,
        name,
        statistic,
        if others.is_empty() { Vec::new() } else { vec![note] },
    ))
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

fn direction_note(statistic: Statistic, values: &[SingleReading]) -> Option<String> {
    let reversed = values.iter().filter(|value| value.reversed).count();
    if statistic == Statistic::Min {
        return Some("Of the two directions of a pair the lower minimum is taken.".to_owned());
    }
    (reversed > 0).then(|| {
        let pairs = if reversed == 1 {
            "1 pair was".to_owned()
        } else {
            format!("{reversed} pairs were")
        };
        format!("{pairs} measured only from the node to the vantage: marked ←.")
    })
}
