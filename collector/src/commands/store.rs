//! `store`: the store's own files.

use serde::Serialize;

use isochrone_store::SegmentFile;

use super::{CommandContext, CommandError, Out, blocking};
use crate::cli::{Format, StoreCommand};

/// `store files --format json`
#[derive(Serialize)]
struct Files {
    schema: &'static str,
    files: Vec<SegmentFile>,
}

pub(super) async fn carry_out(
    context: &CommandContext,
    command: StoreCommand,
    out: &Out,
) -> Result<(), CommandError> {
    let StoreCommand::Files { tier, format } = command;
    let store = context.store.clone();
    let files = blocking(move || Ok(store.segment_files(tier.into())?)).await?;
    match format {
        Format::Json => {
            let schema = "isochrone.files/1";
            out.json(&Files { schema, files }).await
        }
        Format::Text => {
            let paths = files.iter().map(|file| format!("{}\n", file.path.display()));
            out.document(paths.collect::<String>()).await
        }
    }
}
