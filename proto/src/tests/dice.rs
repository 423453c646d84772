//! Values from a seed: the properties print the seed, and the same seed makes the same values.

/// SplitMix64.
pub(super) struct Dice {
    state: u64,
    /// What stands in texts beside letters that anybody may be shown.
    odd: char,
}

impl Dice {
    pub(super) fn of(seed: u64) -> Self {
        Self {
            state: seed,
            odd: '?',
        }
    }

    /// The same values, whose texts hold a character that no reader lets through.
    pub(super) fn hostile(seed: u64) -> Self {
        Self::with(seed, '\0')
    }

    /// The same values, whose texts hold this character.
    pub(super) fn with(seed: u64, odd: char) -> Self {
        Self { state: seed, odd }
    }

    pub(super) fn u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Any size: as often a small number as a large one.
    pub(super) fn any_u64(&mut self) -> u64 {
        let shift = self.below(64);
        self.u64() >> shift
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.u64() % end
    }

    pub(super) fn chance(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    pub(super) fn vec<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.below(most + 1);
        (0..length).map(|_| make(self)).collect()
    }

    pub(super) fn option<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.chance() { Some(make(self)) } else { None }
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.u64() as u8)
    }

    pub(super) fn text(&mut self) -> String {
        let letters = ['a', 'Z', '0', ' ', '/', 'é', '東', self.odd, '🌍'];
        self.vec(30, |dice| dice.pick(&letters)).into_iter().collect()
    }
}
