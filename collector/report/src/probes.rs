//! The probes, open invitations, and a fresh one.

mod json;
mod text;

use std::net::SocketAddr;
use std::time::Duration;

use isochrone_proto::units::UnixMillis;

/// What `probe list` says.
#[derive(Clone, Debug)]
pub struct ProbesReport {
    /// By name.
    pub probes: Vec<ProbeLine>,
    /// Those that nobody used yet.
    pub invitations: Vec<OpenInvitation>,
    /// A sentence for each clock that is wrong.
    pub clocks: Vec<String>,
    /// A collector runs: who is not connected is away.
    pub running: bool,
    /// When it was asked.
    pub now: UnixMillis,
}

/// Whose something is, and where it stands.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Name of the worker, as in `targets.toml`.
    pub worker: String,
    /// As the lead wrote it: `Berlin, DE`.
    pub site: String,
    /// AS number; `None` where nobody said it.
    pub network: Option<u32>,
}

/// One line of `probe list`.
#[derive(Clone, Debug)]
pub struct ProbeLine {
    /// Unique in the fleet.
    pub name: String,
    /// Its id, in hex.
    pub id: String,
    /// Whose and where.
    pub seat: Seat,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code.
    pub country: Option<String>,
    /// Its kind of line: `data-centre`, `eyeball` or `unknown`.
    pub access: &'static str,
    /// It was not revoked.
    pub active: bool,
    /// When it joined.
    pub joined: UnixMillis,
    /// Its connection.
    pub session: Option<SessionLine>,
    /// Since when it has none, where a collector runs and knows.
    pub away_since: Option<UnixMillis>,
    /// Kinds that it is not given: its release did not announce them.
    pub unread: Vec<String>,
    /// That for which its plan has no room.
    pub left_out: Option<LeftOutLine>,
    /// Its echo port, IPv4 first.
    pub echo: [Option<EchoLine>; 2],
}

/// A probe's connection.
#[derive(Clone, Debug)]
pub struct SessionLine {
    /// Since when.
    pub since: UnixMillis,
    /// Whence.
    pub remote: SocketAddr,
    /// Its release.
    pub software: String,
    /// The plan that it follows.
    pub plan: Option<String>,
    /// How large its spool is.
    pub spool_bytes: u64,
    /// Measurements there that are not stored here.
    pub spool_unstored: u64,
    /// Round trip of the control stream.
    pub rtt: Option<Duration>,
    /// Its wall clock minus ours.
    pub clock_offset_ms: Option<i64>,
}

/// What a probe does not check because its plan is full.
#[derive(Clone, Copy, Debug)]
pub struct LeftOutLine {
    /// Nodes.
    pub nodes: usize,
    /// Candidates.
    pub candidates: usize,
    /// Checks of both.
    pub checks: usize,
}

/// What is known of an echo port.
#[derive(Clone, Debug)]
pub struct EchoLine {
    /// Where.
    pub address: SocketAddr,
    /// When it last answered.
    pub answered: Option<UnixMillis>,
    /// When it was last asked.
    pub asked: UnixMillis,
    /// Why it could not be asked.
    pub refused: Option<String>,
}

/// An invitation that nobody used yet.
#[derive(Clone, Debug)]
pub struct OpenInvitation {
    /// The name that the probe will have.
    pub name: String,
    /// Whose and where.
    pub seat: Seat,
    /// How long it is valid.
    pub until: UnixMillis,
}

/// What `probe invite` says.
#[derive(Clone, Debug)]
pub struct FreshInvitation {
    /// What lets one probe in.
    pub token: String,
    /// What the worker pastes.
    pub script: String,
    /// How long it is valid: RFC 3339.
    pub expires: String,
    /// The name that the probe will have.
    pub name: String,
    /// Why it may not work.
    pub warning: Option<String>,
    /// What the lead should look at before it is sent.
    pub notes: Vec<String>,
    /// It lets a probe into a demo.
    pub demo: bool,
}

impl ProbeLine {
    fn answering(&self) -> impl Iterator<Item = &EchoLine> {
        let known = self.echo.iter().flatten();
        known.filter(|echo| echo.answered.is_some())
    }

    /// It was asked, and no address answered.
    fn is_closed(&self) -> bool {
        self.echo.iter().flatten().next().is_some() && self.answering().next().is_none()
    }
}

#[cfg(test)]
mod tests;
