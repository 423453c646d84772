//! Sites and the times between any two of them, from the same two files.

use super::{FileError, FileText, rtt, sites};
use crate::note::Note;
use crate::observations::{SingleReading, Statistic};
use crate::predict::{Measured, Place};

/// All that two files hold of sites and the pairs between them; none of them needs to be a node.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// The sites' names, each once.
    pub names: Vec<String>,
    /// Where they stand, in the same order.
    pub places: Vec<Place>,
    /// Each pair once, with the lower of both directions.
    pub pairs: Vec<Measured>,
    /// What the times are.
    pub statistic: Statistic,
    /// What a reader must know of how the files were read.
    pub notes: Vec<Note>,
}

/// Reads sites and the times between them.
///
/// # Errors
/// The first bad row with its file and line. Nothing half-read is returned.
pub fn read_mesh(sites: &FileText, rtt: &FileText) -> Result<Mesh, FileError> {
    let (known, mut notes) = sites::read(sites)?;
    let all: Vec<usize> = (0..known.all.len()).collect();
    let names = rtt::KnownSites {
        file: sites.name(),
        sites: &known,
    };
    let times = rtt::read(rtt, &names, &all)?;
    // Which direction was measured means nothing here: every site is both ends.
    let told = |note: &Note| !matches!(note, Note::Reversed { .. });
    notes.extend(times.notes.into_iter().filter(told));
    let (placed, number) = known.placed();
    let between = |one: &SingleReading| {
        let (a, b) = (number[one.vantage]?, number[one.node]?);
        let rtt_ms = one.rtt_ms;
        Some(Measured { a, b, rtt_ms })
    };
    let forth = times.values.iter().filter(|one| one.vantage < one.node);
    let mut pairs: Vec<Measured> = forth.filter_map(between).collect();
    // Vantages come in order, and each one's nodes too.
    let back = times.values.iter().filter(|one| one.vantage > one.node);
    for back in back.filter_map(between) {
        let key = (back.b, back.a);
        if let Ok(at) = pairs.binary_search_by_key(&key, |pair| (pair.a, pair.b)) {
            pairs[at].rtt_ms = pairs[at].rtt_ms.min(back.rtt_ms);
        }
    }
    let site = |index: usize| &known.all[index];
    Ok(Mesh {
        names: placed
            .iter()
            .map(|&(index, _)| site(index).name.clone())
            .collect(),
        places: placed
            .iter()
            .map(|&(index, position)| Place {
                position,
                network: site(index).network,
            })
            .collect(),
        pairs,
        statistic: times.statistic,
        notes,
    })
}
