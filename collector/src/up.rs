//! `up`: the short way to a running collector with a probe on this machine.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use isochrone_base::files;
use isochrone_base::place;
use isochrone_planner::targets;
use isochrone_probe::config::Config as ProbeConfig;
use isochrone_probe::process;
use isochrone_probe::reach::TcpDial;
use isochrone_proto::ids::ProbeId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{AccessArg, Command, Format, ProbeCommand, ServeOptions, TargetCommand};
use crate::config::{self, Paths};
use crate::control::{self, Answer};
use crate::serve;
use crate::terminal;

/// How long the collector may take to answer its first command.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes what is missing, then runs collector and probe until `stop`. `site`: where this machine stands, "City,
/// CC"; without it the time zone's city is taken, and said.
///
/// # Errors
/// As [`serve::run`], and when the probe cannot join or fails.
pub async fn run(paths: Paths, site: Option<String>, stop: CancellationToken) -> anyhow::Result<()> {
    if let Some(site) = &site {
        place::find(site).context("--site")?;
    }
    let probe = ProbeConfig::read_or_default(&paths.probe_config())?;
    process::check_ports(&probe).with_context(|| {
        format!(
            "no probe can run on this machine beside what is there: stop it (`systemctl stop isochrone-probe`), or set `echo_listen` in {}",
            paths.probe_config().display()
        )
    })?;
    write_if_missing(&paths.config, config::SAMPLE)?;
    write_if_missing(&paths.targets, targets::SAMPLE)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(say_what_comes_next(paths.clone(), stop.clone()));
    tasks.spawn(serve::run(paths.clone(), ServeOptions::default(), stop.clone()));
    tasks.spawn(run_probe(paths, site, stop.clone()));
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

/// Once the collector answers: where its page is, and what a lead does next.
async fn say_what_comes_next(paths: Paths, stop: CancellationToken) -> anyhow::Result<()> {
    let command = Command::Target(TargetCommand::List { format: Format::Json });
    tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()), // it did not come up; why, is told elsewhere
        answer = ask(&paths, &command) => answer.map(drop)?,
    }
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let command = format!("{} {}", terminal::word(&program), paths.options());
    terminal::say(&format!(
        "The collector is up. Its page: http://{}/\n\
         Next, in another terminal:\n  \
         {command} target add --help      the nodes to check\n  \
         {command} probe invite --help    a probe on another server: alerts need two networks\n\
         Ctrl-C stops it; everything is kept.\n",
        config::Config::read(&paths.config)?.web,
        command = command.trim_end(),
    ));
    Ok(())
}

async fn run_probe(paths: Paths, site: Option<String>, stop: CancellationToken) -> anyhow::Result<()> {
    let folder = &paths.probe_state;
    if let Some(probe) = process::joined(folder)? {
        check_that_it_is_ours(&paths, probe).await?;
    } else {
        let Some(site) = site.or_else(site_of_time_zone) else {
            tracing::warn!(
                "this machine's place is not known, so no probe runs on it; start with `up --site 'City, CC'`"
            );
            stop.cancelled().await;
            return Ok(());
        };
        let token = invite(&paths, site).await?;
        process::join(folder, &token.parse()?).await?;
    }
    let config = ProbeConfig {
        collectors: config::Config::read(&paths.config)?.local_addresses(), // whatever the public ones are
        ..ProbeConfig::read_or_default(&paths.probe_config())?
    };
    process::run(folder, config, Arc::new(TcpDial), stop).await?;
    Ok(())
}

/// Invites the probe on this machine, once the collector answers.
async fn invite(paths: &Paths, site: String) -> anyhow::Result<String> {
    tracing::info!(
        %site, folder = %paths.probe_state.display(),
        "a probe on this machine joins. If it stands elsewhere: stop, remove that folder, start with `up --site 'City, CC'`, and revoke the old probe"
    );
    let found = place::find(&site).context("--site")?;
    if found.namesakes > 0 {
        tracing::warn!(%site, cities = found.namesakes + 1, "taken to be the largest of the cities of that name");
    }
    let command = Command::Probe(ProbeCommand::Invite {
        worker: "local".to_owned(),
        site,
        location: Some(format!("{},{}", found.latitude, found.longitude)),
        network: None,
        access: AccessArg::Unknown,
        name: None,
        valid: "1h".to_owned(),
        format: Format::Json,
    });
    let answer = ask(paths, &command).await?;
    match answer["token"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => bail!("this machine's probe was not invited: {answer}"),
    }
}

/// Refuses the identity of a probe that the collector here does not know: it would only be turned away.
async fn check_that_it_is_ours(paths: &Paths, probe: ProbeId) -> anyhow::Result<()> {
    let list = ask(
        paths,
        &Command::Probe(ProbeCommand::List { format: Format::Json }),
    )
    .await?;
    if is_listed(&list, probe) {
        return Ok(());
    }
    let folder = paths.probe_state.display();
    bail!(
        "the probe in {folder} belongs to another collector, or to one whose state was removed. If you need nothing of it, remove {folder} and start again; otherwise name another state folder with --state"
    )
}

fn is_listed(list: &serde_json::Value, probe: ProbeId) -> bool {
    let known = list["probes"].as_array().into_iter().flatten();
    known
        .into_iter()
        .any(|known| known["id"] == probe.to_string().as_str())
}

/// Has the collector carry out a command that prints JSON, once it answers.
async fn ask(paths: &Paths, command: &Command) -> anyhow::Result<serde_json::Value> {
    let (mut printed, mut complaints) = (String::new(), String::new());
    let asking = async {
        loop {
            printed.clear();
            complaints.clear();
            let show = |answer| match answer {
                Answer::Out(text) => printed.push_str(&text),
                Answer::Err(text) => complaints.push_str(&text),
                Answer::Progress { .. } | Answer::File { .. } | Answer::Exit(_) => {}
            };
            match control::ask(&paths.socket(), command, show).await {
                Ok(Some(code)) => return code,
                Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let code = tokio::time::timeout(PATIENCE, asking)
        .await
        .context("the collector did not come up")?;
    match serde_json::from_str(&printed) {
        Ok(answer) if code == 0 => Ok(answer),
        _ => bail!("the collector answered: {}", (printed + &complaints).trim()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_of_another_collector_is_told_from_one_of_this() {
        let list =
            serde_json::json!({ "probes": [{ "probe": "local-berlin", "id": ProbeId(7).to_string() }] });
        assert!(is_listed(&list, ProbeId(7)));
        assert!(!is_listed(&list, ProbeId(8)));
        assert!(!is_listed(&serde_json::Value::Null, ProbeId(7)));
    }

    #[tokio::test]
    async fn taken_echo_port_ends_it_before_anything_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let config = folder.path().join("collector.toml");
        let probe = folder.path().join("probe.toml");
        fs::write(&probe, format!("echo_listen = [\"{address}\"]\n")).unwrap();
        let paths = Paths::find(Some(config.clone()), Some(folder.path().join("state")));
        let ended = run(paths.clone(), None, CancellationToken::new());
        let ended = tokio::time::timeout(PATIENCE, ended).await.expect("early");
        let said = format!("{:#}", ended.unwrap_err());
        for word in [
            &address.to_string(),
            "systemctl stop",
            &probe.display().to_string(),
        ] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!config.exists() && !paths.state.exists(), "nothing was made");
    }
}
