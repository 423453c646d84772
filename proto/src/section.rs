//! Sections: how plans, batches and greetings grow without another version of the wire.
//!
//! A section has a name, says whether its reader may do without it, and holds its bytes behind their length. A reader
//! skips one that it does not know, or refuses the message by that section's name. Nobody is sent what they did not
//! announce in [`Known`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::control::{ControlError, count};
use crate::kind::{Kind, Layout};
use crate::limits::{KNOWN_NAMES_MAX, SECTION_NAME_BYTES_MAX, SECTIONS_MAX};
use crate::plan::Plan;

/// Section of a plan: what is measured.
pub(crate) const TARGETS: &str = "targets";
/// Section of a plan: how and when.
pub(crate) const CHECKS: &str = "checks";
/// Section of a plan: whom the probe answers.
pub(crate) const RESPONDER: &str = "responder";

/// A part of a message, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Which: lower-case letters, digits and hyphens, at most [`SECTION_NAME_BYTES_MAX`].
    pub name: String,
    /// Whoever does not know it must refuse the message.
    pub needed: bool,
    /// What it holds.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// A section as it is read: in the bytes of its message.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct SectionRef<'a> {
    pub(crate) name: &'a str,
    pub(crate) needed: bool,
    #[serde(borrow, with = "serde_bytes")]
    pub(crate) body: &'a [u8],
}

impl Section {
    /// A section that whoever reads the message must know.
    pub(crate) fn needed(name: &str, body: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            needed: true,
            body,
        }
    }
}

/// The sections of a message that was read: their names are well formed, none is there twice, and none is needed that
/// is not among the known.
pub(crate) struct Sections<'a>(Vec<SectionRef<'a>>);

impl<'a> Sections<'a> {
    /// Checks them against the names that the reader knows.
    pub(crate) fn checked(sections: Vec<SectionRef<'a>>, known: &[&str]) -> Result<Self, SectionError> {
        check(
            sections.iter().map(|section| (section.name, section.needed)),
            known,
        )?;
        Ok(Self(sections))
    }

    /// The bytes of one, if the message has it.
    pub(crate) fn body(&self, name: &str) -> Option<&'a [u8]> {
        self.0
            .iter()
            .find(|section| section.name == name)
            .map(|section| section.body)
    }
}

/// Checks the further sections of a greeting: this release knows none.
pub(crate) fn check_more(more: &[Section]) -> Result<(), SectionError> {
    check(
        more.iter().map(|section| (section.name.as_str(), section.needed)),
        &[],
    )
}

fn check<'a>(
    sections: impl ExactSizeIterator<Item = (&'a str, bool)>,
    known: &[&str],
) -> Result<(), SectionError> {
    if sections.len() > SECTIONS_MAX {
        let found = sections.len();
        return Err(SectionError::TooMany { found });
    }
    let mut seen: Vec<&str> = Vec::with_capacity(sections.len());
    for (name, needed) in sections {
        if !is_name(name) {
            return Err(SectionError::Name { bytes: name.len() });
        }
        if seen.contains(&name) {
            return Err(SectionError::Twice {
                name: name.to_owned(),
            });
        }
        if needed && !known.contains(&name) {
            return Err(SectionError::Unknown {
                name: name.to_owned(),
            });
        }
        seen.push(name);
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=SECTION_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_letter)
}

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
        }
        Ok(())
    }
}

/// Why a message is refused for its sections.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// More than a message may have.
    #[error("{found} sections in one message; at most {SECTIONS_MAX}")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// Not a name.
    #[error(
        "a section whose name of {bytes} bytes is none: 1 to {SECTION_NAME_BYTES_MAX} lower-case letters, digits and hyphens"
    )]
    Name {
        /// Its length.
        bytes: usize,
    },
    /// Two of one name.
    #[error("section `{name}` is there twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// The sender says that the message means nothing without it.
    #[error("section `{name}` is needed, and this release does not know it; update the older side")]
    Unknown {
        /// Its name.
        name: String,
    },
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
