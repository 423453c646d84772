//! `target approve`: nodes that the chain names are called by probes only once the lead says so.

use isochrone_base::names::slug;
use isochrone_chain::Endpoint;

use super::{Keys, add_keys};
use crate::commands::{CommandContext, CommandError, Out, UsageError, blocking};
use crate::topology::{Waiting, kept, waiting};

/// Lists those that wait, or takes one of them up.
pub(super) async fn carry_out(
    context: &CommandContext,
    node: Option<&str>,
    (worker, name): (Option<String>, Option<String>),
    out: &Out,
) -> Result<(), CommandError> {
    let store = context.store.clone();
    let copy = blocking(move || Ok(kept(&store)?)).await?;
    let copy = copy.ok_or(CommandError::NoTopology)?;
    let waiting = waiting(&copy.topology, &context.targets.borrow());
    let Some(given) = node else {
        return out.text(listed(&waiting)).await;
    };
    let mut found = waiting.iter().filter(|one| is_meant(one, given));
    let (one, None) = (found.next(), found.next()) else {
        let endpoints = waiting
            .iter()
            .filter(|one| is_meant(one, given))
            .map(|one| one.endpoint.to_string());
        let endpoints = endpoints.collect::<Vec<_>>().join(", ");
        let given = given.to_owned();
        return Err(UsageError::SeveralWait { given, endpoints }.into());
    };
    let given = given.to_owned();
    let one = one.ok_or(UsageError::NothingWaits { given })?;
    let name = name.unwrap_or_else(|| name_of(one));
    let keys = keys(one, &name, worker)?;
    add_keys(context, &name, keys, "target approve", out).await
}

fn is_meant(one: &Waiting, given: &str) -> bool {
    let is_bucket = given.parse().is_ok_and(|bucket| one.buckets.contains(&bucket));
    let is_host = one.endpoint.host().eq_ignore_ascii_case(given);
    is_bucket || is_host || Endpoint::of(given).is_some_and(|endpoint| endpoint == one.endpoint)
}

fn buckets(one: &Waiting) -> Vec<String> {
    one.buckets.iter().map(ToString::to_string).collect()
}

fn listed(waiting: &[Waiting]) -> String {
    if waiting.is_empty() {
        return "No node waits: targets.toml lists every active operator's endpoint of the chain's copy.\n"
            .to_owned();
    }
    let line = |one: &Waiting| {
        let worker = one
            .worker
            .map_or_else(|| "no worker".to_owned(), |worker| format!("worker {worker}"));
        let place = [one.place.city.as_str(), one.place.country.as_str()].join(", ");
        format!(
            "{}  {}  {worker}  {}\n",
            buckets(one).join(" "),
            one.endpoint,
            place.trim_matches([',', ' '])
        )
    };
    let mut text: String = waiting.iter().map(line).collect();
    text += "Nobody calls these before you take them up: `target approve BUCKET --worker NAME`.\n";
    text
}

fn name_of(one: &Waiting) -> String {
    let index = one.buckets.first().map_or(0, |bucket| bucket.index);
    match slug(&one.region).as_str() {
        "" => slug(one.endpoint.host()),
        region => format!("{region}-{index}"),
    }
}

fn keys(one: &Waiting, name: &str, worker: Option<String>) -> Result<Keys, CommandError> {
    let position = one.place.position().ok_or_else(|| UsageError::NoPlaceOnChain {
        endpoint: one.endpoint.to_string(),
    })?;
    let of_chain = || format!("worker-{}", one.worker.unwrap_or_default());
    let mut keys: Keys = vec![
        ("node", name.into()),
        ("kind", "argus".into()),
        ("url", one.endpoint.as_str().into()),
        ("worker", worker.unwrap_or_else(of_chain).into()),
        ("latitude", position.latitude().into()),
        ("longitude", position.longitude().into()),
        ("buckets", toml_edit::Array::from_iter(buckets(one)).into()),
    ];
    keys.extend(one.asset.clone().map(|asset| ("asset", asset.into())));
    Ok(keys)
}
