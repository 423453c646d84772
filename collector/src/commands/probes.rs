//! `probe invite|list|revoke` and `audit`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use isochrone_gate::audit::AuditEntry;
use isochrone_gate::registry::{Access, InvitationRecord, NewInvitation, ProbeRecord, RegistryError};
use isochrone_gate::session::SessionView;
use isochrone_planner::draft::LeftOut;
use isochrone_planner::plans::Checked;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_report::audit::{self, AuditLine};
use isochrone_report::probes::{
    EchoLine, FreshInvitation, LeftOutLine, OpenInvitation, ProbeLine, ProbesReport, Seat, SessionLine,
};
use isochrone_web::view::ProbeState;

use super::load::left_out;
use super::{CommandContext, CommandError, Out, UsageError, WIDTH};
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
                let (option, given, example) = ("--valid", valid, "72h or 3days");
                UsageError::Duration {
                    option,
                    given,
                    error,
                    example,
                }
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
            invite(context, &new, format, out).await
        }
        ProbeCommand::List { format } => list(context, format, out).await,
        ProbeCommand::Revoke { probe } => out.text(revoke(context, &probe)?).await,
    }
}

async fn invite(
    context: &CommandContext,
    new: &NewInvitation,
    format: Format,
    out: &Out,
) -> Result<(), CommandError> {
    let invitation = context.registry.invite(new, &context.actor).map_err(refused)?;
    let fresh = FreshInvitation {
        token: invitation.token,
        script: invitation.script,
        expires: invitation.expires,
        name: invitation.name,
        warning: context.config.invitation_warning(),
        notes: invitation.notes,
        demo: context.store.is_demo(),
    };
    if format == Format::Json {
        return out.json(&fresh.json()).await;
    }
    if let Some(warning) = &fresh.warning {
        out.say(Answer::Err(format!("WARNING: {warning}.\n"))).await;
    }
    for note in &fresh.notes {
        out.say(Answer::Err(format!("Note: {note}.\n"))).await;
    }
    out.document(fresh.text()).await
}

/// Why there is no invitation: what the options say is wrong usage, all else a failure.
fn refused(error: RegistryError) -> CommandError {
    use RegistryError::{Location, NameForm, Text, UnclearSite, UnknownSite, Valid};
    match error {
        UnknownSite(_) | UnclearSite(_) | Location { .. } | Valid { .. } | Text { .. } | NameForm { .. } => {
            UsageError::Invitation(error).into()
        }
        other => other.into(),
    }
}

/// Shuts out a probe, or whoever holds an open invitation of that name.
fn revoke(context: &CommandContext, name: &str) -> Result<String, CommandError> {
    if context.registry.by_name(name).is_none() && context.registry.withdraw(name, &context.actor)? {
        return Ok(format!(
            "The invitation of {name} is withdrawn; its token lets nobody in any more.\n"
        ));
    }
    let record = find(context, name)?;
    let revoked = context
        .registry
        .revoke(record.id, &context.actor, "revoked by command")?;
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
            let given = text.to_owned();
            UsageError::Location { given }.into()
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
        let name = probe.to_owned();
        CommandError::NoSuchProbe { name }
    })
}

async fn list(context: &CommandContext, format: Format, out: &Out) -> Result<(), CommandError> {
    let report = report(context);
    match format {
        Format::Json => out.json(&report.json()).await,
        Format::Text => out.text(report.text(WIDTH)).await,
    }
}

fn report(context: &CommandContext) -> ProbesReport {
    let mut probes = context.registry.list();
    probes.sort_by(|a, b| a.name.cmp(&b.name));
    let invitations = context.registry.open_invitations();
    let invitation = |open: &Arc<InvitationRecord>| OpenInvitation {
        name: open.name.clone(),
        seat: Seat {
            worker: open.place.worker.clone(),
            site: open.place.site.clone(),
            network: open.place.network,
        },
        until: open.valid_until,
    };
    let left_out = left_out(context, &context.targets.borrow().clone());
    let left_out: HashMap<&str, &LeftOut> = left_out.iter().map(|full| (full.probe.as_str(), full)).collect();
    let line = |record: &Arc<ProbeRecord>| ProbeLine {
        left_out: left_out.get(record.name.as_str()).map(|full| LeftOutLine {
            nodes: full.nodes,
            candidates: full.candidates,
            checks: full.checks,
        }),
        ..line(context, record)
    };
    ProbesReport {
        probes: probes.iter().map(line).collect(),
        invitations: invitations.iter().map(invitation).collect(),
        clocks: context.sessions.clocks().sentences(context.clock.wall()),
        running: context.views.is_some(),
        now: context.clock.wall(),
    }
}

fn line(context: &CommandContext, record: &ProbeRecord) -> ProbeLine {
    ProbeLine {
        name: record.name.clone(),
        id: record.id.to_string(),
        seat: Seat {
            worker: record.worker.clone(),
            site: record.site.clone(),
            network: record.network,
        },
        latitude: record.latitude,
        longitude: record.longitude,
        country: record.country.clone(),
        access: access(record.access),
        active: record.is_active(),
        joined: record.joined,
        session: context.sessions.view(record.id).map(session),
        left_out: None,
        away_since: away_since(context, &record.name),
        unread: record.unread_kinds().iter().map(ToString::to_string).collect(),
        echo: context.addresses.checked(record.id).map(|port| port.map(echo)),
    }
}

/// Since when a probe is away, as the page has it.
fn away_since(context: &CommandContext, name: &str) -> Option<UnixMillis> {
    let view = context.views.as_ref()?.borrow();
    let is_away = |state| matches!(state, ProbeState::Away | ProbeState::Silent);
    let mut probes = view.probes.iter();
    let probe = probes.find(|probe| probe.name == name && is_away(probe.state))?;
    u64::try_from(probe.since.as_millisecond()).ok().map(UnixMillis)
}

fn access(access: Access) -> &'static str {
    match access {
        Access::DataCentre => "data-centre",
        Access::Eyeball => "eyeball",
        Access::Unknown => "unknown",
    }
}

fn session(session: SessionView) -> SessionLine {
    SessionLine {
        since: session.since,
        remote: session.remote,
        software: session.software,
        plan: session.plan.map(|plan| plan.to_string()),
        spool_bytes: session.spool.bytes,
        spool_unstored: session.spool.unstored,
        rtt: session.rtt,
        clock_offset_ms: session.clock_offset_ms,
    }
}

fn echo(checked: Checked) -> EchoLine {
    EchoLine {
        address: checked.address,
        answered: checked.answered,
        asked: checked.asked,
        refused: checked.refused,
    }
}

pub(super) async fn audit(context: &CommandContext, format: Format, out: &Out) -> Result<(), CommandError> {
    let entries = context.registry.audit(UnixMillis(0))?;
    let entry = |entry: AuditEntry| AuditLine {
        at: entry.at,
        who: entry.who,
        action: entry.action,
        what: entry.what,
    };
    let entries: Vec<_> = entries.into_iter().map(entry).collect();
    match format {
        Format::Json => out.json(&audit::json(&entries)).await,
        Format::Text => out.text(audit::text(&entries, WIDTH)).await,
    }
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
        assert!(matches!(taken, CommandError::Registry(_)), "{taken}");
    }
}
