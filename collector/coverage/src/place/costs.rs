//! What it costs each demand point to be served by each site, weighted already: the best set is the one with the least sum.

/// Points are padded to a multiple of this, by points that cost nothing anywhere.
pub(crate) const LANES: usize = 16;

/// Costs, site after site.
#[derive(Clone, Debug)]
pub(crate) struct Costs {
    /// Points, the padding among them.
    points: usize,
    columns: Vec<f32>,
}

impl Costs {
    /// For so many points and sites, all of them nothing.
    pub(crate) fn new(points: usize, sites: usize) -> Self {
        let points = points.next_multiple_of(LANES);
        Self {
            points,
            columns: vec![0.0; points * sites],
        }
    }

    /// Of costs point after point.
    pub(crate) fn of_rows(rows: &[f32], sites: usize) -> Self {
        let points = rows.len().checked_div(sites).unwrap_or(0);
        let mut costs = Self::new(points, sites);
        // In blocks, so that what is read and written stays in the nearest cache.
        for block in 0..points.div_ceil(LANES) {
            let own = block * LANES..points.min((block + 1) * LANES);
            for site in 0..sites {
                for point in own.clone() {
                    costs.columns[site * costs.points + point] = rows[point * sites + site];
                }
            }
        }
        costs
    }

    pub(crate) fn set(&mut self, point: usize, site: usize, cost: f32) {
        self.columns[site * self.points + point] = cost;
    }

    /// Points, those that pad among them.
    pub(crate) fn points(&self) -> usize {
        self.points
    }

    pub(crate) fn column(&self, site: usize) -> &[f32] {
        &self.columns[site * self.points..][..self.points]
    }

    pub(crate) fn at(&self, point: usize, site: usize) -> f32 {
        self.columns[site * self.points + point]
    }

    /// The sum of each point's least cost over a set; infinite for none.
    pub(crate) fn sum(&self, set: &[usize]) -> f64 {
        let Some((&first, rest)) = set.split_first() else {
            return f64::INFINITY;
        };
        let mut least = self.column(first).to_vec();
        for &site in rest {
            for (least, &cost) in least.iter_mut().zip(self.column(site)) {
                *least = if cost < *least { cost } else { *least };
            }
        }
        least.iter().map(|&cost| f64::from(cost)).sum()
    }
}
