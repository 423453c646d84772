//! A sum of many weights whose rounding does not add up.

use std::ops::AddAssign;

/// A sum that keeps what rounding took from it (Neumaier's): thousands of cities add up to their country's people.
/// The sum of nothing is 0, never −0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn value(self) -> f64 {
        self.total + self.lost
    }
}

impl AddAssign<f64> for Sum {
    fn add_assign(&mut self, more: f64) {
        let total = self.total + more;
        self.lost += match self.total.abs() >= more.abs() {
            true => (self.total - total) + more,
            false => (more - total) + self.total,
        };
        self.total = total;
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        *self += other.total;
        self.lost += other.lost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: impl IntoIterator<Item = f64>) -> Sum {
        let mut sum = Sum::default();
        values.into_iter().for_each(|value| sum += value);
        sum
    }

    #[test]
    fn parts_of_a_number_add_up_to_it() {
        let parts = || (1..2_000).map(|part| f64::from(part) * 1_411_778_724.0 / 1_999_000.0);
        assert_eq!(sum(parts()).value(), 1_411_778_724.0);
        let plain = parts().fold(0.0, |sum, part| sum + part);
        assert_ne!(plain, 1_411_778_724.0, "or this test shows nothing");
        let mut halves = sum(parts().take(1_000));
        halves += sum(parts().skip(1_000));
        assert_eq!(halves.value(), 1_411_778_724.0);
    }

    #[test]
    fn sum_of_nothing_is_zero_and_not_below() {
        assert!(sum([]).value().is_sign_positive());
        let mut nothing = sum([-0.0]);
        nothing += Sum::default();
        assert!(nothing.value().is_sign_positive());
    }
}
