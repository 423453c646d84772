//! `up`: the short way to a running collector with a probe on this machine.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use isochrone_probe::config::Config as ProbeConfig;
use isochrone_probe::http::TcpDial;
use isochrone_probe::process;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{AccessArg, Act, Format, ProbeAct, ServeOptions};
use crate::config::{self, Places};
use crate::control::{self, Answer};
use crate::{files, place, serve, targets};

/// How long the collector may take to answer its first command.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes what is missing, then runs collector and probe until `stop`. `site`: where this machine stands, "City,
/// CC"; without it the time zone's city is taken, and said.
///
/// # Errors
/// As [`serve::run`], and when the probe cannot join or fails.
pub async fn run(places: Places, site: Option<String>, stop: CancellationToken) -> anyhow::Result<()> {
    write_if_missing(&places.config, config::SAMPLE)?;
    write_if_missing(&places.targets, &targets::sample())?;
    let mut tasks = JoinSet::new();
    tasks.spawn(serve::run(places.clone(), ServeOptions::default(), stop.clone()));
    tasks.spawn(run_probe(places, site, stop.clone()));
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.context("a task panicked").flatten();
        if result.is_ok() && ended.is_err() {
            result = ended;
            stop.cancel();
        }
    }
    result
}

async fn run_probe(places: Places, site: Option<String>, stop: CancellationToken) -> anyhow::Result<()> {
    let folder = probe_folder(&places.state);
    if !process::has_joined(&folder)? {
        let Some(site) = site.or_else(site_of_time_zone) else {
            tracing::warn!(
                "this machine's place is not known, so no probe runs on it; start with `up --site 'City, CC'`"
            );
            stop.cancelled().await;
            return Ok(());
        };
        place::find(&site)?;
        let token = invite(&places, site).await?;
        process::join(&folder, &token.parse()?).await?;
    }
    let config = ProbeConfig::read_or_default(&folder.join("probe.toml"))?;
    let config = ProbeConfig {
        collectors: vec![own_address(&places)?],
        ..config
    };
    process::run(&folder, config, Arc::new(TcpDial), stop).await?;
    Ok(())
}

/// Invites the probe on this machine, once the collector answers.
async fn invite(places: &Places, site: String) -> anyhow::Result<String> {
    tracing::info!(%site, "a probe on this machine joins; another place: stop, remove the state folder, `up --site`");
    let act = Act::Probe(ProbeAct::Invite {
        worker: "local".to_owned(),
        site,
        location: None,
        network: None,
        access: AccessArg::Unknown,
        name: None,
        valid: "1h".to_owned(),
        format: Format::Json,
    });
    let mut printed = String::new();
    let asking = async {
        loop {
            printed.clear();
            let show = |answer| {
                if let Answer::Out(text) | Answer::Err(text) = answer {
                    printed.push_str(&text);
                }
            };
            match control::ask(&places.socket(), &act, show).await {
                Ok(Some(code)) => return code,
                Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let code = tokio::time::timeout(PATIENCE, asking)
        .await
        .context("the collector did not come up")?;
    let answer: serde_json::Value = serde_json::from_str(&printed).unwrap_or_default();
    match answer["token"].as_str() {
        Some(token) if code == 0 => Ok(token.to_owned()),
        _ => bail!("this machine's probe was not invited: {printed}"),
    }
}

/// The probe's state, beside the collector's.
fn probe_folder(collector: &Path) -> PathBuf {
    collector.with_file_name("isochrone-probe")
}

/// The collector in this process, whatever its public address is.
fn own_address(places: &Places) -> anyhow::Result<String> {
    let config = config::Config::read(&places.config)?;
    let address = config.listen.first().context("`listen` names no address")?;
    let ip = if address.ip().is_unspecified() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        address.ip()
    };
    Ok(std::net::SocketAddr::new(ip, address.port()).to_string())
}

/// `Europe/Berlin` stands for Berlin: the time zone's city, if it is one we know and the zone names one.
fn site_of_time_zone() -> Option<String> {
    let link = fs::read_link("/etc/localtime").ok();
    let from_link = link.and_then(|path| Some(path.to_str()?.rsplit_once("zoneinfo/")?.1.to_owned()));
    let zone = from_link.or_else(|| fs::read_to_string("/etc/timezone").ok())?;
    let city = zone.trim().rsplit_once('/')?.1.replace('_', " ");
    place::largest_called(&city)
}

fn write_if_missing(path: &Path, text: &str) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    files::replace(path, text.as_bytes(), 0o644)
        .with_context(|| format!("cannot write {}", path.display()))?;
    tracing::info!(file = %path.display(), "written with every key explained");
    Ok(())
}
