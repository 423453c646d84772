//! `import remove`.

use isochrone_base::words::{count, date_time};
use isochrone_store::borrowed::{Borrowed, Removal, Removed};
use isochrone_store::imported::{Imported, ImportedIndex, ImportedSource};

use super::super::{CommandContext, CommandError, Out, UsageError, blocking};

/// Documents that the group wrote before.
pub(super) async fn documents(
    context: &CommandContext,
    (vantage, index): (String, Option<ImportedIndex>),
    confirm: Option<String>,
    out: &Out,
) -> Result<(), CommandError> {
    let imported = Imported::of(&context.store);
    let Some(given) = confirm else {
        let is_of = |source: &ImportedSource| {
            source.vantage == vantage && index.is_none_or(|index| index == source.index)
        };
        let sources: Vec<ImportedSource> = imported.sources()?.into_iter().filter(is_of).collect();
        if sources.is_empty() {
            let known = Borrowed::of(&context.store).vantages()?;
            let of = known.iter().find(|known| known.vantage.id == vantage);
            return Err(match of {
                Some(known) => CommandError::OfPlatform {
                    name: vantage,
                    platform: known.vantage.platform.word(),
                },
                None => CommandError::NoSuchSource { name: vantage },
            });
        }
        let text = format!(
            "{}Nothing was changed: to remove them, say the name once more with --confirm.\n",
            lines(&sources, "would be removed")
        );
        return out.text(text).await;
    };
    if given != vantage {
        return Err(UsageError::Confirmed { given, name: vantage }.into());
    }
    let name = vantage.clone();
    let removed = blocking(move || Ok(imported.remove(&name, index)?)).await?;
    if removed.is_empty() {
        return out
            .text(format!("No document of {vantage} is here; nothing to remove.\n"))
            .await;
    }
    let documents: u64 = removed.iter().map(|source| source.documents).sum();
    let what = format!("imported vantage {vantage}: {documents} documents");
    context.registry.note(&context.actor, "remove", what)?;
    out.text(lines(&removed, "removed")).await
}

fn lines(sources: &[ImportedSource], what: &str) -> String {
    let line = |source: &ImportedSource| {
        format!(
            "{} of {}: {} from {} to {} UTC, {what}.\n",
            source.vantage,
            source.index.word(),
            count(source.documents as usize, "document"),
            date_time(source.first),
            date_time(source.last)
        )
    };
    sources.iter().map(line).collect()
}

/// What a public platform measured.
pub(super) async fn borrowed(
    context: &CommandContext,
    removal: Removal,
    confirm: Option<String>,
    out: &Out,
) -> Result<(), CommandError> {
    let name = name(&removal).to_owned();
    let dry_run = match confirm {
        Some(given) if given != name => return Err(UsageError::Confirmed { given, name }.into()),
        confirm => confirm.is_none(),
    };
    let (borrowed, of) = (Borrowed::of(&context.store), removal.clone());
    let removed = blocking(move || Ok(borrowed.remove(&of, dry_run)?)).await?;
    let of = words(&removal);
    if removed.is_empty() && dry_run {
        return Err(CommandError::NothingBorrowed { of });
    }
    if removed.is_empty() {
        return out
            .text(format!("Nothing is here of {of}; nothing to remove.\n"))
            .await;
    }
    let runs: u64 = removed.iter().map(|one| one.runs).sum();
    let what = format!(
        "{of}: {} of {}",
        count(runs as usize, "measurement"),
        count(removed.len(), "vantage")
    );
    if dry_run {
        let text = format!(
            "{}{what} would be removed. Nothing was changed: to remove them, add --confirm {}.\n",
            eyes(&removed),
            quoted(&name)
        );
        return out.text(text).await;
    }
    context
        .registry
        .note(&context.actor, "remove", format!("borrowed, {what}"))?;
    out.text(format!("{}{what} removed.\n", eyes(&removed))).await
}

/// What has to be said once more.
fn name(removal: &Removal) -> &str {
    let narrowed = removal.vantage.as_deref().or(removal.measurement.as_deref());
    narrowed.unwrap_or(removal.platform.word())
}

fn words(removal: &Removal) -> String {
    let mut words = removal.platform.word().to_owned();
    if let Some(vantage) = &removal.vantage {
        words += &format!(" vantage {vantage}");
    }
    if let Some(measurement) = &removal.measurement {
        words += &format!(" measurement {measurement}");
    }
    words
}

/// As a shell takes it.
fn quoted(name: &str) -> String {
    match name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "'\\''")),
    }
}

/// The vantages that lose most.
fn eyes(removed: &[Removed]) -> String {
    let mut sorted: Vec<&Removed> = removed.iter().collect();
    sorted.sort_by_key(|one| std::cmp::Reverse(one.runs));
    let line = |one: &&Removed| {
        let (known, left) = (&one.vantage, one.left);
        let stays = match left {
            0 => String::new(),
            left => format!("; {left} stay"),
        };
        format!(
            "  {}: {} of {} to {} UTC{stays}\n",
            known.vantage.id,
            count(one.runs as usize, "measurement"),
            date_time(known.first),
            date_time(known.last)
        )
    };
    let mut text: String = sorted.iter().take(SHOWN).map(line).collect();
    if sorted.len() > SHOWN {
        text += &format!("  and {} more\n", sorted.len() - SHOWN);
    }
    text
}

/// So many vantages are named.
const SHOWN: usize = 12;
