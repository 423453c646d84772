//! What is measured less than was asked, in words for the page.

use isochrone_base::words::{count, nodes_and_candidates};
use isochrone_planner::draft::{Fewer, LeftOut, Limits, Refused, Stretch, Withheld};
use isochrone_proto::limits::{ENDPOINT_RATE_MAX, PLAN_CHECKS_MAX};

/// A sentence for each kind of limit that holds now.
#[must_use]
pub(crate) fn plan_notices(limits: &Limits) -> Vec<String> {
    let (peers, nodes): (Vec<&Stretch>, Vec<&Stretch>) =
        limits.stretches.iter().partition(|stretch| stretch.is_peer);
    let mut texts: Vec<String> = nodes.into_iter().map(node_stretched).collect();
    texts.extend(peers_stretched(&peers));
    texts.extend(fewer(&limits.fewer));
    texts.extend(left_out(&limits.left_out));
    texts.extend(withheld(&limits.withheld));
    texts.extend(refused(&limits.refused));
    texts
}

fn node_stretched(stretch: &Stretch) -> String {
    format!(
        "{} is checked {:.1} times less often than asked: the whole fleet would have sent {:.1} requests a second to its host or network, and {} are allowed.",
        stretch.target, stretch.factor, stretch.asked, stretch.allowed
    )
}

fn peers_stretched(peers: &[&Stretch]) -> Option<String> {
    let most = peers.iter().max_by(|a, b| a.factor.total_cmp(&b.factor))?;
    let who = if peers.len() == 1 {
        "1 probe is".to_owned()
    } else {
        format!("{} probes are", peers.len())
    };
    Some(format!(
        "{who} echoed less often than asked, {} by {:.1} times: the whole mesh would have sent {:.1} echoes a second to its address or network, and {} are allowed. A longer `echo_interval` in collector.toml ends this.",
        most.target, most.factor, most.asked, most.allowed
    ))
}

fn fewer(nodes: &[Fewer]) -> Option<String> {
    let first = nodes.first()?;
    let who = if nodes.len() == 1 {
        format!("{} is", first.node)
    } else {
        format!("{} nodes are", nodes.len())
    };
    let least = nodes.iter().map(|node| node.vantages).min()?;
    Some(format!(
        "{who} checked by fewer probes than there are (by {least} of {}), spread over the networks: more would ask them more often than `connect_per_minute` in collector.toml allows at the interval asked.",
        first.probes
    ))
}

/// What the plans have no room for, and what to do about it.
pub(crate) fn left_out(probes: &[LeftOut]) -> Option<String> {
    let most = probes.iter().max_by_key(|left_out| left_out.checks)?;
    let who = if probes.len() == 1 {
        "The plan of 1 probe is".to_owned()
    } else {
        format!("The plans of {} probes are", probes.len())
    };
    Some(format!(
        "{who} full: {} does not check {} ({}). A plan holds {PLAN_CHECKS_MAX} checks, of which {ENDPOINT_RATE_MAX} a second may ask nodes. Remove nodes or candidates, or give nodes a longer interval.",
        most.probe,
        nodes_and_candidates(most.nodes, most.candidates),
        count(most.checks, "check")
    ))
}

fn withheld(probes: &[Withheld]) -> Option<String> {
    let first = probes.first()?;
    let kinds: Vec<String> = first.kinds.iter().map(ToString::to_string).collect();
    let others = match probes.len() - 1 {
        0 => String::new(),
        1 => " (and 1 other probe)".to_owned(),
        others => format!(" (and {others} other probes)"),
    };
    Some(format!(
        "{}{others} does not measure {}: its release does not know it. Update it.",
        first.probe,
        kinds.join(", ")
    ))
}

fn refused(plans: &[Refused]) -> Option<String> {
    let first = plans.first()?;
    let others = match plans.len() - 1 {
        0 => String::new(),
        others => format!(" (and those of {})", count(others, "other probe")),
    };
    Some(format!(
        "The plan of {}{others} with {} is not issued, for the probe would refuse it: {}. The plan before it stays in force. Remove nodes, or give them a longer interval.",
        first.probe,
        count(first.checks, "check"),
        first.reason
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_told_once_with_its_numbers() {
        let fewer = |node: &str| Fewer {
            node: node.to_owned(),
            vantages: 20,
            probes: 25,
        };
        let limits = Limits {
            stretches: vec![],
            fewer: vec![fewer("berlin"), fewer("oslo")],
            left_out: vec![LeftOut {
                probe: "ada-1".to_owned(),
                nodes: 7,
                candidates: 1,
                checks: 42,
            }],
            withheld: vec![Withheld {
                probe: "bob-1".to_owned(),
                kinds: vec!["connect4".parse().unwrap(), "connect6".parse().unwrap()],
            }],
            refused: vec![Refused {
                probe: "eve-1".to_owned(),
                checks: 27_000,
                reason: "plan has 27000 checks".to_owned(),
            }],
        };
        let texts = plan_notices(&limits);
        assert_eq!(texts.len(), 4);
        assert!(
            texts[3].contains("eve-1")
                && texts[3].contains("27000 checks")
                && texts[3].contains("Remove nodes"),
            "{}",
            texts[3]
        );
        assert!(
            texts[0].contains("2 nodes are") && texts[0].contains("20 of 25"),
            "{}",
            texts[0]
        );
        assert!(
            texts[1].contains("ada-1 does not check 7 nodes and 1 candidate (42 checks)"),
            "{}",
            texts[1]
        );
        assert_eq!(
            texts[2],
            "bob-1 does not measure connect4, connect6: its release does not know it. Update it."
        );
        assert!(plan_notices(&Limits::default()).is_empty());
    }
}
