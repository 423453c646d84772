//! Thousands of places seen from all that is known, at once: matrices instead of a vector for each place.

use faer::{Mat, MatRef};

use super::kernel::{Kernel, Spot};
use super::update::Update;
use super::{Estimate, Layer, Place, Point, Predicted, Predictor, REACH_KM, Reason, intervals};
use crate::light::least_ms;
use crate::predict::field::dot;

/// So many threads share the work.
const THREADS: usize = 2;
/// Within so many kilometres a place shares what one place has to itself.
const BESIDE_KM: f64 = 300.0;
/// Fewer places than this are not worth a thread.
const WORTH_A_THREAD: usize = 400;

/// Many places, each of which may be one end of a pair whose other end is a [`Point`].
#[derive(Clone, Debug, Default)]
pub struct Origins {
    spots: Vec<Spot>,
    nearest_km: Vec<f64>,
    open: Vec<f64>,
    /// By field: the kernel from each place to each of its spots, place after place.
    fields: Vec<Rows>,
    /// The same to the update's spots, directly and through the field below.
    seen: Option<(Rows, Rows)>,
    lens: Option<Lens>,
}

/// How places are alike once all that is known was taken into account.
#[derive(Clone, Debug)]
struct Lens {
    kernel: Kernel,
    /// The kernel to what is known, and how much each of that counts.
    k: Rows,
    counts: Rows,
}

/// One row for each place.
#[derive(Clone, Debug, Default)]
struct Rows {
    width: usize,
    values: Vec<f64>,
}

impl Rows {
    fn row(&self, at: usize) -> &[f64] {
        &self.values[at * self.width..(at + 1) * self.width]
    }

    /// As a matrix whose columns are places.
    fn columns(&self, places: usize) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.values, self.width, places)
    }

    fn of(matrix: &Mat<f64>) -> Self {
        let values = (0..matrix.ncols()).flat_map(|column| matrix.col(column).iter().copied());
        Self {
            width: matrix.nrows(),
            values: values.collect(),
        }
    }

    fn append(&mut self, mut other: Self) {
        self.width = other.width;
        self.values.append(&mut other.values);
    }
}

