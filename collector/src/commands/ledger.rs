//! `ledger`: what became of every planned check.

use isochrone_store::ledger;

use super::{CommandContext, CommandError, Out, UsageError, WIDTH, blocking};
use crate::cli::{Accepted, Format};

/// `ledger`
pub(super) async fn shown(
    context: &CommandContext,
    verify: bool,
    format: Format,
    out: &Out,
) -> Result<(), CommandError> {
    let (store, now) = (context.store.clone(), context.clock.wall());
    let bar = out.clone();
    let (ledger, audit) = blocking(move || {
        // first: what is counted again may find damage, and the account is then another one
        let audit = verify.then(|| ledger::verify_with(&store, &mut |done, total| bar.progress(done, total)));
        let audit = audit.transpose()?;
        Ok((ledger::read(&store, now)?, audit))
    })
    .await?;
    match format {
        Format::Json => {
            let json = isochrone_report::ledger::json(&ledger, audit.as_ref());
            out.document(json + "\n").await?;
        }
        Format::Text => {
            out.text(isochrone_report::ledger::text(&ledger, audit.as_ref(), WIDTH))
                .await?
        }
    }
    match audit {
        Some(audit) if !audit.is_sound() => Err(CommandError::Unsound {
            lost: audit.lost,
            twice: audit.twice,
            damaged: audit.damaged,
            wrong_sums: audit.wrong_sums,
        }),
        _ => Ok(()),
    }
}

/// `ledger --accept-damage`
pub(super) async fn accept_damage(
    context: &CommandContext,
    which: Accepted,
    format: Format,
    out: &Out,
) -> Result<(), CommandError> {
    let only = match which {
        Accepted::All => None,
        Accepted::Row(number) => Some(number),
    };
    let rows = context.registry.accept_damage(only, &context.actor)?;
    if let (Accepted::Row(number), true) = (which, rows.is_empty()) {
        return Err(UsageError::NoSuchDamage { number }.into());
    }
    match format {
        Format::Json => {
            let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
            out.json(&serde_json::json!({ "accepted": numbers })).await
        }
        Format::Text => {
            let said = isochrone_report::ledger::accepted(&rows, WIDTH);
            out.text(said).await
        }
    }
}
