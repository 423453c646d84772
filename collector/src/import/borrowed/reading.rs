//! Reads files of public platforms, on a thread that may block, and hands on pieces of them.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context as _;
use isochrone_borrowed::{
    AtlasResults, GlobalpingResults, Measured, Probes, Refusals, Source, Targets, Where, open,
};
use isochrone_proto::units::UnixMillis;
use isochrone_store::borrowed::{BorrowedBatch, BorrowedRun, BorrowedSeen};
use tokio::sync::mpsc;

use super::Asked;
use crate::commands::Wanted;

/// What the reader says.
pub(super) enum Said {
    Piece(Box<Piece>),
    /// No more comes of this file.
    Over {
        file: PathBuf,
        refusals: Refusals,
        /// Why it could not be read to its end.
        unread: Option<io::Error>,
    },
}

/// Some measurements of a file.
pub(super) struct Piece {
    pub(super) file: PathBuf,
    pub(super) batch: BorrowedBatch,
    /// Where each of the measurements stands.
    pub(super) at: Vec<Where>,
    /// Bytes that are read of all files, and how many there are; 0: nobody knows.
    pub(super) progress: (u64, u64),
}

/// Whether all files can be opened: what is misspelt is said before anything is taken in.
pub(super) fn check(asked: &Asked) -> anyhow::Result<()> {
    for path in asked.files.iter().chain(asked.lists.iter().flatten()) {
        if !is_standard_input(path) {
            File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        }
    }
    Ok(())
}

/// Reads lists, then files, one after the other. Ends early where nobody hears it.
pub(super) fn read_all(
    (files, lists): (Vec<PathBuf>, Option<Vec<PathBuf>>),
    wanted: Wanted,
    now: UnixMillis,
    sender: &mpsc::Sender<Said>,
) -> anyhow::Result<()> {
    let hosts = wanted.hosts.iter().map(|host| (&host.host, host.host.clone()));
    let targets = Targets::new(hosts);
    let mut probes = Probes::default();
    for vantage in wanted.vantages {
        probes.know(vantage);
    }
    let read = Rc::new(Cell::new(0));
    let all = files.iter().chain(lists.iter().flatten());
    let sizes = all.map(|path| std::fs::metadata(path).ok().map(|file| file.len()));
    let total = sizes.sum::<Option<u64>>().unwrap_or(0);
    for list in lists.iter().flatten() {
        let mut refusals = Refusals::default();
        let read = opened(list, &read).and_then(|list| probes.read(list, &mut refusals));
        read.with_context(|| format!("cannot read the list of probes {}", list.display()))?;
        anyhow::ensure!(
            probes.used().next().is_some() || probes.left_out().next().is_some(),
            "{} holds no list of probes{}: fetch one with \
             curl -o probes.json 'https://atlas.ripe.net/api/v2/probes/?id__in=NUMBER,NUMBER&page_size=500'",
            list.display(),
            refusals
                .listed()
                .first()
                .map_or(String::new(), |first| format!(" ({}: {})", first.at, first.why)),
        );
        let over = Said::Over {
            file: list.clone(),
            refusals,
            unread: None,
        };
        if sender.blocking_send(over).is_err() {
            return Ok(());
        }
    }
    for path in &files {
        let mut reading = Reading {
            path,
            gathered: Gathered::default(),
            sender,
            progress: (&read, total),
        };
        let (refusals, unread) = match opened(path, &read) {
            Err(error) => (Refusals::default(), Some(error)),
            Ok(file) if lists.is_some() => {
                let mut results = AtlasResults::new(file, &probes, &targets, now);
                let unread = reading.pieces(|each| results.read(PIECE, each));
                (results.refusals().clone(), unread)
            }
            Ok(file) => {
                let mut results = GlobalpingResults::new(file, &targets, now);
                let unread = reading.pieces(|each| results.read(PIECE, each));
                (results.refusals().clone(), unread)
            }
        };
        let file = path.clone();
        if sender
            .blocking_send(Said::Over {
                file,
                refusals,
                unread,
            })
            .is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// A file that is being read.
struct Reading<'r> {
    path: &'r Path,
    gathered: Gathered,
    sender: &'r mpsc::Sender<Said>,
    progress: (&'r Cell<u64>, u64),
}

impl Reading<'_> {
    /// Hands on all of it; why it could not be read to its end.
    fn pieces(
        &mut self,
        mut read: impl FnMut(&mut dyn FnMut(Where, &Measured<'_>)) -> io::Result<bool>,
    ) -> Option<io::Error> {
        loop {
            let gathered = &mut self.gathered;
            let more = read(&mut |at, measured| gathered.add(at, measured));
            let is_heard = self.hand_on();
            match more {
                Ok(true) if is_heard => {}
                Ok(_) => return None,
                Err(error) => return Some(error),
            }
        }
    }

    /// Whether somebody took it.
    fn hand_on(&mut self) -> bool {
        let Gathered { batch, at, .. } = std::mem::take(&mut self.gathered);
        if at.is_empty() {
            return !self.sender.is_closed();
        }
        let piece = Piece {
            file: self.path.to_owned(),
            batch,
            at,
            progress: (self.progress.0.get(), self.progress.1),
        };
        self.sender.blocking_send(Said::Piece(Box::new(piece))).is_ok()
    }
}

/// Measurements that are handed on together.
#[derive(Default)]
struct Gathered {
    batch: BorrowedBatch,
    at: Vec<Where>,
    /// The vantages' places in the batch, by name.
    known: HashMap<String, usize>,
}

impl Gathered {
    fn add(&mut self, at: Where, measured: &Measured<'_>) {
        let vantages = &mut self.batch.vantages;
        let vantage = match self.known.get(&measured.vantage.id) {
            Some(place) => *place,
            None => {
                vantages.push(measured.vantage.clone());
                self.known.insert(measured.vantage.id.clone(), vantages.len() - 1);
                vantages.len() - 1
            }
        };
        self.batch.runs.push(BorrowedRun {
            vantage,
            host: measured.target.to_owned(),
            seen: BorrowedSeen {
                at: measured.at,
                measurement: measured.measurement.to_string(),
                part: measured.part,
                kind: measured.kind,
                family: measured.family,
                outcome: measured.outcome.clone(),
            },
        });
        self.at.push(at);
    }
}

fn opened(path: &Path, read: &Rc<Cell<u64>>) -> io::Result<Source<Counted>> {
    let inner: Box<dyn Read> = match is_standard_input(path) {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path)?),
    };
    open(Counted {
        inner,
        read: Rc::clone(read),
    })
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// Counts what is read, packed as it lies there.
struct Counted {
    inner: Box<dyn Read>,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Measurements that are taken in at once.
const PIECE: usize = 5_000;
