//! A covariance of many places through few columns: Cholesky with pivots.

/// A covariance as a few columns and what they leave of its diagonal.
#[derive(Clone, Debug)]
pub(super) struct Factor {
    pub(super) columns: Vec<Vec<f64>>,
    pub(super) rest: Vec<f64>,
}

impl Factor {
    pub(super) fn pivoted(count: usize, most: usize, covariance: impl Fn(usize, usize) -> f64) -> Self {
        let mut rest: Vec<f64> = (0..count).map(|at| covariance(at, at).max(0.0)).collect();
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let enough = 1e-6 * rest.iter().sum::<f64>();
        while columns.len() < most && rest.iter().sum::<f64>() > enough {
            let Some(pivot) = (0..count).max_by(|&a, &b| rest[a].total_cmp(&rest[b])) else {
                break;
            };
            let root = rest[pivot].sqrt();
            let mut column: Vec<f64> = (0..count).map(|at| covariance(at, pivot)).collect();
            for known in &columns {
                let share = known[pivot];
                column
                    .iter_mut()
                    .zip(known)
                    .for_each(|(value, known)| *value -= share * known);
            }
            for (value, rest) in column.iter_mut().zip(&mut rest) {
                *value /= root;
                *rest = (*rest - *value * *value).max(0.0);
            }
            rest[pivot] = 0.0;
            columns.push(column);
        }
        Self { columns, rest }
    }
}
