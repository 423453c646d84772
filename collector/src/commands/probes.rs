//! `probe invite|list|revoke` and `audit`.

use std::sync::Arc;
use std::time::Duration;

use isochrone_base::words;
use isochrone_gate::registry::{
    Access, Invitation, InvitationRecord, NewInvitation, ProbeRecord, RegistryError,
};
use isochrone_gate::session::SessionView;
use isochrone_planner::plans::Checked;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_report::frame::DEMO;
use isochrone_report::lines::Lines;
use isochrone_report::tables::{Cell, Column, Table};
use jiff::Timestamp;
use serde_json::json;

use super::{CommandContext, CommandError, Out, WIDTH, failed};
use crate::cli::{AccessArg, Format, ProbeCommand};
use crate::control::Answer;

pub(super) async fn carry_out(
    context: &CommandContext,
    command: ProbeCommand,
    out: &Out,
) -> Result<(), CommandError> {
    match command {
        ProbeCommand::Invite {
            worker,
            site,
            location,
            network,
            access,
            name,
            valid,
            format,
        } => {
            let valid: Duration = humantime::parse_duration(&valid).map_err(|error| {
                CommandError::Usage(format!("--valid {valid}: {error}; write it as 72h or 3days"))
            })?;
            let location = location.as_deref().map(self::location).transpose()?;
            let new = NewInvitation {
                worker,
                site,
                location,
                network,
                access: access.into(),
                name,
                valid: Some(valid),
                ..Default::default()
            };
            let invitation = context.registry.invite(&new, &context.actor).map_err(refused)?;
            let warning = context.config.invitation_warning();
            if let Some(warning) = warning.as_ref().filter(|_| format == Format::Text) {
                out.say(Answer::Err(format!("WARNING: {warning}.\n"))).await;
            }
            match format {
                Format::Json => {
                    let warnings: Vec<String> = warning.into_iter().collect();
                    let Invitation {
                        token,
                        script,
                        expires,
                        name,
                    } = invitation;
                    let answer = json!({
                        "token": token, "script": script, "expires": expires, "name": name, "warnings": warnings
                    });
                    out.json(&answer).await
                }
                _ if context.store.is_demo() => {
                    out.document(format!("# {DEMO}\n{}", invitation.script)).await
                }
                _ => out.document(invitation.script).await,
            }
        }
        ProbeCommand::List { format } => list(context, format, out).await,
        ProbeCommand::Revoke { probe } => out.text(revoke(context, &probe)?).await,
    }
}

/// Why there is no invitation: what the options say is wrong usage, all else a failure.
fn refused(error: RegistryError) -> CommandError {
    use RegistryError::{Location, NameForm, Text, UnknownSite, Valid};
    match error {
        UnknownSite(_) | Location { .. } | Valid { .. } | Text { .. } | NameForm { .. } => {
            CommandError::Usage(isochrone_base::error_chain::chain(&error))
        }
        other => failed(other),
    }
}

/// Shuts out a probe, or whoever holds an open invitation of that name.
fn revoke(context: &CommandContext, name: &str) -> Result<String, CommandError> {
    if context.registry.by_name(name).is_none()
        && context.registry.withdraw(name, &context.actor).map_err(failed)?
    {
        return Ok(format!(
            "The invitation of {name} is withdrawn; its token lets nobody in any more.\n"
        ));
    }
    let record = find(context, name)?;
    let revoked = context
        .registry
        .revoke(record.id, &context.actor, "revoked by command")
        .map_err(failed)?;
    let text = if revoked {
        "is revoked; its connection is closed, and the responders it knew get new keys"
    } else {
        "was already revoked"
    };
    Ok(format!("{} {text}.\n", record.name))
}

/// "lat,lon" in degrees.
pub(super) fn location(text: &str) -> Result<(f64, f64), CommandError> {
    let parsed = text.split_once(',').and_then(|(latitude, longitude)| {
        Some((
            latitude.trim().parse::<f64>().ok()?,
            longitude.trim().parse::<f64>().ok()?,
        ))
    });
    parsed
        .filter(|(latitude, longitude)| {
            (-90.0..=90.0).contains(latitude) && (-180.0..=180.0).contains(longitude)
        })
        .ok_or_else(|| {
            CommandError::Usage(format!(
                "--location {text}: write latitude,longitude in degrees, such as 34.69,135.50"
            ))
        })
}

