//! Splits one weight: within a budget, beyond it, not measured.

use super::{Share, Standing};

/// Splits a total weight by what its speakers' standing is. The rest is unknown.
pub(super) fn share(
    budget_ms: f64,
    total: f64,
    speakers: impl IntoIterator<Item = (f64, Standing)>,
) -> Share {
    let (mut within, mut beyond, mut own_node, mut undecided) = (0.0, 0.0, 0.0, 0.0);
    for (weight, standing) in speakers {
        match standing {
            Standing::Within => within += weight,
            Standing::Beyond => beyond += weight,
            Standing::OwnNode => own_node += weight,
            Standing::Unknown => undecided += weight,
            Standing::Unmeasured => {}
        }
    }
    let of_total = |weight: f64| {
        if total > 0.0 {
            (weight / total).clamp(0.0, 1.0)
        } else {
            0.0
        }
    };
    let (within, beyond) = (of_total(within), of_total(beyond));
    let unknown = (1.0 - within - beyond).max(0.0);
    Share {
        budget_ms,
        within,
        beyond,
        unknown,
        undecided: of_total(undecided).min(unknown),
        own_node: of_total(own_node),
        interval: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn three_shares_add_up_to_one(
            speakers in prop::collection::vec((0.0..1e9f64, 0usize..5), 0..60),
            unspoken in 0.0..1e10f64,
        ) {
            let kinds =
                [Standing::Within, Standing::Beyond, Standing::OwnNode, Standing::Unknown, Standing::Unmeasured];
            let total = unspoken + speakers.iter().map(|(weight, _)| weight).sum::<f64>();
            let split = share(50.0, total, speakers.iter().map(|&(weight, kind)| (weight, kinds[kind])));
            prop_assert!((split.within + split.beyond + split.unknown - 1.0).abs() < 1e-9);
            for part in [split.within, split.beyond, split.unknown] {
                prop_assert!((0.0..=1.0).contains(&part));
            }
            prop_assert!(split.undecided + split.own_node <= split.unknown + 1e-9, "so is what cannot be told");
            let across = speakers.iter().filter(|(_, kind)| *kind == 3).map(|(weight, _)| weight).sum::<f64>();
            prop_assert!((split.undecided * total - across).abs() <= 1e-6 * total, "no time at all is not undecided");
            prop_assert!(split.own_node <= split.unknown + 1e-9, "it is a part of what is not measured");
        }
    }
}
