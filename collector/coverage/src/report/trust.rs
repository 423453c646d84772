//! Where predictions hold: one rule for shares, map and count. A heavy country without any known site is not
//! predicted; one whose known sites are predicted badly, when they are left out, gets wider intervals.

use std::collections::{BTreeMap, BTreeSet};

use super::{Unseen, WeightedPlace, Widened};
use crate::country::Country;
use crate::predict::{KnownCountry, Place, Prior, country_at};

/// A country with this share of the weight is too heavy to be guessed from its neighbours alone.
pub(crate) const HEAVY: f64 = 0.01;

/// How far predictions hold, by country.
pub(crate) struct Trust {
    /// Countries of which at least [`HEAVY`] of all weight is not measured, with that share, the heaviest first.
    heavy: Vec<(Country, f64)>,
    /// Countries in which a site was measured, here or by the prior.
    seen: BTreeSet<Country>,
    prior: BTreeMap<Country, KnownCountry>,
}

impl Trust {
    /// `own` are the places that were measured here; `places` carry the weight.
    pub(crate) fn new<'a>(
        own: &[Place],
        prior: Option<&Prior>,
        places: impl IntoIterator<Item = &'a WeightedPlace>,
    ) -> Self {
        let prior = prior.map_or_else(BTreeMap::new, |prior| prior.countries().clone());
        let own = own.iter().filter_map(|place| country_at(place.position));
        Self {
            heavy: heavy(places),
            seen: own.chain(prior.keys().copied()).collect(),
            prior,
        }
    }

    /// So many times as wide as elsewhere are intervals there; `None`: nothing is predicted.
    pub(crate) fn widened(&self, country: Option<Country>) -> Option<f64> {
        let Some(country) = country else { return Some(1.0) };
        if self.is_unseen(country) {
            return None;
        }
        let missed = self.prior.get(&country).and_then(|known| known.missed);
        Some(missed.map_or(1.0, |missed| missed.widened))
    }

    fn is_unseen(&self, country: Country) -> bool {
        !self.seen.contains(&country) && self.heavy.iter().any(|(heavy, _)| *heavy == country)
    }

    /// Heavy countries that are not predicted, the heaviest first.
    pub(crate) fn unseen(&self) -> Vec<Unseen> {
        let unseen = self.heavy.iter().filter(|(country, _)| self.is_unseen(*country));
        unseen
            .map(|&(country, share)| Unseen { country, share })
            .collect()
    }

    /// Heavy countries whose intervals are widened, the heaviest first.
    pub(crate) fn wide(&self) -> Vec<Widened> {
        let wide = |&(country, share): &(Country, f64)| {
            let known = self.prior.get(&country)?;
            let missed = known.missed?;
            Some(Widened {
                country,
                share,
                sites: known.sites,
                median_ms: missed.median_ms,
                usual_ms: missed.usual_ms,
                times: missed.widened,
            })
        };
        self.heavy.iter().filter_map(wide).collect()
    }
}

fn heavy<'a>(places: impl IntoIterator<Item = &'a WeightedPlace>) -> Vec<(Country, f64)> {
    let (mut countries, mut total) = (BTreeMap::<Country, f64>::new(), 0.0);
    for place in places {
        total += place.weight;
        if let (Some(country), None) = (place.country, place.speaker) {
            *countries.entry(country).or_default() += place.weight;
        }
    }
    let share = |(country, weight): (Country, f64)| (country, weight / total);
    let mut heavy: Vec<(Country, f64)> = countries.into_iter().map(share).collect();
    heavy.retain(|(_, share)| *share >= HEAVY);
    heavy.sort_by(|a, b| b.1.total_cmp(&a.1));
    heavy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cities;

    fn place(city: &str, weight: f64) -> WeightedPlace {
        let city = cities::find(city).expect(city);
        WeightedPlace {
            position: city.position,
            weight,
            speaker: None,
            country: Some(city.country),
            subdivision: city.subdivision,
        }
    }

    fn code(code: &str) -> Option<Country> {
        Country::code(code)
    }

    #[test]
    fn heavy_country_without_a_known_site_is_not_predicted_and_one_own_site_mends_that() {
        let places = [
            place("Shanghai, CN", 40.0),
            place("Bratislava, SK", 0.5),
            place("Paris, FR", 59.5),
        ];
        let prior = Prior::embedded();
        let trust = Trust::new(&[], Some(prior), &places);
        assert_eq!(trust.widened(code("CN")), None);
        let names: Vec<Country> = trust.unseen().iter().map(|one| one.country).collect();
        assert_eq!(names, [code("CN").unwrap()]);
        assert_eq!(trust.unseen()[0].share, 0.4);
        assert!(
            trust.widened(code("SK")).is_some(),
            "a light one is guessed from its neighbours"
        );
        let beijing = Place {
            position: cities::find("Beijing, CN").unwrap().position,
            network: None,
        };
        let trust = Trust::new(&[beijing], Some(prior), &places);
        assert_eq!(trust.widened(code("CN")), Some(1.0));
        assert!(trust.unseen().is_empty());
    }

    #[test]
    fn country_that_was_measured_whole_is_neither_unseen_nor_predicted_badly() {
        let spoken_for = |city: &str| WeightedPlace {
            speaker: Some(0),
            ..place(city, 30.0)
        };
        let places = [
            spoken_for("Shanghai, CN"),
            spoken_for("Mumbai, IN"),
            place("Delhi, IN", 0.5),
            place("Paris, FR", 39.5),
        ];
        let trust = Trust::new(&[], Some(Prior::embedded()), &places);
        assert!(trust.unseen().is_empty(), "{:?}", trust.unseen());
        assert!(trust.wide().is_empty(), "{:?}", trust.wide());
    }

    #[test]
    fn country_that_errs_twice_as_much_keeps_its_prediction_with_a_wider_interval() {
        let places = [place("Mumbai, IN", 50.0), place("Paris, FR", 50.0)];
        let trust = Trust::new(&[], Some(Prior::embedded()), &places);
        let wide = trust.wide();
        assert_eq!(wide.len(), 1, "{wide:?}");
        assert_eq!(wide[0].country, code("IN").unwrap());
        assert!(wide[0].median_ms > 2.0 * wide[0].usual_ms);
        assert_eq!(trust.widened(code("IN")), Some(wide[0].times));
        assert!(wide[0].times > 1.0, "{wide:?}");
        assert_eq!(trust.widened(code("FR")), Some(1.0));
    }
}
