//! What a message is about.

use serde::{Deserialize, Serialize};

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum What {
    /// Outages began.
    Down,
    /// An outage that was told is worse now.
    Worse,
    /// It can be reached again, and its service still fails.
    Better,
    /// Outages are over.
    Up,
    /// It came back soon: nothing more is said until it is steady.
    Flapping,
    /// A flapping outage stays down.
    Steady,
    /// Nobody measures a node.
    NoData,
    /// It is measured, but nobody may judge it.
    NobodyMayJudge,
    /// Something is known of it again.
    Seen,
    /// A probe went silent.
    Silent,
    /// It is heard again.
    Heard,
    /// The collector's own line is the suspect: it judges nobody.
    OwnLine,
    /// It is cleared.
    OwnLineBack,
    /// Outages of the past that late rows show: nobody is woken.
    Late,
}

impl What {
    /// Whether it is meant to wake somebody.
    #[must_use]
    pub const fn pages(self) -> bool {
        match self {
            Self::Down
            | Self::Worse
            | Self::Flapping
            | Self::Steady
            | Self::NoData
            | Self::NobodyMayJudge
            | Self::Silent
            | Self::OwnLine => true,
            Self::Better | Self::Up | Self::Seen | Self::Heard | Self::OwnLineBack | Self::Late => false,
        }
    }
}
