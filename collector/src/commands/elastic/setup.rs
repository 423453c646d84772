//! `elastic setup`

use isochrone_base::error_chain::chain;
use isochrone_elastic::setup::{Change, Setup, queries, role};
use isochrone_elastic::{Account, Settings};

use super::{ElasticError, client, names, settings};
use crate::cli::{Format, SetupArgs};
use crate::commands::{CommandError, Out};
use crate::config::Config;

pub(super) async fn setup(config: &Config, args: &SetupArgs, out: &Out) -> Result<(), CommandError> {
    let settings = settings(config)?;
    let names = names(settings);
    if args.role {
        let role = serde_json::to_string_pretty(&role(&names))?;
        return out.document(format!("{role}\n")).await;
    }
    if args.queries {
        let all = queries(&names).into_iter();
        let all = all.map(|(name, asks, text)| format!("// {name}: {asks}\n{text}\n\n"));
        return out.document(all.collect::<String>()).await;
    }
    let settings = Settings {
        account: match (&args.user, &args.password_file) {
            (Some(name), Some(file)) => Some(Account::User {
                name: name.clone(),
                password_file: file.clone(),
            }),
            _ => settings.account.clone(),
        },
        ..settings.clone()
    };
    let client = client(&settings, out).await?;
    let found = Setup::look(&client, &names).await.map_err(ElasticError::from)?;
    let failed = match args.dry_run {
        true => Vec::new(),
        false => found.apply(&client).await,
    };
    let failed: Vec<(String, String)> = failed
        .into_iter()
        .map(|(what, error)| (what, chain(&error)))
        .collect();
    match args.format {
        Format::Text => out.text(text(&found, &failed, args.dry_run)).await?,
        Format::Json => out.json(&found.json(&failed, args.dry_run)).await?,
    }
    match found.blocked().count() + failed.len() {
        0 => Ok(()),
        1 => Err(not_set_up("1 thing is")),
        several => Err(not_set_up(&format!("{several} things are"))),
    }
}

fn not_set_up(count: &str) -> CommandError {
    let count = count.to_owned();
    ElasticError::NotSetUp { count }.into()
}

fn text(found: &Setup, failed: &[(String, String)], is_dry: bool) -> String {
    let mut text = format!("{}\n", found.server);
    for lack in found.server.lacks() {
        text.push_str(&format!("  {lack}\n"));
    }
    if let Some(clock) = found.server.clock() {
        text.push_str(&format!("  note: {clock}\n"));
    }
    for item in &found.items {
        let why = failed.iter().find(|(what, _)| *what == item.what);
        let says = match (&item.change, why) {
            (_, Some((_, why))) => format!("FAILED: {why}"),
            (Change::Make, None) if is_dry => "would be made".to_owned(),
            (Change::Make, None) => "made".to_owned(),
            (Change::Replace { because }, None) if is_dry => format!("would be made anew: {because} differs"),
            (Change::Replace { because }, None) => format!("made anew: {because} differed"),
            (Change::Keep, None) => "stands there".to_owned(),
            (Change::Leave { because, .. }, None) => format!("LEFT ALONE: {because}"),
        };
        text.push_str(&format!("{}: {says}\n", item.what));
    }
    if is_dry && !found.is_done() {
        text.push_str("Nothing was changed: this was a dry run.\n");
    }
    text
}
