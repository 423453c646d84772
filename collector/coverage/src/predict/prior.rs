//! The prior: public meshes as old, noisy data, for those who have few vantages of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use super::build::{Ground, LeftOut};
use super::countries::{self, KnownCountry};
use super::{Measured, Place, PredictError};
use crate::country::Country;
use crate::geo::Position;

/// The meshes named in NOTICE, packed by `data/make_prior.py`, which describes the layout.
const PACKED: &[u8] = include_bytes!("../../data/prior.bin");

const MAGIC: &[u8] = b"ISOPRIOR2\n";
/// Stands for a pair that was not measured.
const NOT_MEASURED: u16 = u16::MAX;
/// A larger file is damage.
const MOST_SITES: usize = 2000;
const MOST_SOURCE: usize = 10_000;

static EMBEDDED: LazyLock<Prior> =
    LazyLock::new(|| Prior::read(PACKED).expect("the embedded prior is whole: a test reads it"));

/// Sites and times between them, measured by others and some years ago.
#[derive(Clone, Debug, Default)]
pub struct Prior {
    source: String,
    places: Vec<Place>,
    pairs: Vec<Measured>,
    /// What predictions stand on: the same for all of them, so made once.
    ground: OnceLock<Option<Arc<Ground>>>,
    /// What it knows by country, made once too.
    countries: OnceLock<BTreeMap<Country, KnownCountry>>,
}

/// Which prior predictions stand on.
#[derive(Clone, Debug, Default)]
pub enum PriorChoice {
    /// The one in the binary.
    #[default]
    Embedded,
    /// None: own measurements alone.
    None,
    /// Another one.
    Given(Arc<Prior>),
}

impl PriorChoice {
    /// The prior, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<&Prior> {
        match self {
            Self::Embedded => Some(Prior::embedded()),
            Self::None => None,
            Self::Given(prior) => Some(prior),
        }
    }
}

/// A file that is no prior.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriorError {
    /// It starts otherwise.
    #[error("this is no prior: such a file is made by collector/coverage/data/make_prior.py")]
    Mark,
    /// It ends early, goes on too long, holds a value that cannot be, or is not what its checksum was made of.
    #[error("the prior is damaged: make it again with collector/coverage/data/make_prior.py")]
    Damaged,
    /// It is whole, and no two sites in it were measured.
    #[error(
        "the prior holds no time between two sites: make it of folders that do, or predict without one (`none`)"
    )]
    Empty,
}

impl Prior {
    /// Of places and pairs that were measured between them.
    pub fn new(source: impl Into<String>, places: Vec<Place>, pairs: Vec<Measured>) -> Self {
        Self {
            source: source.into(),
            places,
            pairs,
            ground: OnceLock::new(),
            countries: OnceLock::new(),
        }
    }

    /// Where the times come from, in a line.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The sites.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The pairs that were measured.
    #[must_use]
    pub fn pairs(&self) -> &[Measured] {
        &self.pairs
    }

    pub(super) fn ground(&self) -> Result<Arc<Ground>, PredictError> {
        let ground = self.ground.get_or_init(|| Ground::new(self).ok().map(Arc::new));
        ground.clone().ok_or(PredictError::Degenerate)
    }

    /// How wrong it is about each group of its sites when that is left out; `None` where there is no pair to tell.
    pub(super) fn left_out(&self, groups: &[Vec<usize>]) -> Vec<Option<LeftOut>> {
        match self.ground() {
            Ok(ground) => ground.left_out(self, groups),
            Err(_) => vec![None; groups.len()],
        }
    }

    /// The countries in which it knows a site, and how well it predicts each.
    pub(crate) fn countries(&self) -> &BTreeMap<Country, KnownCountry> {
        self.countries.get_or_init(|| countries::of(self))
    }

