//! How errors of predicted times go together: what a draw is drawn from, and what a measurement elsewhere would tell.

use super::Point;
use super::factor::Factor;
use super::origins::Origins;

/// Columns of the factor of what is open, and of what is known: enough that the rest is each place's own.
const OPEN_RANK: usize = 48;
const KNOWN_RANK: usize = 12;
/// Nodes this near to each other are at one site.
pub(crate) const SITE_KM: f64 = 50.0;

/// The correlations of errors between many places and a few points.
#[derive(Clone, Debug)]
pub struct Together {
    points: usize,
    open: Factor,
    known: Factor,
    /// The variance that each place has to itself.
    rest: Vec<f64>,
    /// Between points: of all there is to know, and of what is open; row after row.
    whole: Vec<f64>,
    still: Vec<f64>,
    /// One over the usual deviation, place after place.
    scale: Vec<f64>,
}

impl Together {
    /// `points` are the same places as `nodes`, as they were measured.
    #[must_use]
    pub fn new(origins: &Origins, nodes: &Origins, points: &[&Point]) -> Self {
        let (places, count) = (origins.len(), nodes.len());
        let open = Factor::pivoted(places, OPEN_RANK, |a, b| origins.open_together(a, b));
        let known = Factor::pivoted(places, KNOWN_RANK, |a, b| origins.explained(a, b));
        let rest = open.rest.iter().map(|rest| rest + origins.nugget()).collect();
        let site = sites(count, |a, b| nodes.km(a, b));
        let nugget = |a: usize, b: usize| nodes.nugget() * nodes.beside(site[a], site[b]);
        let whole = |a: usize, b: usize| nodes.alike(site[a], site[b]) + nugget(a, b);
        let left = |a: usize, b: usize| nodes.open_together(site[a], site[b]) + nugget(a, b);
        let measured: Vec<f64> = (0..count)
            .map(|node| (points[node].open() / left(node, node).max(1e-9)).sqrt())
            .collect();
        let still = |a: usize, b: usize| left(a, b) * measured[a] * measured[b];
        let scale = (0..places).flat_map(|place| {
            let open = origins.open_together(place, place).max(0.0) + origins.nugget();
            let known = origins.explained(place, place).max(0.0);
            (0..count).map(move |node| (open, known, node))
        });
        let scale = scale.map(|(open, known, node)| {
            let variance = open * whole(node, node) + known * still(node, node);
            1.0 / variance.max(1e-9).sqrt()
        });
        let each = |of: &dyn Fn(usize, usize) -> f64| {
            let all = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
            all.map(|(a, b)| of(a, b)).collect()
        };
        Self {
            points: count,
            rest,
            whole: each(&whole),
            still: each(&still),
            scale: scale.collect(),
            open,
            known,
        }
    }

    /// How many places there are.
    #[must_use]
    pub fn places(&self) -> usize {
        self.rest.len()
    }

    /// How many points.
    #[must_use]
    pub fn points(&self) -> usize {
        self.points
    }

    /// Columns of the factor, those of what is open first.
    pub(crate) fn columns(&self) -> usize {
        self.open.columns.len() + self.known.columns.len()
    }

    /// Columns of what is open.
    pub(crate) fn open_columns(&self) -> usize {
        self.open.columns.len()
    }

    /// One entry of the factor.
    pub(crate) fn factor(&self, place: usize, column: usize) -> f64 {
        match column.checked_sub(self.open_columns()) {
            None => self.open.columns[column][place],
            Some(column) => self.known.columns[column][place],
        }
    }

    /// The variance that a place has to itself, times which [`Self::along`] counts in the columns of what is open.
    pub(crate) fn rest(&self, place: usize) -> f64 {
        self.rest[place]
    }

    /// Two points, in one of the columns.
    pub(crate) fn along(&self, column: usize, a: usize, b: usize) -> f64 {
        let of = if column < self.open_columns() {
            &self.whole
        } else {
            &self.still
        };
        of[a * self.points + b]
    }

    /// Two points, in what each place has to itself.
    pub(crate) fn whole(&self, a: usize, b: usize) -> f64 {
        self.whole[a * self.points + b]
    }

    /// Two points, in what is known of the places.
    pub(super) fn still(&self, a: usize, b: usize) -> f64 {
        self.still[a * self.points + b]
    }

    /// One over the usual deviation of a pair.
    pub(crate) fn scale(&self, place: usize, point: usize) -> f64 {
        self.scale[place * self.points + point]
    }
}

/// By node: the first one of its site.
fn sites(count: usize, km: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let mut site: Vec<usize> = Vec::with_capacity(count);
    for node in 0..count {
        let near = |&first: &usize| site[first] == first && km(node, first) <= SITE_KM;
        site.push((0..node).find(near).unwrap_or(node));
    }
    site
}
