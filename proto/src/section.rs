//! Sections: how plans, batches and greetings grow without another version of the wire.
//!
//! A section has a name, says whether its reader may do without it, and holds its bytes behind their length. A reader
//! skips one that it does not know, or refuses the message by that section's name. Nobody is sent what they did not
//! announce in `Known`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::{SECTION_NAME_BYTES_MAX, SECTIONS_MAX};
use crate::serializer::{self, Unreadable};

/// Section of a plan: what is measured.
pub(crate) const TARGETS: &str = "targets";
/// Section of a plan: how and when.
pub(crate) const CHECKS: &str = "checks";
/// Section of a plan: whom the probe answers.
pub(crate) const RESPONDER: &str = "responder";

/// A part of a message, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Which: lower-case letters, digits and hyphens, at most `SECTION_NAME_BYTES_MAX`.
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

    /// What one holds, if the message has it.
    pub(crate) fn read<T: DeserializeOwned, const LIMIT: usize>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, SectionError> {
        let content = self.body(name).map(serializer::decode::<T, LIMIT>);
        content
            .transpose()
            .map_err(|source| SectionError::Broken { name, source })
    }

    fn body(&self, name: &str) -> Option<&'a [u8]> {
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

pub(crate) fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=SECTION_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_letter)
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
        /// As the message spells it.
        name: String,
    },
    /// The sender says that the message means nothing without it.
    #[error("section `{name}` is needed, and this release does not know it; update the older side")]
    Unknown {
        /// As the message spells it.
        name: String,
    },
    /// What it holds is not what its name says.
    #[error("section `{name}` is broken")]
    Broken {
        /// One of those this release knows.
        name: &'static str,
        /// What the serializer said.
        #[source]
        source: Unreadable,
    },
}
