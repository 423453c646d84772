//! What became of each document: taken in, known already, or refused and why.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use isochrone_base::words::{count, rfc3339_second};
use isochrone_elastic::import::{Origin, Unfit};
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::{ImportedIndex, ImportedRun, Taken};
use serde_json::json;

use crate::cli::ImportOptions;

/// What became of each document.
pub(super) struct Account {
    index: ImportedIndex,
    dry_run: bool,
    new: u64,
    known: u64,
    /// By reason, in its own words.
    refused: BTreeMap<String, Refusals>,
    /// By name: how many, the first, the last.
    vantages: BTreeMap<String, (u64, UnixMillis, UnixMillis)>,
    letters: Option<(PathBuf, BufWriter<File>)>,
}

#[derive(Default)]
struct Refusals {
    count: u64,
    /// The first of them.
    at: Vec<String>,
    example: String,
}

impl Account {
    /// Opens the file of refused documents, if one is named.
    pub(super) fn new(index: ImportedIndex, options: &ImportOptions) -> anyhow::Result<Self> {
        let letters = options.refused.clone().map(|path| {
            let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok((path, BufWriter::new(file)))
        });
        Ok(Self {
            index,
            dry_run: options.dry_run,
            new: 0,
            known: 0,
            refused: BTreeMap::new(),
            vantages: BTreeMap::new(),
            letters: letters.transpose()?,
        })
    }

    /// Counts a document that cannot be taken in.
    pub(super) fn refuse(&mut self, origin: &Origin, unfit: &Unfit) -> anyhow::Result<()> {
        let refusals = self.refused.entry(unfit.rule()).or_default();
        refusals.count += 1;
        if refusals.at.len() < SHOWN {
            refusals.at.push(origin.to_string());
        }
        if refusals.example.is_empty() {
            refusals.example = unfit.to_string();
        }
        if let Some((path, file)) = &mut self.letters {
            let letter = match origin {
                Origin::Line(line) => json!({ "line": line, "reason": unfit.to_string() }),
                Origin::Id(id) => json!({ "id": id, "reason": unfit.to_string() }),
            };
            writeln!(file, "{letter}")
                .and_then(|()| file.flush())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Counts a document of a dry run that came before in it.
    pub(super) fn repeated(&mut self, run: &ImportedRun) {
        self.known += 1;
        self.see(&run.vantage, run.at);
    }

    /// Counts what became of a piece whose documents these were.
    pub(super) fn take(
        &mut self,
        taken: &Taken,
        seen: &[(String, UnixMillis)],
        origins: &[Origin],
    ) -> anyhow::Result<()> {
        self.new += taken.new;
        self.known += taken.known;
        for (place, (vantage, at)) in seen.iter().enumerate() {
            match taken.contradict.contains(&place) {
                true => self.refuse(
                    origins.get(place).unwrap_or(&Origin::Line(0)),
                    &Unfit::Contradicts,
                )?,
                false => self.see(vantage, *at),
            }
        }
        Ok(())
    }

    fn see(&mut self, vantage: &str, at: UnixMillis) {
        let of = self.vantages.entry(vantage.to_owned()).or_insert((0, at, at));
        *of = (of.0 + 1, of.1.min(at), of.2.max(at));
    }

    fn refusals(&self) -> u64 {
        self.refused.values().map(|refusals| refusals.count).sum()
    }

    /// 1 where documents came and none could be taken in.
    pub(super) fn exit_code(&self) -> u8 {
        u8::from(self.new + self.known == 0 && self.refusals() > 0)
    }

    pub(super) fn text(&self) -> String {
        let number = |of: u64, word| count(usize::try_from(of).unwrap_or(usize::MAX), word);
        let refused = self.refusals();
        let mut text = match self.dry_run {
            true => format!(
                "{}: {} would be taken in, {} known already, {refused} would be refused. Nothing was changed.\n",
                self.index.word(),
                number(self.new, "document"),
                self.known
            ),
            false => format!(
                "{}: {} taken in, {} known already, {refused} refused.\n",
                self.index.word(),
                number(self.new, "document"),
                self.known
            ),
        };
        for (vantage, (documents, first, last)) in &self.vantages {
            let (first, last) = (rfc3339_second(*first), rfc3339_second(*last));
            text += &format!("  from {vantage}: {documents}, {first} to {last}\n");
        }
        for (rule, refusals) in &self.refused {
            let more = match refusals.count.saturating_sub(refusals.at.len() as u64) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            text += &format!(
                "refused {}: {rule}: {}{more}\n",
                refusals.count,
                refusals.at.join(", ")
            );
            if refusals.example != *rule {
                text += &format!("  the first: {}\n", refusals.example);
            }
        }
        if let Some((path, _)) = &self.letters {
            text += &format!("Each refused document, with its reason: {}\n", path.display());
        }
        if !self.dry_run && self.new + self.known > 0 {
            text += "Next: `isochrone-collector report nodes --from …`, and `import place VANTAGE 'City, CC'` for \
                     `report coverage --imported`.\n";
        }
        text
    }

    /// `isochrone.import/1`.
    pub(super) fn json(&self) -> String {
        let vantages = self.vantages.iter().map(|(vantage, (documents, first, last))| {
            json!({ "vantage": vantage, "documents": documents, "from": rfc3339_second(*first), "to": rfc3339_second(*last) })
        });
        let refused = self.refused.iter().map(|(rule, refusals)| {
            json!({ "reason": rule, "count": refusals.count, "at": refusals.at, "first": refusals.example })
        });
        let value = json!({
            "schema": "isochrone.import/1", "index": self.index.word(), "dry_run": self.dry_run, "new": self.new,
            "known": self.known, "vantages": vantages.collect::<Vec<_>>(), "refused": refused.collect::<Vec<_>>(),
        });
        format!("{value}\n")
    }
}

/// Of each reason so many documents are named.
const SHOWN: usize = 10;
