//! `elastic`: what stands in the cluster, and whether all that is stored lies there.

mod setup;

use std::path::Path;

use isochrone_base::clock::Clock;
use isochrone_base::words::{count, date_time};
use isochrone_elastic::backfill::{BackfillError, Source, backfill};
use isochrone_elastic::cursor::{Cursor, Cursors, Revision};
use isochrone_elastic::dead_letters::{DeadLetters, LetterError};
use isochrone_elastic::index::{Layout, Names};
use isochrone_elastic::read::ReadError;
use isochrone_elastic::retry::{RetryError, retry};
use isochrone_elastic::send::Sender;
use isochrone_elastic::verify::{Report, Verifier, VerifyError, Window};
use isochrone_elastic::{Client, ClientError, Server, ServerError, Settings};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreError};

use super::window::since;
use super::{CommandContext, CommandError, Out};
use crate::cli::{ElasticCommand, Format, VerifyArgs};
use crate::config::Config;
use crate::control::{Answer, Answers};
use crate::elastic_incidents;

/// Name of the file of dead letters, in the state folder.
pub(super) const DEAD_LETTERS: &str = "elastic-dead-letters.ndjson";
const DAY_MS: u64 = 86_400_000;

/// Why it was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ElasticError {
    /// No cluster is named.
    #[error(
        "no cluster is named: collector.toml has no [elasticsearch] with urls = [\"https://es1.example.org:9200\"] \
         (docs/elasticsearch.md)"
    )]
    NotConfigured,
    /// A file of the settings.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What answers will not do.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// It could not be compared.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It could not be sent.
    #[error(transparent)]
    Backfill(#[from] BackfillError),
    /// Dead letters could not be sent.
    #[error(transparent)]
    Retry(#[from] RetryError),
    /// The file of dead letters.
    #[error(transparent)]
    Letters(#[from] LetterError),
    /// Not all that setup wanted stands there.
    #[error("{count} not as it must be; the lines above say why")]
    NotSetUp {
        /// `1 thing is`, `3 things are`
        count: String,
    },
    /// Store and cluster differ.
    #[error("store and Elasticsearch differ{}", if *.repaired { ", also after the repair" } else { "; `elastic verify --repair` sends what is missing" })]
    Differs {
        /// What was missing had been sent.
        repaired: bool,
    },
    /// Measurements cannot be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Documents are refused again.
    #[error("{count} refused again, and kept; the reasons stand in the file")]
    Refused {
        /// `3 documents are`
        count: String,
    },
}

/// Carries out what needs the store.
pub(super) async fn carry_out(
    context: &CommandContext,
    command: ElasticCommand,
    out: &Out,
) -> Result<(), CommandError> {
    let config = &context.config;
    match command {
        ElasticCommand::Verify(args) => verify(context, &args, out).await,
        ElasticCommand::Backfill { since: text, format } => {
            let since = context.clock.wall().minus(since(&text)?);
            again(context, since, format, out).await
        }
        command => without_store(config, command, out).await,
    }
}

/// Carries out what needs configuration and files alone.
pub async fn elastic_without_store(config: Config, command: ElasticCommand, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let done = without_store(&config, command, &out).await;
    out.end(done).await
}

async fn without_store(config: &Config, command: ElasticCommand, out: &Out) -> Result<(), CommandError> {
    match command {
        ElasticCommand::Setup(args) => setup::setup(config, &args, out).await,
        ElasticCommand::Retry { file, format } => retry_file(config, &file, format, out).await,
        ElasticCommand::Backfill { .. } | ElasticCommand::Verify(_) => Ok(()), // they need the store
    }
}

/// The settings' cluster, once it answered.
pub(super) struct Reached {
    pub(super) server: Server,
    pub(super) names: Names,
    pub(super) client: Client,
}

impl Reached {
    pub(super) async fn of(config: &Config, out: &Out) -> Result<Self, ElasticError> {
        let settings = settings(config)?;
        let client = client(settings, out).await?;
        Ok(Self {
            server: Server::ask(&client).await?,
            names: names(settings),
            client,
        })
    }

    fn sender(&self, config: &Config, cursor: Option<&Cursor>) -> Result<Sender, ElasticError> {
        let client = Client::new(settings(config)?, Clock::system())?;
        let layout = self.layout(cursor);
        Ok(Sender::new(client, self.names.clone(), Clock::system(), layout))
    }

    /// As documents lie there already; where none do, as the server takes them.
    fn with_cursor(self, store: &Store) -> Result<(Self, Option<Cursor>), StoreError> {
        let cursor = Cursors::of(store).get(&self.names)?;
        let cursor = cursor.filter(|cursor| cursor.cluster == self.server.cluster);
        Ok((self, cursor))
    }

    fn revision(&self, cursor: Option<&Cursor>) -> Revision {
        let histograms = Layout::of(&self.server.can).histograms;
        cursor.map_or_else(
            || Revision {
                cluster: self.server.cluster.clone(),
                version: 0,
                histograms,
            },
            |cursor| cursor.revision(histograms),
        )
    }

    fn layout(&self, cursor: Option<&Cursor>) -> Layout {
        let layout = Layout::of(&self.server.can);
        let histograms = cursor.and_then(|cursor| cursor.histograms);
        Layout {
            histograms: histograms.unwrap_or(layout.histograms),
            ..layout
        }
    }
}

fn settings(config: &Config) -> Result<&Settings, ElasticError> {
    config.elasticsearch.as_ref().ok_or(ElasticError::NotConfigured)
}

fn names(settings: &Settings) -> Names {
    Names::new(settings.prefix.clone(), settings.period)
}

/// A client, with what should be put right about its files said on standard error.
async fn client(settings: &Settings, out: &Out) -> Result<Client, ElasticError> {
    let client = Client::new(settings, Clock::system())?;
    for warning in client.warnings() {
        out.say(Answer::Err(format!("note: {warning}\n"))).await;
    }
    Ok(client)
}

async fn retry_file(config: &Config, file: &Path, format: Format, out: &Out) -> Result<(), CommandError> {
    let mut sender = Reached::of(config, out).await?.sender(config, None)?;
    let retried = retry(file, &mut sender).await.map_err(ElasticError::from)?;
    match format {
        Format::Json => out.json(&retried.json()).await?,
        Format::Text => {
            let sent = count(retried.sent as usize, "document");
            out.text(format!("{sent} of {} sent.\n", file.display())).await?;
        }
    }
    match retried.dead {
        0 => Ok(()),
        1 => Err(refused("1 document is")),
        dead => Err(refused(&format!("{dead} documents are"))),
    }
}

fn refused(count: &str) -> CommandError {
    let count = count.to_owned();
    ElasticError::Refused { count }.into()
}

async fn again(
    context: &CommandContext,
    since: UnixMillis,
    format: Format,
    out: &Out,
) -> Result<(), CommandError> {
    let reached = Reached::of(&context.config, out).await?;
    let (reached, cursor) = reached.with_cursor(&context.store)?;
    let mut sender = reached.sender(&context.config, cursor.as_ref())?;
    let mut letters = DeadLetters::open(&context.dead_letters()).map_err(ElasticError::from)?;
    let from = Source {
        store: context.store.clone(),
        incidents: elastic_incidents::of(&context.store),
        names: reached.names.clone(),
        revision: reached.revision(cursor.as_ref()),
    };
    let progress = |done, all| out.progress(done, all);
    let when = (since, context.clock.wall());
    let done = backfill(&from, when, &mut sender, &mut letters, progress)
        .await
        .map_err(ElasticError::from)?;
    match format {
        Format::Json => out.json(&done.json()).await?,
        Format::Text => {
            let documents = count(done.documents as usize, "document");
            let text = format!(
                "{documents} since {} UTC are in Elasticsearch.\n",
                date_time(since)
            );
            out.text(text).await?;
        }
    }
    match done.dead {
        0 => Ok(()),
        dead => Err(refused(&format!("{dead} documents are"))),
    }
}

async fn verify(context: &CommandContext, args: &VerifyArgs, out: &Out) -> Result<(), CommandError> {
    let reached = Reached::of(&context.config, out).await?;
    let (reached, cursor) = reached.with_cursor(&context.store)?;
    let now = context.clock.wall();
    let since = args.since.as_deref().map(since).transpose()?;
    let kept = context.config.retention.raw;
    // A day that retention has begun to remove lies there whole, and here in part.
    let oldest = now.minus(kept).0.div_ceil(DAY_MS) * DAY_MS;
    let asked = since.map_or(oldest, |since| now.minus(since).0 / DAY_MS * DAY_MS);
    let begin = context.store.beginning()?.map_or(now, |beginning| beginning.from);
    let window = Window {
        from: UnixMillis(asked.max(oldest).max(begin.0 / DAY_MS * DAY_MS)),
        until: UnixMillis((now.0 / DAY_MS + 1) * DAY_MS),
        commit: cursor.as_ref().map_or(0, |cursor| cursor.commit),
        as_of: now,
    };
    let verifier = Verifier {
        store: context.store.clone(),
        client: &reached.client,
        names: reached.names.clone(),
        incidents: elastic_incidents::of(&context.store),
        revision: reached.revision(cursor.as_ref()),
    };
    let mut sender = match args.repair {
        true => Some(reached.sender(&context.config, cursor.as_ref())?),
        false => None,
    };
    let progress = |done, all| out.progress(done, all);
    let report = verifier
        .verify(window, sender.as_mut(), progress)
        .await
        .map_err(ElasticError::from)?;
    match args.format {
        Format::Json => out.json(&report).await?,
        Format::Text => out.text(text_of(&report)).await?,
    }
    match report.equal {
        true => Ok(()),
        false => Err(ElasticError::Differs {
            repaired: args.repair,
        }
        .into()),
    }
}

fn text_of(report: &Report) -> String {
    let mut text = format!(
        "{:<10} {:<14} {:>12} {:>14} {:>9} {:>7} {:>8}\n",
        "day", "kind", "store", "elasticsearch", "missing", "extra", "changed"
    );
    for period in &report.periods {
        text.push_str(&format!(
            "{:<10} {:<14} {:>12} {:>14} {:>9} {:>7} {:>8}\n",
            period.day,
            period.kind,
            period.store,
            period.elasticsearch,
            period.missing,
            period.extra,
            period.changed
        ));
    }
    for example in &report.examples {
        text.push_str(&format!("{} {} {}\n", example.is, example.kind, example.id));
    }
    if report.unsent > 0 {
        let unsent = count(report.unsent as usize, "measurement");
        text.push_str(&format!("{unsent} not sent yet: they count neither way.\n"));
    }
    if report.unsent_revisions > 0 {
        let unsent = count(report.unsent_revisions as usize, "document");
        text.push_str(&format!(
            "{unsent} of hours that still change: sent within minutes, and counted neither way.\n"
        ));
    }
    if report.removed_unsent > 0 {
        let removed = count(report.removed_unsent as usize, "measurement");
        text.push_str(&format!(
            "note: retention removed {removed} before Elasticsearch had taken them: they are in neither.\n"
        ));
    }
    if report.repaired > 0 {
        let repaired = count(report.repaired as usize, "document");
        text.push_str(&format!("{repaired} sent that were missing.\n"));
    }
    if report.equal {
        text.push_str("Equal: what is stored lies there, no more and no less.\n");
    }
    text
}
