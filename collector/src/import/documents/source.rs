//! Where documents come from: a file, or an index.

use std::path::Path;

use anyhow::Context as _;
use isochrone_base::clock::Clock;
use isochrone_elastic::import::{Lines, Piece, Pull, Pulled};
use isochrone_elastic::{Client, RawSettings, Settings};
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::ImportedIndex;
use serde_json::json;

use crate::cli::{ImportFrom, IndexName};
use crate::control::Answers;

/// Where documents come from.
pub(super) enum Source {
    File {
        /// Elsewhere while it is read.
        lines: Option<Lines>,
        index: ImportedIndex,
    },
    Index {
        pull: Box<Pull>,
        index: ImportedIndex,
        key: Option<String>,
    },
}

/// An index that options name.
pub(super) struct Named {
    settings: Settings,
    name: String,
    index: ImportedIndex,
    since: Option<UnixMillis>,
    now: UnixMillis,
    /// What the store keeps an interrupted import under; `None`: only a part of the index is wanted, and whoever goes on
    /// with all of it must not take that for the whole.
    pub(super) key: Option<String>,
}

impl Named {
    /// Checks the options; asks nobody.
    pub(super) fn of(from: &ImportFrom, now: UnixMillis) -> anyhow::Result<Self> {
        let folder = std::env::current_dir().context("cannot tell the working folder")?;
        let raw = json!({
            "urls": from.url, "ca": from.ca, "user": from.user, "password_file": from.password_file,
            "api_key_file": from.api_key_file,
        });
        let raw: RawSettings = serde_json::from_value(raw)?;
        let settings = raw.settings(&folder).context(
            "--url, --ca, --user, --password-file and --api-key-file are the keys of [elasticsearch] in collector.toml",
        )?;
        let known = |name: &str| match name {
            "operators-ping" => Some(IndexName::OperatorsPing),
            "distributors-status" => Some(IndexName::DistributorsStatus),
            _ => None,
        };
        let shape = from.shape.or_else(|| known(&from.index)).with_context(|| {
            format!(
                "--index {}: say whose documents they are, --as operators-ping or --as distributors-status",
                from.index
            )
        })?;
        let since = from.since.as_deref().map(|text| {
            let since = humantime::parse_duration(text);
            since.with_context(|| format!("--since {text}: write it as 90d or 12h"))
        });
        let since = since.transpose()?;
        let url = from.url.first().map_or("", String::as_str).trim_end_matches('/');
        let index = ImportedIndex::from(shape);
        let key = format!("{url} {} {}", from.index, index.word());
        Ok(Self {
            key: since.is_none().then_some(key),
            settings,
            name: from.index.clone(),
            index,
            since: since.map(|since| now.minus(since)),
            now,
        })
    }
}

impl Source {
    pub(super) fn file(path: &Path, index: ImportedIndex, now: UnixMillis) -> anyhow::Result<Self> {
        Ok(Self::File {
            lines: Some(Lines::open(path, index, now)?),
            index,
        })
    }

    /// `resume`: all before it is taken in.
    pub(super) async fn index(
        named: Named,
        resume: Option<UnixMillis>,
        answers: &Answers,
    ) -> anyhow::Result<Self> {
        let client = Client::new(&named.settings, Clock::system())?;
        for warning in client.warnings() {
            super::say(answers, format!("note: {warning}\n")).await;
        }
        let from = resume.or(named.since);
        let pull = Pull::new(client, (&named.name, named.index), from, named.now)?;
        Ok(Self::Index {
            pull: Box::new(pull),
            index: named.index,
            key: named.key,
        })
    }

    pub(super) const fn index_of(&self) -> ImportedIndex {
        match self {
            Self::File { index, .. } | Self::Index { index, .. } => *index,
        }
    }

    /// What the store keeps an interrupted import under; `None`: it is begun anew, which changes nothing.
    pub(super) fn key(&self) -> Option<String> {
        match self {
            Self::File { .. } => None,
            Self::Index { key, .. } => key.clone(),
        }
    }

    /// The next documents; `None`: there are no more.
    pub(super) async fn next_piece(&mut self) -> anyhow::Result<Option<Piece>> {
        match self {
            Self::File { lines, .. } => {
                let mut reading = lines.take().context("the file was not read to its end")?;
                let read = tokio::task::spawn_blocking(move || (reading.next_piece(), reading));
                let (piece, reading) = read.await.context("the reader of the file ended early")?;
                *lines = Some(reading);
                Ok(piece?)
            }
            Self::Index { pull, .. } => match pull.next_piece().await? {
                Pulled::Piece(piece) => Ok(Some(piece)),
                Pulled::End => Ok(None),
            },
        }
    }

    /// What whoever waits should know.
    pub(super) fn notes(&mut self) -> Vec<String> {
        match self {
            Self::File { .. } => Vec::new(),
            Self::Index { pull, .. } => pull.take_notes(),
        }
    }

    pub(super) async fn close(self) {
        if let Self::Index { pull, .. } = self {
            pull.close().await;
        }
    }
}