impl Origins {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spots.len()
    }

    /// Only some of them, ascending.
    #[must_use]
    pub fn only(&self, kept: &[usize]) -> Self {
        let numbers = |of: &[f64]| kept.iter().map(|&at| of[at]).collect();
        let rows = |rows: &Rows| Rows {
            width: rows.width,
            values: kept.iter().flat_map(|&at| rows.row(at)).copied().collect(),
        };
        Self {
            spots: kept.iter().map(|&at| self.spots[at]).collect(),
            nearest_km: numbers(&self.nearest_km),
            open: numbers(&self.open),
            fields: self.fields.iter().map(rows).collect(),
            seen: self
                .seen
                .as_ref()
                .map(|(direct, through)| (rows(direct), rows(through))),
            lens: self.lens.as_ref().map(|lens| Lens {
                kernel: lens.kernel,
                k: rows(&lens.k),
                counts: rows(&lens.counts),
            }),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    /// What two places are expected to err alike by, once all that is known was taken into account; without what
    /// each has to itself.
    pub(super) fn open_together(&self, a: usize, b: usize) -> f64 {
        self.alike(a, b) - self.explained(a, b)
    }

    /// What is known of two places alike.
    pub(super) fn explained(&self, a: usize, b: usize) -> f64 {
        self.lens
            .as_ref()
            .map_or(0.0, |lens| dot(lens.k.row(a), lens.counts.row(b)))
    }

    /// How alike two places are before anything is known.
    pub(super) fn alike(&self, a: usize, b: usize) -> f64 {
        self.kernel().between(&self.spots[a], &self.spots[b])
    }

    /// How far two places are apart.
    pub(super) fn km(&self, a: usize, b: usize) -> f64 {
        self.spots[a].km(&self.spots[b])
    }

    /// How much two places share of what one has to itself: all in one place, nothing far apart.
    pub(super) fn beside(&self, a: usize, b: usize) -> f64 {
        (-(self.km(a, b) / BESIDE_KM).powi(2)).exp()
    }

    /// What one place has to itself.
    pub(super) fn nugget(&self) -> f64 {
        self.kernel().nugget
    }

    fn kernel(&self) -> Kernel {
        self.lens.as_ref().map_or(Kernel::OWN, |lens| lens.kernel)
    }

    fn append(&mut self, mut other: Self) {
        self.spots.append(&mut other.spots);
        self.nearest_km.append(&mut other.nearest_km);
        self.open.append(&mut other.open);
        self.fields.resize_with(other.fields.len(), Rows::default);
        for (rows, more) in self.fields.iter_mut().zip(other.fields) {
            rows.append(more);
        }
        if let Some((direct, through)) = other.seen {
            let seen = self.seen.get_or_insert_default();
            seen.0.append(direct);
            seen.1.append(through);
        }
        match (&mut self.lens, other.lens) {
            (Some(lens), Some(more)) => {
                lens.k.append(more.k);
                lens.counts.append(more.counts);
            }
            (lens @ None, more) => *lens = more,
            (Some(_), None) => {}
        }
    }
}

impl Predictor {
    /// Many places at once. Each is seen as a stranger, also where one of the measured places stands.
    #[must_use]
    pub fn origins(&self, places: &[Place]) -> Origins {
        let spots: Vec<Spot> = places.iter().map(Spot::new).collect();
        let part = spots.len().div_ceil(THREADS).max(WORTH_A_THREAD);
        let mut origins = Origins::default();
        std::thread::scope(|scope| {
            let work = |spots: &[Spot]| self.some_origins(spots.to_vec());
            let parts: Vec<_> = spots
                .chunks(part)
                .map(|spots| scope.spawn(move || work(spots)))
                .collect();
            for part in parts {
                match part.join() {
                    Ok(part) => origins.append(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        origins
    }

    /// The round-trip time from one of many places to a point.
    #[must_use]
    pub fn from_origin(&self, origins: &Origins, at: usize, point: &Point) -> Predicted {
        let spot = &origins.spots[at];
        let km = spot.km(&point.spot);
        let floor = least_ms(km);
        let prior = usize::from(self.basis != super::Basis::Own);
        let (mut old, mut own) = (0.0, 0.0);
        for (layer, (rows, axis)) in origins.fields.iter().zip(&point.axes).enumerate() {
            let adds = dot(rows.row(at), axis.weighted());
            *(if layer < prior { &mut old } else { &mut own }) += adds;
        }
        if let (Some((direct, through)), Some(seen)) = (&origins.seen, &point.seen) {
            own += Update::toward((direct.row(at), through.row(at)), seen);
        }
        let ms = ((self.curve.at(km) + old) * self.slower + own).max(floor);
        let nearest_km = origins.nearest_km[at].max(point.nearest_km);
        self.warranted(ms, (origins.open[at], point.open), nearest_km, floor)
    }

    /// A likeliest time with its interval, or why it has none. `open`: of both ends.
    pub(super) fn warranted(&self, ms: f64, open: (f64, f64), km: f64, floor: f64) -> Predicted {
        if km > REACH_KM {
            let reason = Reason::TooFar { km };
            return Predicted::Unknown { reason, guess_ms: ms };
        }
        let Some(calibration) = self.calibration else {
            let reason = Reason::TooFewGroups { groups: self.groups };
            return Predicted::Unknown { reason, guess_ms: ms };
        };
        let doubt = intervals::doubt_ms(ms, open);
        Predicted::Within(Estimate {
            ms,
            low_ms: (ms + calibration.low * doubt).max(floor),
            high_ms: ms + calibration.high * doubt,
            basis: self.basis,
        })
    }

    fn some_origins(&self, spots: Vec<Spot>) -> Origins {
        let nearest = |spot: &Spot| Spot::nearest_km(&self.known, spot);
        let mut origins = Origins {
            nearest_km: spots.iter().map(nearest).collect(),
            open: vec![f64::INFINITY; spots.len()],
            ..Origins::default()
        };
        for layer in &self.fields {
            origins.see(layer, &spots);
        }
        if let Some((update, _)) = &self.update {
            let direct = kernels(update.spots(), &spots, update.kernel());
            let below = origins.fields.last().map(|rows| rows.columns(spots.len()));
            let through = update.through(below, spots.len());
            let counts = update.between_spots() * direct.columns(spots.len());
            origins.narrow(&direct, &counts, update.kernel());
            origins.seen = Some((direct.clone(), Rows::of(&through)));
            if origins.lens.is_none() {
                origins.lens = Some(Lens {
                    kernel: update.kernel(),
                    k: direct,
                    counts: Rows::of(&counts),
                });
            }
        }
        origins.spots = spots;
        origins
    }
}

impl Origins {
    fn see(&mut self, layer: &Layer, spots: &[Spot]) {
        let field = &layer.field;
        let k = kernels(&field.spots, spots, field.kernel);
        let counts = field.precision() * k.columns(spots.len());
        self.narrow(&k, &counts, field.kernel);
        self.fields.push(k.clone());
        self.lens = Some(Lens {
            kernel: field.kernel,
            k,
            counts: Rows::of(&counts),
        });
    }

    /// What is open is at most what is open beside these spots.
    fn narrow(&mut self, k: &Rows, counts: &Mat<f64>, kernel: Kernel) {
        for (at, open) in self.open.iter_mut().enumerate() {
            let known: f64 = k
                .row(at)
                .iter()
                .zip(counts.col(at).iter())
                .map(|(a, b)| a * b)
                .sum();
            *open = open.min((kernel.variance() - known).max(0.0));
        }
    }
}

fn kernels(known: &[Spot], spots: &[Spot], kernel: Kernel) -> Rows {
    let of = |spot| known.iter().map(move |other| kernel.between(spot, other));
    Rows {
        width: known.len(),
        values: spots.iter().flat_map(of).collect(),
    }
}
