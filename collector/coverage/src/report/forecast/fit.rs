//! A predictor of what one class measured.

use std::collections::{BTreeSet, HashMap};

use crate::files::Mesh;
use crate::observations::{CandidateSite, Eye, EyeSource, Node, Vantage};
use crate::predict::{Measured, Place, Point, PredictError, Predictor, Prior};
use crate::report::WhyNot;

/// What tells an eye from others.
type WhichEye<'a> = (EyeSource, &'a str);

/// A vantage and its own node this close are one place.
const ONE_PLACE_KM: f64 = 1.0;

/// What one class measured, as places and pairs.
pub(crate) struct Known {
    places: Vec<Place>,
    pairs: Vec<Measured>,
    /// What somebody else measured, and how much it is doubted.
    doubted: Vec<(Measured, f64)>,
    /// By node: its place, if it has one.
    nodes: Vec<Option<usize>>,
    /// By candidate: its place.
    candidates: Vec<usize>,
}

/// What was measured between sites, beside what vantages measured of nodes.
#[derive(Clone, Copy)]
pub(crate) struct Further<'a> {
    /// All that files hold, vantages' times to nodes among it.
    pub(crate) mesh: Option<&'a Mesh>,
    /// Between vantages, by their numbers.
    pub(crate) echoes: &'a [Measured],
    /// Of somebody else.
    pub(crate) eyes: &'a [Eye],
    /// Places that might get a node, and what these eyes measured of them.
    pub(crate) candidates: &'a [CandidateSite],
}

/// A predictor, and the nodes as it sees them.
pub(crate) struct Fitted {
    pub(crate) predictor: Predictor,
    /// By node; `None`: it has no place.
    pub(crate) nodes: Vec<Option<usize>>,
    pub(crate) places: Vec<Place>,
    /// The places between which something was measured.
    pub(crate) measured: Vec<Place>,
    /// What was measured, by place.
    pub(crate) pairs: Vec<Measured>,
    /// By candidate: how it is known.
    pub(crate) candidates: Vec<KnownCandidate>,
}

/// A place that might get a node, and who measured it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownCandidate {
    /// Its number as a place.
    pub(crate) at: usize,
    /// How many of our vantages measured it.
    pub(crate) vantages: usize,
    /// How many borrowed eyes did.
    pub(crate) eyes: usize,
}

impl Known {
    /// `time` gives the time in milliseconds of a vantage, by index, and a node, where it was measured.
    pub(crate) fn new(
        vantages: &[&Vantage],
        nodes: &[&Node],
        Further {
            mesh,
            echoes,
            eyes,
            candidates,
        }: Further<'_>,
        time: impl Fn(usize, usize) -> Option<f64>,
    ) -> Self {
        let mut known = match mesh {
            Some(mesh) => Self {
                places: mesh.places.clone(),
                pairs: mesh.pairs.clone(),
                doubted: Vec::new(),
                nodes: Vec::new(),
                candidates: Vec::new(),
            },
            None => Self {
                places: Vec::new(),
                pairs: Vec::new(),
                doubted: Vec::new(),
                nodes: Vec::new(),
                candidates: Vec::new(),
            },
        };
        let names = mesh.map_or(&[][..], |mesh| &mesh.names);
        let named: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (&**name, at)).collect();
        let sites: Vec<usize> = vantages
            .iter()
            .map(|vantage| match named.get(&*vantage.site) {
                Some(&site) => site,
                None => known.place(Place {
                    position: vantage.position,
                    network: vantage.network,
                }),
            })
            .collect();
        let beside = |node: &Node| {
            let own = |vantage: &&&Vantage| {
                let near = |position| vantage.position.distance_km(position) <= ONE_PLACE_KM;
                vantage.owns(node) && node.position.is_some_and(near)
            };
            vantages.iter().position(|vantage| own(&vantage))
        };
        for node in nodes {
            let place = match (named.get(&*node.site), beside(node), node.position) {
                (Some(&site), _, _) => Some(site),
                (None, Some(vantage), _) => Some(sites[vantage]),
                (None, None, Some(position)) => Some(known.place(Place {
                    position,
                    network: None,
                })),
                (None, None, None) => None,
            };
            known.nodes.push(place);
        }
        if mesh.is_none() {
            known.measured(&sites, time);
        }
        let echo = |pair: &Measured| Measured {
            a: sites[pair.a],
            b: sites[pair.b],
            ..*pair
        };
        known.pairs.extend(echoes.iter().map(echo));
        let stand: HashMap<WhichEye<'_>, usize> = eyes
            .iter()
            .map(|eye| ((eye.source, &*eye.name), known.borrowed(eye)))
            .collect();
        let own = vantages.iter().map(|vantage| &*vantage.name).zip(sites).collect();
        candidates
            .iter()
            .for_each(|site| known.might_be(site, (&own, &stand)));
        known
    }

    /// A place that might get a node, behind all others. What a vantage of ours measured of it is as good as what it
    /// measured of nodes; what an eye that counts did is doubted like what that eye measured of nodes.
    fn might_be(
        &mut self,
        site: &CandidateSite,
        (own, stand): (&HashMap<&str, usize>, &HashMap<WhichEye<'_>, usize>),
    ) {
        let b = self.place(Place {
            position: site.position,
            network: None,
        });
        self.candidates.push(b);
        let is_time = |rtt_ms: f64| rtt_ms.is_finite() && rtt_ms >= 0.0;
        for time in &site.own {
            let rtt_ms = time.rtt_ms;
            if let (Some(&a), true) = (own.get(&*time.vantage), is_time(rtt_ms)) {
                self.pairs.push(Measured { a, b, rtt_ms });
            }
        }
        for time in &site.times {
            let rtt_ms = time.rtt_ms;
            if let (Some(&a), true) = (stand.get(&(time.source, &*time.eye)), is_time(rtt_ms)) {
                self.doubted.push((Measured { a, b, rtt_ms }, time.doubt()));
            }
        }
    }

    /// Each eye is a place of its own, behind those of vantages and nodes.
    fn borrowed(&mut self, eye: &Eye) -> usize {
        let a = self.place(Place {
            position: eye.position,
            network: eye.network,
        });
        for time in &eye.times {
            if let Some(&Some(b)) = self.nodes.get(time.node) {
                let rtt_ms = time.rtt_ms;
                self.doubted.push((Measured { a, b, rtt_ms }, time.doubt()));
            }
        }
        a
    }

    fn place(&mut self, place: Place) -> usize {
        self.places.push(place);
        self.places.len() - 1
    }

    fn measured(&mut self, sites: &[usize], time: impl Fn(usize, usize) -> Option<f64>) {
        for (vantage, &a) in sites.iter().enumerate() {
            for (node, &b) in self.nodes.iter().enumerate() {
                if let (Some(b), Some(rtt_ms)) = (b.filter(|&b| b != a), time(vantage, node)) {
                    self.pairs.push(Measured { a, b, rtt_ms });
                }
            }
        }
    }

    /// # Errors
    /// Why nothing can be predicted.
    pub(crate) fn fit(self, prior: Option<&Prior>) -> Result<Fitted, WhyNot> {
        let fitted = self.fit_anyhow(prior)?;
        match fitted.predictor.is_calibrated() {
            true => Ok(fitted),
            false => Err(WhyNot::TooFewVantages),
        }
    }

    /// The same, also where too little was left out to give times intervals: they rank places then, and no more.
    ///
    /// # Errors
    /// Why nothing can be predicted.
    pub(crate) fn fit_anyhow(self, prior: Option<&Prior>) -> Result<Fitted, WhyNot> {
        if self.nodes.iter().all(Option::is_none) {
            return Err(WhyNot::NoPlacedNode);
        }
        let predictor = Predictor::fit_with(&self.places, &self.pairs, &self.doubted, prior);
        let predictor = predictor.map_err(|error| match error {
            PredictError::Nothing => WhyNot::Nothing,
            PredictError::Pair { .. } | PredictError::Degenerate => WhyNot::Degenerate,
        })?;
        let doubted = self.doubted.iter().map(|(pair, _)| pair);
        let all = self.pairs.iter().chain(doubted);
        let ends: BTreeSet<usize> = all.flat_map(|pair| [pair.a, pair.b]).collect();
        let seen_by = |at: usize| KnownCandidate {
            at,
            vantages: self.pairs.iter().filter(|pair| pair.b == at).count(),
            eyes: self.doubted.iter().filter(|(pair, _)| pair.b == at).count(),
        };
        Ok(Fitted {
            candidates: self.candidates.iter().map(|&place| seen_by(place)).collect(),
            measured: ends.into_iter().map(|end| self.places[end]).collect(),
            predictor,
            nodes: self.nodes,
            pairs: self.pairs,
            places: self.places,
        })
    }
}