    /// The one in the binary.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads a packed prior.
    ///
    /// # Errors
    /// It is none, damaged, or empty.
    pub fn read(bytes: &[u8]) -> Result<Self, PriorError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(PriorError::Mark)?;
        let (checksum, body) = body.split_first_chunk().ok_or(PriorError::Damaged)?;
        if u32::from_le_bytes(*checksum) != crc32fast::hash(body) {
            return Err(PriorError::Damaged);
        }
        let mut reader = Reader(body);
        let prior = reader.prior().ok_or(PriorError::Damaged)?;
        match (reader.0, prior.pairs.is_empty()) {
            ([], false) => Ok(prior),
            ([], true) => Err(PriorError::Empty),
            _ => Err(PriorError::Damaged),
        }
    }

    /// The same without the sites that `keep` refuses, and without their pairs.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(Position) -> bool) -> Self {
        let mut number = vec![None; self.places.len()];
        let mut places = Vec::new();
        for (at, place) in self.places.iter().enumerate() {
            if keep(place.position) {
                number[at] = Some(places.len());
                places.push(*place);
            }
        }
        let kept = |pair: &Measured| {
            Some(Measured {
                a: number[pair.a]?,
                b: number[pair.b]?,
                rtt_ms: pair.rtt_ms,
            })
        };
        let pairs = self.pairs.iter().filter_map(kept).collect();
        Self::new(self.source.clone(), places, pairs)
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn prior(&mut self) -> Option<Prior> {
        let length = usize::from(self.short()?);
        if length > MOST_SOURCE || length > self.0.len() {
            return None;
        }
        let (source, rest) = self.0.split_at(length);
        let source = std::str::from_utf8(source).ok()?.to_owned();
        self.0 = rest;
        let mut prior = Prior {
            source,
            ..Prior::default()
        };
        let meshes = self.short()?;
        for _ in 0..meshes {
            self.mesh(&mut prior)?;
        }
        Some(prior)
    }

    fn mesh(&mut self, prior: &mut Prior) -> Option<()> {
        let (first, count) = (prior.places.len(), usize::from(self.short()?));
        if first + count > MOST_SITES {
            return None;
        }
        for _ in 0..count {
            let (latitude, longitude) = (self.degrees()?, self.degrees()?);
            prior.places.push(Place {
                position: Position::new(latitude, longitude)?,
                network: None,
            });
        }
        for b in 1..count {
            for a in 0..b {
                let hundredths = self.short()?;
                if hundredths != NOT_MEASURED {
                    prior.pairs.push(Measured {
                        a: first + a,
                        b: first + b,
                        rtt_ms: f64::from(hundredths) / 100.0,
                    });
                }
            }
        }
        Some(())
    }

    fn short(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_le_bytes(*bytes))
    }

    fn degrees(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from(i32::from_le_bytes(*bytes)) / 1e4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_prior_is_whole_and_small() {
        assert!(PACKED.len() <= 200_000, "{}", PACKED.len());
        let prior = Prior::embedded();
        assert!(prior.places.len() > 200 && prior.pairs.len() > 20_000);
        assert!(
            prior
                .pairs
                .iter()
                .all(|pair| pair.rtt_ms > 0.0 && pair.a < pair.b)
        );
        assert!(!prior.source.is_empty());
    }

    #[test]
    fn damaged_prior_is_refused() {
        assert_eq!(Prior::read(b"city").unwrap_err(), PriorError::Mark);
        let cut = &PACKED[..PACKED.len() - 1];
        assert_eq!(Prior::read(cut).unwrap_err(), PriorError::Damaged);
        let longer = [PACKED, &[0]].concat();
        assert_eq!(Prior::read(&longer).unwrap_err(), PriorError::Damaged);
        let far = packed(&[0, 0, 1, 0, 1, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]);
        assert_eq!(
            Prior::read(&far).unwrap_err(),
            PriorError::Damaged,
            "a latitude of 214748 degrees"
        );
    }

    #[test]
    fn prior_with_a_flipped_bit_is_refused_wherever_it_is() {
        for at in (0..PACKED.len()).step_by(997).chain([10, 13, PACKED.len() - 1]) {
            let mut flipped = PACKED.to_vec();
            flipped[at] ^= 1 << (at % 8);
            assert!(Prior::read(&flipped).is_err(), "bit {} of byte {at}", at % 8);
        }
    }

    #[test]
    fn prior_that_holds_no_pair_is_refused() {
        let one_site = packed(&[0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let no_mesh = packed(&[0, 0, 0, 0]);
        let not_measured = packed(&[
            0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0xff, 0xff,
        ]);
        for bytes in [one_site, no_mesh, not_measured] {
            assert_eq!(Prior::read(&bytes).unwrap_err(), PriorError::Empty);
        }
    }

    fn packed(body: &[u8]) -> Vec<u8> {
        [MAGIC, &crc32fast::hash(body).to_le_bytes(), body].concat()
    }

    #[test]
    fn filtered_prior_loses_the_pairs_of_the_sites_that_go() {
        let north = Prior::embedded().filtered(|position| position.latitude() > 0.0);
        assert!(north.places.len() > 100 && north.places.len() < Prior::embedded().places.len());
        assert!(north.pairs.iter().all(|pair| pair.b < north.places.len()));
        let nobody = north.filtered(|_| false);
        assert!(nobody.places.is_empty() && nobody.pairs.is_empty());
    }
}