fn find(context: &CommandContext, probe: &str) -> Result<Arc<ProbeRecord>, CommandError> {
    let by_id = || {
        probe
            .parse::<ProbeId>()
            .ok()
            .and_then(|id| context.registry.probe(id))
    };
    context.registry.by_name(probe).or_else(by_id).ok_or_else(|| {
        CommandError::Failed(format!(
            "no probe is called {probe:?}; `probe list` shows all names"
        ))
    })
}

async fn list(context: &CommandContext, format: Format, out: &Out) -> Result<(), CommandError> {
    let (mut probes, invitations) = (context.registry.list(), context.registry.open_invitations());
    probes.sort_by(|a, b| a.name.cmp(&b.name));
    if format == Format::Json {
        let probes: Vec<_> = probes.iter().map(|record| as_json(context, record)).collect();
        let invitations: Vec<_> = invitations
            .iter()
            .map(|it| json!({ "probe": it.name, "worker": it.place.worker, "site": it.place.site, "until": instant(it.valid_until) }))
            .collect();
        return out
            .json(&json!({ "schema": "isochrone.probes/1", "probes": probes, "invitations": invitations }))
            .await;
    }
    if probes.is_empty() && invitations.is_empty() {
        let text =
            "No probes yet. `probe invite --worker NAME --site 'City, CC'` prints what a worker pastes.\n";
        return out.text(text).await;
    }
    let mut lines = Lines::text(WIDTH);
    lines.table(&table(context, &probes, &invitations));
    if !probes.is_empty() {
        lines.wrapped(
            "ECHO: where its echo port answered. UNSENT: measurements it holds that are not stored here yet.",
        );
    }
    let closed: Vec<&str> = probes
        .iter()
        .filter(|record| record.is_active() && echo(context, record) == CLOSED)
        .map(|record| record.name.as_str())
        .collect();
    if !closed.is_empty() {
        lines.blank();
        lines.wrapped(&format!(
            "Echo port closed: {}. Peers cannot measure them. On those servers, open UDP port 7472, for example:",
            closed.join(", ")
        ));
        lines.verbatim(
            "  ufw allow 7472/udp        or        nft add rule inet filter input udp dport 7472 accept",
        );
    }
    out.text(lines.finish()).await
}

fn table(
    context: &CommandContext,
    probes: &[Arc<ProbeRecord>],
    invitations: &[Arc<InvitationRecord>],
) -> Table {
    let names = ["PROBE", "WORKER", "SITE", "NETWORK", "STATE", "ECHO"].map(Column::names);
    let columns = names.into_iter().chain([Column::figures("UNSENT")]);
    let probes = probes.iter().map(|record| {
        let session = context.sessions.view(record.id);
        let unsent = session.as_ref().map(|session| session.spool.unstored.to_string());
        let state = state(context, record, session.as_ref());
        let place = (&record.worker, &record.site, record.network);
        row(
            &record.name,
            place,
            [state, echo(context, record), unsent.unwrap_or_default()],
        )
    });
    let invitations = invitations.iter().map(|it| {
        let state = format!("invited, until {}", minute(it.valid_until));
        let place = (&it.place.worker, &it.place.site, it.place.network);
        row(&it.name, place, [state, String::new(), String::new()])
    });
    Table::new("Probes", columns).rows(probes.chain(invitations))
}

fn row(name: &str, (worker, site, number): (&String, &String, Option<u32>), rest: [String; 3]) -> Vec<Cell> {
    let place = [name.to_owned(), worker.clone(), site.clone(), network(number)];
    place.into_iter().chain(rest).map(Cell::from).collect()
}

fn network(number: Option<u32>) -> String {
    number.map_or("unknown".to_owned(), |number| format!("AS{number}"))
}

const CLOSED: &str = "closed";

fn state(context: &CommandContext, record: &ProbeRecord, session: Option<&SessionView>) -> String {
    match session {
        _ if !record.is_active() => "revoked".to_owned(),
        Some(session) => {
            let ago = context.clock.wall().since(session.since);
            format!("connected for {}", words::duration(ago.as_millis() as u64))
        }
        None if context.running => "away".to_owned(),
        None => "collector not running".to_owned(),
    }
}

