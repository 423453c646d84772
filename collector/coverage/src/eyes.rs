//! Borrowed eyes: what somebody else's vantages measured of nodes. They are no vantages of a report: they speak for nobody,
//! and are in no share. Predictions rest on them too, the less the older a time is.

use crate::country::Country;
use crate::light::most_km;
use crate::locate::{APART_KM, LEAST_WITNESSES, SLACK_KM};
use crate::observations::{AccessClass, Node};
use crate::predict::Place;

/// After so many days a time is doubted as much as the prior's old ones.
const OLD_DAYS: f64 = 60.0;
/// It is never doubted more than so many times as much.
const OLDEST: f64 = 4.0;

/// Somebody else's vantage.
#[derive(Clone, Debug, PartialEq)]
pub struct Eye {
    /// What its platform calls it; unique among those of its source.
    pub name: String,
    /// Whose it is.
    pub source: EyeSource,
    /// The place's name.
    pub site: String,
    /// Where it says that it stands, and the network it sits in.
    pub place: Place,
    /// Its country, if known.
    pub country: Option<Country>,
    /// How it is connected.
    pub access: AccessClass,
    /// What it measured, at most once for each node.
    pub times: Vec<EyeTime>,
}

/// Whose an eye is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EyeSource {
    /// RIPE Atlas.
    Atlas,
    /// Globalping.
    Globalping,
}

/// What an eye measured of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EyeTime {
    /// Index into [`Observations::nodes`](crate::observations::Observations::nodes).
    pub node: usize,
    /// One round trip in milliseconds, the median of those that count.
    pub rtt_ms: f64,
    /// The shortest in milliseconds that is told well enough to judge a place by; `None`: none is.
    pub least_ms: Option<f64>,
    /// Days from the newest of them to the report's end.
    pub age_days: f64,
    /// How many there are.
    pub answers: u64,
}

impl EyeSource {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Atlas => "atlas",
            Self::Globalping => "globalping",
        }
    }
}

impl EyeTime {
    /// How old it is, in times after which it is doubted as much as the prior's old ones: 0 to 4.
    #[must_use]
    pub fn doubt(&self) -> f64 {
        (self.age_days.max(0.0) / OLD_DAYS).min(OLDEST)
    }

    /// How much it counts beside one of today, 0.2 to 1.
    #[must_use]
    pub fn weight(&self) -> f64 {
        1.0 / (1.0 + self.doubt())
    }
}

impl Eye {
    /// The nodes, by index, that contradict its place: they answered sooner than light can have come from there. None
    /// where fewer than two do that stand apart, for then a node may be the one that is elsewhere. Nodes of
    /// `impossible` places are no witnesses.
    #[must_use]
    pub fn contradicted_by(&self, nodes: &[Node], impossible: &[String]) -> Vec<usize> {
        let contradicts = |time: &EyeTime| {
            let node = nodes
                .get(time.node)
                .filter(|node| !impossible.contains(&node.name))?;
            let km = self.place.position.distance_km(node.position?);
            (km > most_km(time.least_ms?) + SLACK_KM).then_some(time.node)
        };
        let found: Vec<usize> = self.times.iter().filter_map(contradicts).collect();
        let position = |node: usize| nodes.get(node).and_then(|node| node.position);
        let mut apart: Vec<usize> = Vec::new();
        for &node in &found {
            let is_apart = |&other: &usize| match (position(node), position(other)) {
                (Some(a), Some(b)) => a.distance_km(b) > APART_KM,
                _ => false,
            };
            if apart.iter().all(is_apart) {
                apart.push(node);
            }
        }
        match apart.len() >= LEAST_WITNESSES {
            true => found,
            false => Vec::new(),
        }
    }
}

/// An eye in a report.
#[derive(Clone, Debug, PartialEq)]
pub struct EyeReport {
    /// It; its times are of the report's nodes.
    pub eye: Eye,
    /// The nodes that contradict its place, by name: it counts nowhere.
    pub contradicted_by: Vec<String>,
    /// Whether predictions rest on it: not where it is contradicted, or one of too many.
    pub counts: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cities;
    use crate::fixture::node;

    fn eye(place: &str, times: &[(usize, f64)]) -> Eye {
        let time = |&(node, rtt_ms): &(usize, f64)| EyeTime {
            node,
            rtt_ms,
            least_ms: Some(rtt_ms),
            age_days: 0.0,
            answers: 3,
        };
        Eye {
            name: "60001".to_owned(),
            source: EyeSource::Atlas,
            site: place.to_owned(),
            place: Place {
                position: cities::find(place).unwrap().position,
                network: None,
            },
            country: None,
            access: AccessClass::Eyeball,
            times: times.iter().map(time).collect(),
        }
    }

    #[test]
    fn old_time_counts_less_and_never_nothing() {
        let of = |age_days| {
            let mut time = eye("Berlin, DE", &[(0, 1.0)]).times[0];
            time.age_days = age_days;
            time.weight()
        };
        assert_eq!([of(0.0), of(60.0), of(240.0), of(9_000.0)], [1.0, 0.5, 0.2, 0.2]);
        assert_eq!(of(-3.0), 1.0, "a clock that is ahead makes it no better than new");
    }

    #[test]
    fn eye_that_two_nodes_apart_contradict_is_elsewhere_and_one_node_says_nothing() {
        let nodes = [
            node("berlin", "Berlin, DE"),
            node("potsdam", "Potsdam, DE"),
            node("paris", "Paris, FR"),
        ];
        let in_sydney = |times: &[(usize, f64)]| eye("Sydney, AU", times).contradicted_by(&nodes, &[]);
        assert_eq!(in_sydney(&[(0, 12.0), (2, 15.0)]), [0, 2]);
        assert!(in_sydney(&[(0, 12.0)]).is_empty());
        assert!(in_sydney(&[(0, 12.0), (1, 13.0)]).is_empty(), "one place");
        assert!(in_sydney(&[(0, 290.0), (2, 300.0)]).is_empty(), "that far");
        let mut vague = eye("Sydney, AU", &[(0, 12.0), (2, 15.0)]);
        vague.times[1].least_ms = None;
        assert!(
            vague.contradicted_by(&nodes, &[]).is_empty(),
            "told in whole milliseconds"
        );
        let honest = eye("Sydney, AU", &[(0, 12.0), (2, 15.0)]);
        let wrong = ["paris".to_owned()];
        assert!(
            honest.contradicted_by(&nodes, &wrong).is_empty(),
            "the node is elsewhere"
        );
    }
}
