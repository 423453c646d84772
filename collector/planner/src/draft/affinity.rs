//! Rendezvous hashing: who belongs with whom, decided by the two alone, so that a third who comes or goes changes
//! little.

/// A number that stands for something in affinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Mark {
    /// Of a number that is an id already.
    pub(super) fn of_id(id: u64) -> Self {
        Self(mixed(id))
    }

    pub(super) fn of_name(name: &str) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..8]);
        Self(u64::from_be_bytes(first))
    }

    /// How much the two belong together: the same from both sides, and evenly spread.
    pub(super) fn affinity(self, other: Self) -> u64 {
        mixed(self.0 ^ other.0)
    }

    /// A number in `[0, below)` that belongs to this mark and `purpose`.
    pub(super) fn number(self, purpose: u64, below: u32) -> u32 {
        let number = mixed(self.0.wrapping_add(purpose.wrapping_mul(STEP))) % u64::from(below.max(1));
        number as u32 // below a u32
    }
}

/// The golden ratio's bits.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's finish: every bit of the result depends on every bit of `value`.
fn mixed(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
