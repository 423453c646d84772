//! Whether a borrowed eye can stand where it says.

use super::{APART_KM, LEAST_WITNESSES, SLACK_KM};
use crate::light::most_km;
use crate::observations::{Eye, EyeTime, Node};

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
