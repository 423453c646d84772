//! `import`, as far as it needs the store: what was read elsewhere is taken in, placed and listed.

mod removal;
mod wanted;

use isochrone_base::place;
use isochrone_report::imported::{SourcesReport, sources_json, sources_text};
use isochrone_store::borrowed::{Borrowed, Removal};
use isochrone_store::imported::{ImportBatch, Imported, ImportedPlace};

pub(crate) use self::wanted::{Wanted, WantedHost};
use super::{CommandContext, CommandError, Out, UsageError, WIDTH, blocking};
use crate::cli::{Format, ImportCommand};
use crate::topology;

pub(super) async fn carry_out(
    context: &CommandContext,
    command: ImportCommand,
    out: &Out,
) -> Result<(), CommandError> {
    let imported = Imported::of(&context.store);
    match command {
        ImportCommand::Take { batch, dry_run } => {
            let taken = blocking(move || Ok(imported.take(&batch, dry_run)?)).await?;
            answer(&taken, out).await
        }
        ImportCommand::Reached { from } => answer(&imported.reached(&from)?, out).await,
        ImportCommand::Place { vantage, place } => set_place(context, &vantage, place, out).await,
        ImportCommand::List { format } => {
            let borrowed = Borrowed::of(&context.store);
            let listed = blocking(move || Ok((imported.sources()?, borrowed.vantages()?))).await?;
            let (sources, borrowed) = listed;
            let report = SourcesReport { sources, borrowed };
            match format {
                Format::Json => out.json(&sources_json(&report)).await,
                Format::Text => out.text(sources_text(&report, WIDTH)).await,
            }
        }
        ImportCommand::Remove {
            vantage,
            platform: Some(platform),
            measurement,
            confirm,
            ..
        } => {
            let removal = Removal {
                platform: platform.into(),
                vantage,
                measurement,
            };
            removal::borrowed(context, removal, confirm, out).await
        }
        ImportCommand::Remove {
            vantage,
            index,
            confirm,
            ..
        } => {
            let vantage = vantage.unwrap_or_default(); // the command line asks for it
            removal::documents(context, (vantage, index.map(Into::into)), confirm, out).await
        }
        ImportCommand::Wanted { platform } => {
            let (borrowed, targets) = (Borrowed::of(&context.store), context.targets.borrow().clone());
            let vantages = blocking(move || Ok(borrowed.vantages()?)).await?;
            answer(&Wanted::of(&targets).with_vantages(vantages, platform), out).await
        }
        ImportCommand::TakeBorrowed { batch, dry_run } => {
            let borrowed = Borrowed::of(&context.store);
            let taken = blocking(move || Ok(borrowed.take(&batch, dry_run)?)).await?;
            answer(&taken, out).await
        }
        ImportCommand::TakeTopology {
            topology,
            from,
            anyway,
        } => {
            let (store, now) = (context.store.clone(), context.clock.wall());
            let source = from.clone();
            let copy = blocking(
                move || match topology::take(&store, *topology, (now, source), anyway)? {
                    Ok(copy) => Ok(copy),
                    Err(not_better) => Err(not_better.into()),
                },
            );
            let copy = copy.await?;
            context
                .registry
                .note(&context.actor, "import", format!("topology from {from}"))?;
            let summary = topology::summary(&copy, &context.targets.borrow());
            answer(&summary, out).await
        }
        ImportCommand::NoteBorrowed { what } => {
            context.registry.note(&context.actor, "import", what)?;
            answer(&(), out).await
        }
        ImportCommand::Atlas { .. } | ImportCommand::Globalping { .. } | ImportCommand::Topology { .. } => {
            Ok(())
        } // read by whoever gave the command
        #[cfg(feature = "elasticsearch")]
        ImportCommand::Ndjson { .. } | ImportCommand::Elasticsearch { .. } => Ok(()), // likewise
        #[cfg(not(feature = "elasticsearch"))]
        ImportCommand::Ndjson(_) | ImportCommand::Elasticsearch(_) => Err(UsageError::NoElasticsearch.into()),
    }
}

/// For the process that asked, not for people.
async fn answer(value: &impl serde::Serialize, out: &Out) -> Result<(), CommandError> {
    out.document(serde_json::to_string(value)?).await
}

async fn set_place(
    context: &CommandContext,
    vantage: &str,
    site: String,
    out: &Out,
) -> Result<(), CommandError> {
    let found = place::find(&site).map_err(|source| UsageError::Place {
        given: site.clone(),
        source,
    })?;
    place::check_clear(&site).map_err(UsageError::UnclearPlace)?;
    let place = ImportedPlace {
        site,
        latitude: found.latitude,
        longitude: found.longitude,
        country: found.country,
    };
    let imported = Imported::of(&context.store);
    let mut is_known = false;
    for source in imported
        .sources()?
        .iter()
        .filter(|source| source.vantage == vantage)
    {
        is_known = true;
        let batch = ImportBatch {
            index: source.index,
            runs: Vec::new(),
            places: vec![(vantage.to_owned(), place.clone())],
            reached: None,
        };
        imported.take(&batch, false)?;
    }
    if !is_known {
        let name = vantage.to_owned();
        return Err(CommandError::NoSuchSource { name });
    }
    let site = &place.site;
    let what = format!("imported vantage {vantage}: {site}");
    context.registry.note(&context.actor, "place", what)?;
    out.text(format!(
        "{vantage} stands in {site}; `report coverage --imported` counts it.\n"
    ))
    .await
}
