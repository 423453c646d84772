//! What was not taken: all of it counted by reason, the first of it listed.

use std::collections::BTreeMap;
use std::fmt;

use crate::unfit::{Rule, Unfit};

/// What was not taken of files: all of it counted, the first of it listed. Its size is bounded, whatever was read.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    listed: Vec<Refused>,
    counts: BTreeMap<Rule, u64>,
}

/// Something that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Under which reason it is counted.
    pub rule: Rule,
    /// Where it begins.
    pub at: Where,
    /// Why: one line, cleaned.
    pub why: String,
}

/// Where something begins in a file, once that is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Where {
    /// The line, from 1.
    pub line: u64,
    /// The byte, from 0.
    pub byte: u64,
}

impl Refusals {
    /// Those that are listed: the first of them, of each reason some, in the order of the file.
    #[must_use]
    pub fn listed(&self) -> &[Refused] {
        &self.listed
    }

    /// How many there are of each reason.
    pub fn counts(&self) -> impl Iterator<Item = (Rule, u64)> + '_ {
        self.counts.iter().map(|(rule, count)| (*rule, *count))
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(crate) fn add(&mut self, at: Where, unfit: &Unfit<'_>) {
        let count = self.counts.entry(unfit.rule()).or_default();
        *count += 1;
        if *count <= LISTED_OF_ONE {
            let (rule, why) = (unfit.rule(), unfit.to_string());
            self.listed.push(Refused { rule, at, why });
        }
    }
}

impl fmt::Display for Where {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, byte {}", self.line, self.byte)
    }
}

/// So many of one reason are listed: one reason that all of a file has hides no other.
const LISTED_OF_ONE: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn million_of_one_reason_is_counted_and_hides_no_other() {
        let mut refusals = Refusals::default();
        for byte in 0..1_000_000 {
            refusals.add(Where { line: 1, byte }, &Unfit::OtherTarget("elsewhere.example"));
        }
        let last = Where { line: 2, byte: 7 };
        refusals.add(last, &Unfit::Cut);
        assert_eq!(refusals.total(), 1_000_001);
        assert_eq!(refusals.listed().len(), 21);
        assert_eq!(refusals.listed()[20].at.to_string(), "line 2, byte 7");
        assert_eq!(refusals.counts().count(), 2);
    }
}
