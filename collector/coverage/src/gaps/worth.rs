//! What it is worth to know a difference better.

/// What is lost in the mean by choosing the better of two by their means, `ahead` of each other, where what may still be learnt of
/// their difference has this variance: nothing if nothing can be learnt, or if no outcome would turn the choice.
pub(super) fn worth(ahead: f64, variance: f64) -> f64 {
    let deviation = variance.max(0.0).sqrt();
    if deviation <= 1e-12 {
        return 0.0;
    }
    let z = ahead.abs() / deviation;
    (deviation * (density(z) - z * above(z))).max(0.0)
}

/// The share of a normal above so many deviations.
pub(super) fn above(z: f64) -> f64 {
    0.5 * complement(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// The density of a normal.
pub(super) fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt()
}

/// The complementary error function, to 1.2e-7 (W. Press et al., Numerical Recipes).
fn complement(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * x.abs());
    const TERMS: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let sum = TERMS.iter().rev().fold(0.0, |sum, term| sum * t + term);
    let value = t * (-x * x + sum).exp();
    if x >= 0.0 { value } else { 2.0 - value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_is_as_tables_have_it() {
        for (z, share) in [(0.0, 0.5), (1.0, 0.158_655), (1.644_854, 0.05), (-1.0, 0.841_345)] {
            assert!((above(z) - share).abs() < 1e-5, "{z}");
        }
    }

    #[test]
    fn nothing_is_worth_knowing_that_would_turn_no_choice() {
        assert_eq!(worth(3.0, 0.0), 0.0);
        assert!(worth(30.0, 1.0) < 1e-9);
        assert!((worth(0.0, 4.0) - 2.0 * density(0.0)).abs() < 1e-9);
        assert!(worth(1.0, 9.0) > worth(1.0, 4.0) && worth(1.0, 9.0) > worth(2.0, 9.0));
    }
}
