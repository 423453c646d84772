//! Stretches of time.

use isochrone_proto::units::UnixMillis;

/// From inclusive, until exclusive.
pub type Span = (UnixMillis, UnixMillis);

/// Stretches in any order; once joined, sorted and none touching another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Vec<(u64, u64)>);

impl Spans {
    pub(crate) fn add(&mut self, (from, until): Span) {
        if from < until {
            self.0.push((from.0, until.0));
        }
    }

    /// The parts inside `term`, joined.
    pub(crate) fn within(&self, term: (u64, u64)) -> Self {
        let mut parts: Vec<(u64, u64)> = self
            .0
            .iter()
            .map(|(from, until)| ((*from).max(term.0), (*until).min(term.1)))
            .filter(|(from, until)| from < until)
            .collect();
        parts.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for part in parts {
            match joined.last_mut().filter(|last| part.0 <= last.1) {
                Some(last) => last.1 = last.1.max(part.1),
                None => joined.push(part),
            }
        }
        Self(joined)
    }

    /// All, joined.
    pub(crate) fn joined(&self) -> Self {
        self.within((0, u64::MAX))
    }

    /// The parts outside `others`; both joined.
    pub(crate) fn without(&self, others: &Self) -> Self {
        let mut parts = Vec::new();
        for &(from, until) in &self.0 {
            let mut rest = from;
            for &(begin, end) in others
                .0
                .iter()
                .filter(|(begin, end)| *begin < until && *end > from)
            {
                if rest < begin {
                    parts.push((rest, begin));
                }
                rest = rest.max(end);
            }
            if rest < until {
                parts.push((rest, until));
            }
        }
        Self(parts)
    }

    pub(crate) fn seconds(&self) -> f64 {
        let ms: u64 = self.0.iter().map(|(from, until)| until - from).sum();
        ms as f64 / 1_000.0
    }

    pub(crate) fn into_vec(self) -> Vec<Span> {
        let spans = self.0.into_iter();
        spans
            .map(|(from, until)| (UnixMillis(from), UnixMillis(until)))
            .collect()
    }
}
