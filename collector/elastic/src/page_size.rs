//! How many documents are asked for at once: as many as weigh some megabytes, by what came last.
//!
//! The client reads an answer as a whole, whatever its length, where the server does not tell that before; and
//! Elasticsearch does not. So what is asked for bounds what comes.

/// How many documents are asked for at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageSize {
    size: usize,
    most: usize,
    /// What an answer should weigh at most, in bytes.
    weight: usize,
}

impl PageSize {
    /// At most so many, once it is known what they weigh.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            size: if most < FIRST { most } else { FIRST },
            most,
            weight: WEIGHT,
        }
    }

    /// For answers of another weight.
    #[cfg(test)]
    pub(crate) const fn weighing(self, weight: usize) -> Self {
        Self { weight, ..self }
    }

    /// How many are asked for next.
    pub(crate) const fn get(self) -> usize {
        self.size
    }

    /// So many came in so many bytes. The next page is at most twice this one: long documents lie together.
    pub(crate) fn came(&mut self, documents: usize, bytes: usize) {
        if let Some(each) = bytes.checked_div(documents) {
            let fitting = self.weight / each.max(1);
            self.size = fitting.min(documents * 2).clamp(1, self.most);
        }
    }

    /// Half as many from now on, and never less than `least`; `false`: they are no more than that already.
    pub(crate) fn halve(&mut self, least: usize) -> bool {
        let half = (self.size / 2).max(least).max(1);
        let is_less = half < self.size;
        if is_less {
            self.size = half;
            self.most = half;
        }
        is_less
    }
}

/// As many as are asked for before it is known what they weigh.
const FIRST: usize = 500;
/// What an answer should weigh, in bytes: ten thousand of our own documents weigh a third of it.
const WEIGHT: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_as_large_as_their_documents_let_them() {
        let mut size = PageSize::new(10_000);
        for asked in [500, 1_000, 2_000, 4_000, 8_000] {
            assert_eq!(size.get(), asked);
            size.came(asked, asked * 520);
        }
        assert_eq!(size.get(), 10_000, "our own documents");
        size.came(10_000, 10_000 * 30_000);
        assert_eq!(size.get(), WEIGHT / 30_000);
        size.came(3, 300 << 20);
        assert_eq!(size.get(), 1, "one at a time, and never none");
        size.came(0, 90);
        assert_eq!(size.get(), 1, "an empty page tells nothing");
        size.came(1, 520);
        assert_eq!(size.get(), 2);
        assert_eq!(PageSize::new(7).get(), 7);
    }

    #[test]
    fn page_that_was_too_much_is_halved_for_good() {
        let mut size = PageSize::new(400);
        assert!(size.halve(50));
        size.came(200, 200);
        assert_eq!(size.get(), 200, "whatever they weigh");
        assert!(size.halve(50) && size.halve(50) && !size.halve(50));
        assert_eq!(size.get(), 50);
        while size.halve(1) {}
        assert_eq!(size.get(), 1);
    }
}
