//! How the sink stands: for the page, for `status`, and for alerts.

use isochrone_proto::units::UnixMillis;

/// How the sink stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkStatus {
    /// What it does.
    pub standing: Standing,
    /// What it speaks to, once that answered.
    pub server: Option<String>,
    /// Every commit up to this one is there.
    pub commit: u64,
    /// The store's last commit.
    pub commits: u64,
    /// When the oldest measurement that is not there was received; `None`: all are.
    pub oldest: Option<UnixMillis>,
    /// Documents sent since the start.
    pub documents: u64,
    /// Documents that may be revised, sent since the start; not among `documents`.
    pub revisions: u64,
    /// As of when all of these were there last.
    pub revised_at: Option<UnixMillis>,
    /// Documents in the file of dead letters.
    pub dead: u64,
    /// When something last went wrong, and what.
    pub last_error: Option<(UnixMillis, String)>,
    /// Since when nothing goes.
    pub failing_since: Option<UnixMillis>,
}

/// What the sink does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It has not reached the cluster yet.
    #[default]
    Starting,
    /// It sends what comes.
    Following,
    /// The cluster does not answer, or is busy: it tries again.
    Waiting,
    /// Nothing is taken until somebody changes something.
    Blocked,
}

impl SinkStatus {
    /// Commits that are not there yet.
    #[must_use]
    pub const fn behind(&self) -> u64 {
        self.commits.saturating_sub(self.commit)
    }

    pub(super) fn opened(&mut self, server: String, dead: u64, commit: u64) {
        self.server = Some(server);
        (self.dead, self.commit) = (dead, commit);
        self.well();
    }

    pub(super) fn read(&mut self, commits: u64, oldest: Option<UnixMillis>, now: UnixMillis) {
        self.commits = commits;
        self.oldest = oldest.map(|oldest| oldest.min(now));
    }

    pub(super) fn sent(&mut self, commit: u64, documents: u64, dead: u64) {
        (self.commit, self.dead) = (commit, dead);
        self.documents += documents;
        if self.behind() == 0 {
            self.oldest = None;
        }
        self.well();
    }

    pub(super) fn revised(&mut self, documents: u64, dead: u64) {
        self.revisions += documents;
        self.dead = dead;
        self.well();
    }

    pub(super) fn idle(&mut self, dead: u64) {
        (self.oldest, self.dead) = (None, dead);
        self.well();
    }

    pub(super) fn trouble(&mut self, is_blocked: bool, reason: String, at: UnixMillis) {
        self.standing = match is_blocked {
            true => Standing::Blocked,
            false => Standing::Waiting,
        };
        self.failing_since.get_or_insert(at);
        self.last_error = Some((at, reason));
    }

    fn well(&mut self) {
        (self.standing, self.failing_since) = (Standing::Following, None);
    }
}
