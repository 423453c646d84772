//! What is left of a beginning that waited until some of it was over.

use isochrone_base::words;

use super::{Alert, Event, IncidentBody, names};
use crate::incident::IncidentCheck;

impl Alert {
    /// The same, about those of its incidents that are not over; `None` where all go on, or none does.
    pub(in crate::alert) fn without(&self, is_over: impl Fn(&str) -> bool) -> Option<Self> {
        let goes_on = |id: &str| !is_over(id);
        let mut described = self.incidents().filter(|body| goes_on(&body.id)).cloned();
        let rest: Vec<_> = self
            .rest
            .iter()
            .filter(|named| goes_on(&named.id))
            .cloned()
            .collect();
        let mut left = Self {
            incident: described.next(),
            others: described.collect(),
            rest,
            ..self.clone()
        };
        let over = self.ids().count() - left.ids().count();
        if over == 0 || left.ids().next().is_none() {
            return None;
        }
        left.summary = left.says(over);
        Some(if left.source == "demo" {
            left.of_demo()
        } else {
            left
        })
    }

    /// What goes on, in a sentence, and how many are over.
    fn says(&self, over: usize) -> String {
        let incident = self.incidents().next();
        let check = incident.map_or(IncidentCheck::Connect, |incident| incident.check);
        let state = match (check, self.event) {
            (IncidentCheck::Probe, _) => "silent",
            (IncidentCheck::Data, _) => "without a verdict",
            (_, Event::Flapping) => "down again",
            _ => "down",
        };
        let (since, count) = (self.since(), self.ids().count());
        let all = names::listed(self.names(), ", ");
        let subject = match (check, count) {
            (IncidentCheck::Probe, 1) => format!("Probe {all} is"),
            (_, 1) => format!("{all} is"),
            _ => format!("{} are", words::count(count, subject_of(check))),
        };
        let listed = if count == 1 {
            String::new()
        } else {
            format!(": {all}")
        };
        let are = if over == 1 { "is" } else { "are" };
        let them = if count == 1 { "it" } else { "them" };
        format!("{subject} {state} since {since} UTC{listed}. {over} more that began with {them} {are} over.")
    }

    /// `2026-11-22 02:58:03`: the first start.
    fn since(&self) -> String {
        let first = self
            .incidents()
            .map(|body| body.start.as_str())
            .min()
            .unwrap_or_default();
        first.chars().take(19).collect::<String>().replace('T', " ")
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let described = self.incidents().map(IncidentBody::says);
        described.chain(self.rest.iter().map(|named| named.target.clone()))
    }
}

impl IncidentBody {
    /// "tokyo", or "tokyo: status".
    fn says(&self) -> String {
        match self.check {
            IncidentCheck::Connect | IncidentCheck::Probe | IncidentCheck::Data => self.target.clone(),
            check => format!("{}: {check}", self.target),
        }
    }
}

/// `node`, or `probe`.
pub(in crate::alert) const fn subject_of(check: IncidentCheck) -> &'static str {
    match check {
        IncidentCheck::Probe => "probe",
        _ => "node",
    }
}
