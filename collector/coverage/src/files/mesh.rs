//! Sites and the times between any two of them, from the same two files.

use super::{FileError, FileText, rtt, sites};
use crate::note::Note;
use crate::observations::Statistic;
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
    let forth = times.values.iter().filter(|one| one.vantage < one.node);
    let mut pairs: Vec<Measured> = forth
        .map(|one| Measured {
            a: one.vantage,
            b: one.node,
            rtt_ms: one.rtt_ms,
        })
        .collect();
    // Vantages come in order, and each one's nodes too.
    for back in times.values.iter().filter(|one| one.vantage > one.node) {
        let key = (back.node, back.vantage);
        if let Ok(at) = pairs.binary_search_by_key(&key, |pair| (pair.a, pair.b)) {
            pairs[at].rtt_ms = pairs[at].rtt_ms.min(back.rtt_ms);
        }
    }
    Ok(Mesh {
        names: known.all.iter().map(|site| site.name.clone()).collect(),
        places: known
            .all
            .iter()
            .map(|site| Place {
                position: site.position,
                network: site.network,
            })
            .collect(),
        pairs,
        statistic: times.statistic,
        notes,
    })
}
