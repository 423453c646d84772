//! What failed alike at one time, from whichever vantage and in whichever check, as one entry of the text.

use isochrone_base::words::date_time;
use isochrone_proto::units::UnixMillis;

use super::values::FailureRun;

/// Runs of one cause, phase and HTTP status whose times overlap, with no recovery between them.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The earliest first; never two of one vantage and check between which it succeeded.
    pub(super) runs: Vec<&'a FailureRun>,
    until: UnixMillis,
}

impl<'a> Group<'a> {
    /// Groups runs that are in order of time.
    pub(super) fn of(failures: &'a [FailureRun]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for run in failures {
            match groups.iter_mut().find(|group| group.takes(run)) {
                Some(group) => {
                    group.until = group.until.max(run.slots.last);
                    group.runs.push(run);
                }
                None => groups.push(Self {
                    runs: vec![run],
                    until: run.slots.last,
                }),
            }
        }
        groups
    }

    fn takes(&self, run: &FailureRun) -> bool {
        let alike = |run: &'_ FailureRun| (run.phase, run.http_status, run.down);
        let one = self.first();
        let is_alike = alike(one) == alike(run) && one.cause == run.cause;
        let is_at_once = run.slots.first.0 <= self.until.0.saturating_add(run.slots.gap_ms);
        let recovered = |held: &&&FailureRun| {
            let answered = held.slots.answered;
            answered.is_some_and(|answered| answered <= run.slots.first)
        };
        let is_same_check = |held: &FailureRun| held.vantage == run.vantage && held.kind == run.kind;
        let mut recovered_runs = self.runs.iter().filter(recovered);
        let is_over = recovered_runs.clone().count() * 2 >= self.runs.len();
        is_alike && is_at_once && !is_over && !recovered_runs.any(|held| is_same_check(held))
    }

    /// How many of its failures count against the node.
    pub(super) fn counted(&self) -> u64 {
        self.runs.iter().map(|run| run.counted).sum()
    }

    /// One of its runs: all have its cause.
    pub(super) fn first(&self) -> &'a FailureRun {
        self.runs[0]
    }

    /// How many checks failed.
    pub(super) fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// Whether another one was going on at the same time.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.first().slots.first <= other.until && other.first().slots.first <= self.until
    }

    /// `2026-11-22 15:00:00 to 15:24:00`; of a sum, in which no instant stands, `some time from 2026-11-22 15:00:00 to …`.
    pub(super) fn span(&self) -> String {
        let span = self.instants();
        match self.first().summed {
            true => format!("some time from {span}"),
            false => span,
        }
    }

    fn instants(&self) -> String {
        let (first, last) = (date_time(self.first().slots.first), date_time(self.until));
        match (first == last, first.get(..10) == last.get(..10)) {
            (true, _) => first,
            (false, true) => format!("{first} to {}", last.get(11..).unwrap_or_default()),
            (false, false) => format!("{first} to {last}"),
        }
    }

    /// What its runs say of one thing, each once, in the order of its first.
    pub(super) fn each(&self, says: impl Fn(&'a FailureRun) -> String) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for run in &self.runs {
            let said = says(run);
            if !said.is_empty() && !all.contains(&said) {
                all.push(said);
            }
        }
        all
    }
}
