//! `isochrone.probes/1`, and an invitation as JSON.

use isochrone_base::words::rfc3339_second;
use serde_json::{Value, json};

use super::{EchoLine, FreshInvitation, OpenInvitation, ProbeLine, ProbesReport};

impl ProbesReport {
    /// `isochrone.probes/1`.
    #[must_use]
    pub fn json(&self) -> Value {
        let probes: Vec<_> = self.probes.iter().map(probe).collect();
        let invitations: Vec<_> = self.invitations.iter().map(invitation).collect();
        json!({ "schema": "isochrone.probes/1", "probes": probes, "invitations": invitations,
            "clocks": self.clocks })
    }
}

impl FreshInvitation {
    /// The token and what stands around it.
    #[must_use]
    pub fn json(&self) -> Value {
        let warnings: Vec<_> = self.warning.iter().chain(&self.notes).collect();
        json!({
            "token": self.token, "script": self.script, "expires": self.expires, "name": self.name,
            "warnings": warnings,
        })
    }
}

fn probe(probe: &ProbeLine) -> Value {
    let session = probe.session.as_ref();
    let [v4, v6] = &probe.echo;
    json!({
        "probe": probe.name, "id": probe.id, "worker": probe.seat.worker, "site": probe.seat.site,
        "latitude": probe.latitude, "longitude": probe.longitude, "country": probe.country,
        "network": probe.seat.network, "access": probe.access,
        "state": if probe.active { "active" } else { "revoked" },
        "joined": rfc3339_second(probe.joined), "connected": session.is_some(),
        "since": session.map(|session| rfc3339_second(session.since)),
        "away_since": probe.away_since.map(rfc3339_second),
        "remote": session.map(|session| session.remote),
        "software": session.map(|session| &session.software),
        "plan": session.and_then(|session| session.plan.as_ref()),
        "spool_bytes": session.map(|session| session.spool_bytes),
        "spool_unstored": session.map(|session| session.spool_unstored),
        "rtt_ms": session.and_then(|session| session.rtt).map(|rtt| rtt.as_secs_f64() * 1_000.0),
        "clock_offset_ms": session.and_then(|session| session.clock_offset_ms),
        "unread": probe.unread,
        "left_out": probe.left_out.map(|full| {
            json!({ "nodes": full.nodes, "candidates": full.candidates, "checks": full.checks })
        }),
        "echo4": v4.as_ref().map(echo), "echo6": v6.as_ref().map(echo),
    })
}

fn echo(echo: &EchoLine) -> Value {
    json!({
        "address": echo.address, "answered": echo.answered.map(rfc3339_second),
        "asked": rfc3339_second(echo.asked), "refused": echo.refused,
    })
}

fn invitation(open: &OpenInvitation) -> Value {
    json!({
        "probe": open.name, "worker": open.seat.worker, "site": open.seat.site,
        "until": rfc3339_second(open.until),
    })
}