impl Fitted {
    /// The nodes that have a place: their index, and how they are seen.
    pub(crate) fn placed(&self) -> Vec<(usize, Place, Point)> {
        let placed = self.nodes.iter().enumerate();
        let placed = placed.filter_map(|(node, place)| {
            let place = (*place)?;
            Some((node, self.places[place], self.predictor.site(place)))
        });
        placed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{node, small_world};
    use crate::observations::OwnTime;
    use crate::predict::PriorChoice;

    #[test]
    fn what_our_vantages_measured_of_a_candidate_is_what_is_known_of_it() {
        let world = small_world();
        let vantages: Vec<&Vantage> = world.vantages.iter().collect();
        let nodes: Vec<&Node> = world.nodes.iter().collect();
        let fitted = |own: Vec<OwnTime>| {
            let candidates = [CandidateSite {
                name: "provider".to_owned(),
                place: "Delhi, IN".to_owned(),
                position: node("", "Delhi, IN").position.unwrap(),
                country: None,
                own,
                times: Vec::new(),
            }];
            let further = Further {
                mesh: None,
                echoes: &[],
                eyes: &[],
                candidates: &candidates,
            };
            let known = Known::new(&vantages, &nodes, further, |_, _| Some(120.0));
            known.fit(PriorChoice::Embedded.get()).unwrap()
        };
        let measured = |rtt_ms: f64| {
            let time = |vantage: &str, rtt_ms| OwnTime {
                vantage: vantage.to_owned(),
                rtt_ms,
                answers: 288,
            };
            let mut own: Vec<OwnTime> = vantages.iter().map(|of| time(&of.name, rtt_ms)).collect();
            own.push(time("nobody", 1.0));
            own.push(time(&vantages[0].name, f64::NAN));
            let fitted = fitted(own);
            let known = fitted.candidates[0];
            assert_eq!((known.vantages, known.eyes), (vantages.len(), 0));
            let ends = (fitted.predictor.site(0), fitted.predictor.site(known.at));
            fitted.predictor.likeliest_ms(&ends.0, &ends.1)
        };
        let (near, far) = (measured(100.0), measured(240.0));
        assert!(near < 130.0 && far > 200.0, "{near} {far}");
        let nobody = fitted(Vec::new());
        assert_eq!((nobody.candidates[0].vantages, nobody.candidates[0].eyes), (0, 0));
    }
}
