//! `export`: what is stored, for other programs.

use std::io::{self, Write};
use std::time::Duration;

use data_encoding::BASE64;
use isochrone_proto::units::UnixMillis;
use isochrone_store::export::{self, Outlet, TextFormat};
use isochrone_store::{Period, RollupRange, ScanRange, Store};

use super::window::{beginning, instant, since};
use super::{CommandContext, CommandError, Out, blocking};
use crate::cli::{ExportCommand, ExportWindow, TierName};
use crate::control::Answer;

/// What is exported travels in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;
/// A reader that takes nothing for so long has paused: the store is let go of until they go on.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn carry_out(
    context: &CommandContext,
    command: ExportCommand,
    out: &Out,
) -> Result<(), CommandError> {
    let (format, tier, window) = match command {
        ExportCommand::Ndjson { tier, window } => (Some(TextFormat::Ndjson), tier, window),
        ExportCommand::Csv { tier, window } => (Some(TextFormat::Csv), tier, window),
        ExportCommand::Parquet { tier, window, .. } => (None, tier, window), // whoever asked knows the folder
    };
    let export = Export {
        store: context.store.clone(),
        tier,
        range: range(&window, context.clock.wall())?,
        now: context.clock.wall(),
        out: out.clone(),
    };
    blocking(move || match format {
        Some(format) => export.text(format),
        None => export.files(),
    })
    .await
}

fn range(window: &ExportWindow, now: UnixMillis) -> Result<ScanRange, CommandError> {
    let since = window.since.as_deref().map(since).transpose()?;
    let from = window.from.as_deref().map(|text| beginning(text, now));
    let until = window.to.as_deref().map(|text| instant("--to", text));
    let from = match since {
        Some(since) => now.minus(since),
        None => from.transpose()?.unwrap_or_default(),
    };
    Ok(ScanRange::slots(
        from,
        until.transpose()?.unwrap_or(UnixMillis(u64::MAX)),
    ))
}

/// What is exported, and to whom.
struct Export {
    store: Store,
    tier: TierName,
    range: ScanRange,
    now: UnixMillis,
    out: Out,
}

impl Export {
    fn text(&self, format: TextFormat) -> Result<(), CommandError> {
        let mut pieces = Pieces {
            out: self.out.clone(),
            piece: Vec::with_capacity(PIECE_BYTES),
        };
        match self.rollups() {
            None => export::measurements(&self.store, (format, self.range), &mut pieces, |progress| {
                self.out.progress(progress.commit, progress.commits);
            })?,
            Some(range) => export::rollups(
                &self.store,
                (format, &range),
                &mut pieces,
                self.progress_by_time(),
            )?,
        };
        Ok(())
    }

    fn files(&self) -> Result<(), CommandError> {
        let mut each = |name: String, content: Vec<u8>| {
            let mut pieces = content.chunks(PIECE_BYTES).peekable();
            while let Some(piece) = pieces.next() {
                let sent = self.out.answer_blocking(Answer::File {
                    name: name.clone(),
                    content: BASE64.encode(piece),
                    is_last: pieces.peek().is_none(),
                });
                sent.map_err(io::Error::other)?;
            }
            Ok(())
        };
        match self.rollups() {
            None => self.store.copy_measurements(self.range, &mut each, |progress| {
                self.out.progress(progress.commit, progress.commits);
            })?,
            Some(range) => self
                .store
                .copy_rollups(&range, &mut each, self.progress_by_time())?,
        };
        Ok(())
    }

    /// The periods that hold slots of the window; `None`: measurements are asked for.
    fn rollups(&self) -> Option<RollupRange> {
        let period = match self.tier {
            TierName::Raw => return None,
            TierName::Hour => Period::Hour,
            TierName::Day => Period::Day,
        };
        Some(RollupRange::of(
            period,
            period.start(self.range.from),
            self.range.until,
        ))
    }

    /// A window of days is done as far as its days are over.
    fn progress_by_time(&self) -> impl FnMut(u64) + '_ {
        let mut first = None;
        move |at| {
            let first = *first.get_or_insert(at);
            self.out
                .progress(at.saturating_sub(first), self.now.0.saturating_sub(first));
        }
    }
}

/// Text on its way to whoever asked, in pieces.
struct Pieces {
    out: Out,
    piece: Vec<u8>,
}

impl Pieces {
    fn take(&mut self) -> io::Result<String> {
        String::from_utf8(std::mem::take(&mut self.piece)).map_err(io::Error::other)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let text = self.take()?;
        self.out.document_blocking(text).map_err(io::Error::other)
    }
}

impl Outlet for Pieces {
    fn hand_on(&mut self) -> io::Result<bool> {
        if self.piece.len() < PIECE_BYTES {
            return Ok(true);
        }
        let text = self.take()?;
        let back = self
            .out
            .offer_blocking(text, PATIENCE)
            .map_err(io::Error::other)?;
        self.piece = back.map(String::into_bytes).unwrap_or_default();
        Ok(self.piece.is_empty())
    }
}
