//! What was measured: every pair of a folder's sites, at hand by index.

use std::path::Path;

use isochrone_coverage::files::{self, FileText, Mesh};
use isochrone_coverage::predict::{Measured, Place};

/// Sites and the times between them.
#[derive(Clone, Debug)]
pub struct World {
    /// Where the sites stand.
    pub places: Vec<Place>,
    times: Vec<Option<f64>>,
}

impl World {
    /// From a folder with `sites.csv` and `rtt.csv`.
    ///
    /// # Errors
    /// A file that cannot be read, with the line.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let sites = FileText::load(&folder.join("sites.csv"))?;
        let rtt = FileText::load(&folder.join("rtt.csv"))?;
        Ok(Self::new(&files::read_mesh(&sites, &rtt)?))
    }

    /// From a mesh; sites that were never measured are left out.
    #[must_use]
    pub fn new(mesh: &Mesh) -> Self {
        Self::of(&mesh.places, &mesh.pairs)
    }

    /// From places and pairs; places without a pair are left out.
    #[must_use]
    pub fn of(places: &[Place], pairs: &[Measured]) -> Self {
        let mut measured: Vec<usize> = pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
        measured.sort_unstable();
        measured.dedup();
        let number = |site: usize| measured.binary_search(&site).unwrap_or(0);
        let count = measured.len();
        let mut times = vec![None; count * count];
        for pair in pairs {
            let (a, b) = (number(pair.a), number(pair.b));
            times[a * count + b] = Some(pair.rtt_ms);
            times[b * count + a] = Some(pair.rtt_ms);
        }
        Self {
            places: measured.iter().map(|&site| places[site]).collect(),
            times,
        }
    }

    /// How many sites there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The time between two sites in milliseconds, if it was measured.
    #[must_use]
    pub fn time(&self, a: usize, b: usize) -> Option<f64> {
        self.times[a * self.len() + b]
    }

    /// Great-circle distance in kilometres.
    #[must_use]
    pub fn km(&self, a: usize, b: usize) -> f64 {
        self.places[a].position.distance_km(self.places[b].position)
    }

    /// What was measured among some sites, which keep their numbers.
    #[must_use]
    pub fn among(&self, sites: &[usize]) -> Vec<Measured> {
        let mut pairs = Vec::new();
        for (at, &b) in sites.iter().enumerate() {
            for &a in &sites[..at] {
                pairs.extend(self.time(a, b).map(|rtt_ms| Measured { a, b, rtt_ms }));
            }
        }
        pairs
    }
}
