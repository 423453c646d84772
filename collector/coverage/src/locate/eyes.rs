//! Whether a borrowed eye can stand where it says.

use super::{APART_KM, LEAST_WITNESSES, SLACK_KM};
use crate::light::{least_ms, most_km};
use crate::observations::{Eye, EyeTime, Node};

/// What nodes say of a borrowed eye's place. Eyes say nothing of a node's.
#[derive(Clone, Debug, PartialEq)]
pub struct EyeLocated {
    /// Whether it can stand there.
    pub verdict: EyeVerdict,
    /// The nodes that answered sooner than light can have come from there, the soonest first.
    pub contradictions: Vec<EyeContradiction>,
}

/// Whether a borrowed eye can stand where it says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EyeVerdict {
    /// It cannot: nodes of two places say so.
    Impossible,
    /// It can; it could be anywhere within so many kilometres of a node, if that one stands where it says.
    Consistent {
        /// As many.
        radius_km: f64,
        /// Index of the node.
        node: usize,
    },
    /// No node that could judge it was measured well enough, or one alone contradicts it: then either may be elsewhere.
    Unknown,
}

/// A node that answered sooner than light can have come from where an eye says that it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EyeContradiction {
    /// Its index.
    pub node: usize,
    /// The shortest round trip, in milliseconds.
    pub rtt_ms: f64,
    /// How far away the eye claims to stand.
    pub km: f64,
    /// What light in fibre needs for that, there and back, in milliseconds.
    pub least_ms: f64,
}

impl EyeVerdict {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Impossible => "impossible",
            Self::Consistent { .. } => "consistent",
            Self::Unknown => "unknown",
        }
    }

    /// The provable radius, if there is one.
    #[must_use]
    pub const fn radius_km(self) -> Option<f64> {
        match self {
            Self::Consistent { radius_km, .. } => Some(radius_km),
            Self::Impossible | Self::Unknown => None,
        }
    }
}

/// Judges a borrowed eye's place by the nodes that it measured, by the same rule as [`contradicted_by`]: nodes of
/// `impossible` places are no witnesses, nor are those without coordinates, nor times that are not exact.
#[must_use]
pub fn judge_eye(eye: &Eye, nodes: &[Node], impossible: &[String]) -> EyeLocated {
    let witness = |time: &EyeTime| {
        let node = nodes.get(time.node)?;
        let at = node.position.filter(|_| !impossible.contains(&node.name))?;
        Some((time.node, time.least_ms?, eye.position.distance_km(at)))
    };
    let mut witnesses: Vec<(usize, f64, f64)> = eye.times.iter().filter_map(witness).collect();
    witnesses.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let contradicts = |&&(_, rtt_ms, km): &&(usize, f64, f64)| km > most_km(rtt_ms) + SLACK_KM;
    let contradiction = |&(node, rtt_ms, km): &(usize, f64, f64)| EyeContradiction {
        node,
        rtt_ms,
        km,
        least_ms: least_ms(km),
    };
    let contradictions: Vec<_> = witnesses.iter().filter(contradicts).map(contradiction).collect();
    let verdict = match (contradictions.is_empty(), witnesses.first()) {
        (true, Some(&(node, rtt_ms, _))) => EyeVerdict::Consistent {
            radius_km: most_km(rtt_ms),
            node,
        },
        (false, _) if !contradicted_by(eye, nodes, impossible).is_empty() => EyeVerdict::Impossible,
        _ => EyeVerdict::Unknown,
    };
    EyeLocated {
        verdict,
        contradictions,
    }
}

/// The nodes, by index, that contradict its place: they answered sooner than light can have come from there. None
/// where fewer than two do that stand apart, for then a node may be the one that is elsewhere. Nodes of
/// `impossible` places are no witnesses.
#[must_use]
pub fn contradicted_by(eye: &Eye, nodes: &[Node], impossible: &[String]) -> Vec<usize> {
    let contradicts = |time: &EyeTime| {
        let node = nodes
            .get(time.node)
            .filter(|node| !impossible.contains(&node.name))?;
        let km = eye.position.distance_km(node.position?);
        (km > most_km(time.least_ms?) + SLACK_KM).then_some(time.node)
    };
    let found: Vec<usize> = eye.times.iter().filter_map(contradicts).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cities;
    use crate::fixture::node;
    use crate::observations::{AccessClass, EyeSource};

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
            position: cities::find(place).unwrap().position,
            network: None,
            country: None,
            access: AccessClass::Eyeball,
            times: times.iter().map(time).collect(),
        }
    }

    #[test]
    fn eye_that_two_nodes_apart_contradict_is_elsewhere_and_one_node_says_nothing() {
        let nodes = [
            node("berlin", "Berlin, DE"),
            node("potsdam", "Potsdam, DE"),
            node("paris", "Paris, FR"),
        ];
        let verdict = |times: &[(usize, f64)], impossible: &[String]| {
            judge_eye(&eye("Sydney, AU", times), &nodes, impossible).verdict
        };
        assert_eq!(verdict(&[(0, 12.0), (2, 15.0)], &[]), EyeVerdict::Impossible);
        assert_eq!(
            verdict(&[(0, 12.0)], &[]),
            EyeVerdict::Unknown,
            "either may be elsewhere"
        );
        assert_eq!(
            verdict(&[(0, 12.0)], &["berlin".to_owned()]),
            EyeVerdict::Unknown,
            "nobody judges it"
        );
        let found = judge_eye(&eye("Sydney, AU", &[(2, 300.0), (0, 290.0)]), &nodes, &[]);
        let EyeVerdict::Consistent { radius_km, node: 0 } = found.verdict else {
            panic!("{found:?}")
        };
        assert!((radius_km - most_km(290.0)).abs() < 1e-9 && found.contradictions.is_empty());
        let lie = judge_eye(&eye("Sydney, AU", &[(2, 15.0), (0, 12.0)]), &nodes, &[]);
        let told: Vec<_> = lie
            .contradictions
            .iter()
            .map(|one| (one.node, one.rtt_ms))
            .collect();
        assert_eq!(told, [(0, 12.0), (2, 15.0)], "the soonest first");
        assert!(lie.contradictions[0].least_ms > 150.0 && lie.contradictions[0].km > 15_000.0);

        let in_sydney = |times: &[(usize, f64)]| contradicted_by(&eye("Sydney, AU", times), &nodes, &[]);
        assert_eq!(in_sydney(&[(0, 12.0), (2, 15.0)]), [0, 2]);
        assert!(in_sydney(&[(0, 12.0)]).is_empty());
        assert!(in_sydney(&[(0, 12.0), (1, 13.0)]).is_empty(), "one place");
        assert!(in_sydney(&[(0, 290.0), (2, 300.0)]).is_empty(), "that far");
        let mut vague = eye("Sydney, AU", &[(0, 12.0), (2, 15.0)]);
        vague.times[1].least_ms = None;
        assert!(
            contradicted_by(&vague, &nodes, &[]).is_empty(),
            "told in whole milliseconds"
        );
        let honest = eye("Sydney, AU", &[(0, 12.0), (2, 15.0)]);
        let wrong = ["paris".to_owned()];
        assert!(
            contradicted_by(&honest, &nodes, &wrong).is_empty(),
            "the node is elsewhere"
        );
    }
}
