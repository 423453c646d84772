//! The words that values of JSON are written in.

use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::SkipCause;
use isochrone_proto::measurement::{CacheState, FailureCause, Phase, SendFailure};
use isochrone_watch::alert::Event;
use isochrone_watch::incident::{Cause, IncidentCheck};
use isochrone_watch::judge::State;
use serde::Serialize;

use crate::book;

#[test]
fn words_of_the_code_are_the_listed_ones() {
    let kinds = Check::ALL
        .into_iter()
        .flat_map(|check| [Family::V4, Family::V6].map(|family| Kind::new(check, family).to_string()));
    assert_eq!(book::names("Kinds"), kinds.collect::<Vec<_>>());
    assert_eq!(book::names("Phases"), in_json(Phase::ALL));
    assert_eq!(book::names("Causes of a failure"), in_json(FailureCause::ALL));
    assert_eq!(
        book::names("Causes of a run that was not sent"),
        in_json(SendFailure::ALL)
    );
    assert_eq!(book::names("Cache states"), in_json(CacheState::ALL));
    assert_eq!(book::names("States of a node"), in_json(&State::ALL));
    assert_eq!(book::names("Checks of an incident"), in_json(&IncidentCheck::ALL));
    assert_eq!(book::names("Causes of an incident"), in_json(&Cause::ALL));
    assert_eq!(book::names("Events of an alert"), in_json(&Event::ALL));
    let skipped: Vec<_> = std::iter::successors(Some(SkipCause::Overlap), next).collect();
    assert_eq!(book::names("Causes of a skipped slot"), in_json(&skipped));
}

/// A new cause does not compile until it has its place here.
fn next(cause: &SkipCause) -> Option<SkipCause> {
    match cause {
        SkipCause::Overlap => Some(SkipCause::Late),
        SkipCause::Late => Some(SkipCause::NotRunning),
        SkipCause::NotRunning => Some(SkipCause::Shutdown),
        SkipCause::Shutdown => Some(SkipCause::NoKey),
        SkipCause::NoKey => None,
    }
}

fn in_json(values: &[impl Serialize]) -> Vec<String> {
    let word = |value| serde_json::to_value(value).unwrap().as_str().unwrap().to_owned();
    values.iter().map(word).collect()
}
