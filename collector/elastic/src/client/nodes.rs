//! Which node is asked next: each in turn, and those that did not answer only after a while.

use std::time::Duration;

use tokio::time::Instant;

/// The nodes of a cluster, by their place in the settings.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    turn: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// How often it did not answer in a row.
    failures: u32,
    /// It is asked again from then on, if others answer.
    until: Option<Instant>,
}

impl Nodes {
    /// `count` nodes, all of them well; at least one.
    pub(super) fn new(count: usize) -> Self {
        Self {
            nodes: vec![Node::default(); count.max(1)],
            turn: 0,
        }
    }

    /// The nodes in the order in which they are to be asked: who is well in turn, then the others, the one that may come
    /// back first before the rest.
    pub(super) fn order(&mut self, now: Instant) -> Vec<usize> {
        let count = self.nodes.len();
        let turn = self.turn;
        self.turn = (turn + 1) % count;
        let mut order: Vec<usize> = (0..count).map(|step| (turn + step) % count).collect();
        order.sort_by_key(|&at| self.nodes[at].until.filter(|until| *until > now)); // stable: `None` first
        order
    }

    /// It answered, whatever it said.
    pub(super) fn answered(&mut self, at: usize) {
        self.nodes[at] = Node::default();
    }

    /// It did not answer: it is set aside, for longer each time.
    pub(super) fn failed(&mut self, at: usize, now: Instant) {
        let node = &mut self.nodes[at];
        let aside = ASIDE.saturating_mul(1 << node.failures.min(16)).min(ASIDE_MAX);
        node.failures = node.failures.saturating_add(1);
        node.until = Some(now + aside);
    }
}

/// For how long a node is set aside the first time.
const ASIDE: Duration = Duration::from_secs(5);
/// And at most.
const ASIDE_MAX: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nodes_take_turns_and_dead_ones_come_last() {
        let now = isochrone_base::clock::Clock::system().now();
        let mut nodes = Nodes::new(3);
        assert_eq!(nodes.order(now), [0, 1, 2]);
        assert_eq!(nodes.order(now), [1, 2, 0]);
        nodes.failed(2, now);
        assert_eq!(nodes.order(now), [0, 1, 2]);
        nodes.failed(0, now + Duration::from_secs(1));
        assert_eq!(nodes.order(now + Duration::from_secs(1)), [1, 2, 0]);
        assert_eq!(nodes.order(now + Duration::from_secs(7)), [1, 2, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn node_is_set_aside_longer_each_time_and_well_with_its_first_answer() {
        let now = isochrone_base::clock::Clock::system().now();
        let mut nodes = Nodes::new(2);
        let aside = |nodes: &Nodes| nodes.nodes[0].until.unwrap() - now;
        nodes.failed(0, now);
        assert_eq!(aside(&nodes), ASIDE);
        nodes.failed(0, now);
        assert_eq!(aside(&nodes), ASIDE * 2);
        for _ in 0..40 {
            nodes.failed(0, now);
        }
        assert_eq!(aside(&nodes), ASIDE_MAX);
        nodes.answered(0);
        assert_eq!(nodes.nodes[0].until, None);
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_dead_the_first_to_come_back_is_asked() {
        let now = isochrone_base::clock::Clock::system().now();
        let mut nodes = Nodes::new(2);
        nodes.failed(1, now);
        nodes.failed(0, now + Duration::from_secs(2));
        assert_eq!(nodes.order(now + Duration::from_secs(3)), [1, 0]);
    }
}