/// Whether its echo port was seen open, by family.
fn echo(context: &CommandContext, record: &ProbeRecord) -> String {
    let checked = context.addresses.checked(record.id);
    let answered: Vec<&str> = checked
        .iter()
        .flatten()
        .filter(|checked| checked.answered.is_some())
        .map(|checked| if checked.address.is_ipv4() { "v4" } else { "v6" })
        .collect();
    if !answered.is_empty() {
        return answered.join(" ");
    }
    if checked.iter().flatten().next().is_some() {
        CLOSED.to_owned()
    } else {
        "not asked yet".to_owned()
    }
}

fn as_json(context: &CommandContext, record: &ProbeRecord) -> serde_json::Value {
    let session = context.sessions.view(record.id);
    let echo = |checked: &Option<Checked>| {
        checked.as_ref().map(|checked| {
            json!({ "address": checked.address, "answered": checked.answered.map(instant),
                    "asked": instant(checked.asked), "refused": checked.refused })
        })
    };
    let [v4, v6] = context.addresses.checked(record.id);
    json!({
        "probe": record.name, "id": record.id.to_string(), "worker": record.worker, "site": record.site,
        "latitude": record.latitude, "longitude": record.longitude, "country": record.country,
        "network": record.network, "access": record.access,
        "state": if record.is_active() { "active" } else { "revoked" },
        "joined": instant(record.joined), "connected": session.is_some(),
        "since": session.as_ref().map(|session| instant(session.since)),
        "remote": session.as_ref().map(|session| session.remote),
        "software": session.as_ref().map(|session| session.software.clone()),
        "plan": session.as_ref().and_then(|session| session.plan).map(|plan| plan.to_string()),
        "spool_bytes": session.as_ref().map(|session| session.spool.bytes),
        "spool_unstored": session.as_ref().map(|session| session.spool.unstored),
        "rtt_ms": session.as_ref().and_then(|session| session.rtt).map(|rtt| rtt.as_secs_f64() * 1_000.0),
        "clock_offset_ms": session.as_ref().and_then(|session| session.clock_offset_ms),
        "echo4": echo(&v4), "echo6": echo(&v6),
    })
}

pub(super) async fn audit(context: &CommandContext, format: Format, out: &Out) -> Result<(), CommandError> {
    let entries = context.registry.audit(UnixMillis(0)).map_err(failed)?;
    if format == Format::Json {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| json!({ "at": instant(entry.at), "who": entry.who, "act": entry.act, "what": entry.what }))
            .collect();
        return out
            .json(&json!({ "schema": "isochrone.audit-log/1", "entries": entries }))
            .await;
    }
    if entries.is_empty() {
        return out.text("Nothing was done yet.\n").await;
    }
    for entry in entries {
        let head = format!("{}  {}, by {}", instant(entry.at), entry.act, entry.who);
        let what = words::wrapped(&entry.what, WIDTH - 4);
        out.text(format!("{head}\n    {}\n", what.replace('\n', "\n    ")))
            .await?;
    }
    Ok(())
}

/// For people: UTC, to the minute.
fn minute(at: UnixMillis) -> String {
    format!(
        "{} UTC",
        instant(at)[..].get(..16).unwrap_or("unknown").replace('T', " ")
    )
}

/// RFC 3339, to the second.
pub(super) fn instant(at: UnixMillis) -> String {
    let timestamp = i64::try_from(at.0)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(
        || "unknown".to_owned(),
        |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

impl From<AccessArg> for Access {
    fn from(access: AccessArg) -> Self {
        match access {
            AccessArg::DataCentre => Self::DataCentre,
            AccessArg::Eyeball => Self::Eyeball,
            AccessArg::Unknown => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_that_cannot_be_is_wrong_usage_and_a_taken_name_is_not() {
        let wrong = [
            RegistryError::Text { option: "--worker" },
            RegistryError::Valid {
                valid: Duration::ZERO,
            },
            RegistryError::NameForm {
                name: "A b".to_owned(),
            },
        ];
        for error in wrong {
            let refused = refused(error);
            assert!(matches!(refused, CommandError::Usage(_)), "{refused}");
        }
        let taken = refused(RegistryError::NameTaken {
            name: "ada".to_owned(),
        });
        assert!(matches!(taken, CommandError::Failed(_)), "{taken}");
    }
}
