//! Isotonic regression: the rising step function nearest to points, by pooling adjacent violators.

/// The fitted height at each point, for points in the order of their position; all weigh the same.
pub(super) fn isotonic(values: &[f64]) -> Vec<f64> {
    let mut blocks: Vec<Block> = Vec::new();
    for &value in values {
        let mut block = Block {
            mean: value,
            count: 1,
        };
        while let Some(below) = blocks.pop_if(|below| below.mean > block.mean) {
            block = block.joined(&below);
        }
        blocks.push(block);
    }
    blocks
        .iter()
        .flat_map(|block| std::iter::repeat_n(block.mean, block.count))
        .collect()
}

struct Block {
    mean: f64,
    count: usize,
}

impl Block {
    fn joined(&self, other: &Self) -> Self {
        let count = self.count + other.count;
        let sum = self.mean * self.count as f64 + other.mean * other.count as f64;
        Self {
            mean: sum / count as f64,
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The min-max formula: the fit at i is the largest, over starts, of the least mean over ends.
    fn oracle(values: &[f64]) -> Vec<f64> {
        let mean = |from: usize, to: usize| values[from..=to].iter().sum::<f64>() / (to - from + 1) as f64;
        (0..values.len())
            .map(|at| {
                let least = |from| {
                    (at..values.len())
                        .map(|to| mean(from, to))
                        .fold(f64::INFINITY, f64::min)
                };
                (0..=at).map(least).fold(f64::NEG_INFINITY, f64::max)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn fit_agrees_with_the_min_max_formula(values in prop::collection::vec(-100.0..100.0, 0..40)) {
            let fit = isotonic(&values);
            prop_assert_eq!(fit.len(), values.len());
            for (ours, theirs) in fit.iter().zip(oracle(&values)) {
                prop_assert!((ours - theirs).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn rising_values_stay_as_they_are() {
        assert_eq!(isotonic(&[1.0, 2.0, 5.0]), [1.0, 2.0, 5.0]);
        assert_eq!(isotonic(&[3.0, 1.0, 5.0]), [2.0, 2.0, 5.0]);
    }
}
