//! What each side of a connection can read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bounds::{ControlError, count};
use crate::kind::{Kind, Layout};
use crate::limits::{KNOWN_NAMES_MAX, SECTION_NAME_BYTES_MAX};
use crate::plan::Plan;
use crate::section::{CHECKS, RESPONDER, SectionError, TARGETS, is_name};

/// What one side of a connection can read: told in its greeting, and kept by the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Kinds of checks, by name.
    pub kinds: Vec<String>,
    /// Sections, by name.
    pub sections: Vec<String>,
}

impl Known {
    /// What this build can read.
    #[must_use]
    pub fn of_this_build() -> Self {
        let layouts = Layout::ALL.into_iter().map(Layout::section);
        let sections = layouts.chain([TARGETS, CHECKS, RESPONDER]);
        Self {
            kinds: Kind::all().map(|kind| kind.to_string()).collect(),
            sections: sections.map(str::to_owned).collect(),
        }
    }

    /// Whether it can be given checks of this kind: it knows the kind and the columns of its runs.
    #[must_use]
    pub fn reads(&self, kind: Kind) -> bool {
        let name = kind.to_string();
        let section = kind.check.layout().section();
        self.kinds.contains(&name) && self.sections.iter().any(|known| known == section)
    }

    /// The first kind or section of a plan that was not announced: the plan is not to be sent.
    #[must_use]
    pub fn unread_in(&self, plan: &Plan) -> Option<String> {
        let names = plan.sections().into_iter().map(|section| section.name);
        let mut sections = names.filter(|name| !self.sections.contains(name));
        let kinds: BTreeSet<Kind> = plan.checks.iter().map(|check| check.kind).collect();
        let mut kinds = kinds.into_iter().filter(|kind| !self.reads(*kind));
        sections
            .next()
            .or_else(|| kinds.next().map(|kind| kind.to_string()))
    }

    pub(crate) fn check(&self) -> Result<(), ControlError> {
        for (field, names) in [("kinds", &self.kinds), ("sections", &self.sections)] {
            count(field, names.len(), KNOWN_NAMES_MAX)?;
            let longest = names.iter().map(String::len).max().unwrap_or_default();
            count("bytes of a name", longest, SECTION_NAME_BYTES_MAX)?;
            if let Some(name) = names.iter().find(|name| !is_name(name)) {
                return Err(SectionError::Name { bytes: name.len() }.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_a_name_of_its_own() {
        let known = Known::of_this_build();
        let names: BTreeSet<&String> = known.sections.iter().collect();
        assert_eq!(names.len(), known.sections.len());
        assert!(names.iter().all(|name| is_name(name)));
        assert_eq!(known.check(), Ok(()));
        assert!(Kind::all().all(|kind| known.reads(kind)));
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for name in ["", "Echo4", "echo 4", "echo\u{7}4"] {
            let mut known = Known::of_this_build();
            known.kinds.push(name.to_owned());
            assert!(known.check().is_err(), "{name:?}");
        }
    }

    #[test]
    fn kind_is_read_only_by_who_knows_it_and_its_columns() {
        let connect: Kind = "connect4".parse().expect("a kind");
        let mut known = Known::of_this_build();
        known.kinds.retain(|kind| kind != "connect4");
        assert!(!known.reads(connect) && known.reads("connect6".parse().expect("a kind")));
        let mut known = Known::of_this_build();
        known.sections.retain(|section| section != "connect");
        assert!(!known.reads(connect) && known.reads("echo4".parse().expect("a kind")));
        assert!(!Known::default().reads(connect));
    }
}
