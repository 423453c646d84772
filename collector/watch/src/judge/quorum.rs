//! Whether the judges are enough to say "down", or "up again". Pure counting over one node and family.

/// One judge's fresh word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vote {
    /// Its network; unknown ones count as one network together.
    pub(super) network: Option<u32>,
    /// It says "down".
    pub(super) is_red: bool,
    /// It said the same at least twice in a row.
    pub(super) is_twice: bool,
}

/// Judges of one network.
#[derive(Clone, Copy, Debug)]
struct Network {
    number: Option<u32>,
    judges: usize,
    reds: usize,
    red_twice: bool,
    green_twice: bool,
}

/// All judges, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    networks: Vec<Network>,
    judges: usize,
    reds: usize,
    reds_twice: usize,
    greens_twice: usize,
}

/// Networks an outage needs, where the mesh has them.
const NETWORKS: usize = 2;
/// Judges it needs in any case.
const JUDGES: usize = 2;
/// So many reds are asked of a small mesh even where two thirds are fewer.
const REDS_OF_A_FEW: usize = 4;

impl Count {
    pub(super) fn clear(&mut self) {
        self.networks.clear();
        (self.judges, self.reds, self.reds_twice, self.greens_twice) = (0, 0, 0, 0);
    }

    pub(super) fn add(&mut self, vote: Vote) {
        self.judges += 1;
        let (red, twice) = (vote.is_red, vote.is_twice);
        self.reds += usize::from(red);
        self.reds_twice += usize::from(red && twice);
        self.greens_twice += usize::from(!red && twice);
        let place = self.networks.iter().position(|of| of.number == vote.network);
        let place = place.unwrap_or_else(|| {
            self.networks.push(Network {
                number: vote.network,
                judges: 0,
                reds: 0,
                red_twice: false,
                green_twice: false,
            });
            self.networks.len() - 1
        });
        let network = &mut self.networks[place];
        network.judges += 1;
        network.reds += usize::from(red);
        network.red_twice |= red && twice;
        network.green_twice |= !red && twice;
    }

    pub(super) fn judges(&self) -> usize {
        self.judges
    }

    pub(super) fn reds(&self) -> usize {
        self.reds
    }

    pub(super) fn networks(&self) -> usize {
        self.networks.len()
    }

    /// How many reds "down" needs of these judges.
    pub(super) fn reds_needed(&self) -> usize {
        two_thirds(self.judges)
            .max(self.judges.min(REDS_OF_A_FEW))
            .max(JUDGES)
    }

    /// Up → down. `networks_there`: networks that can judge now; with one only, two judges of it do.
    pub(super) fn is_down(&self, networks_there: usize) -> bool {
        if self.reds < self.reds_needed() {
            return false;
        }
        if networks_there < NETWORKS {
            return self.reds_twice >= JUDGES;
        }
        let red = self.networks.iter().filter(|of| of.reds * 2 > of.judges).count();
        let twice = self.networks.iter().filter(|of| of.red_twice).count();
        red >= two_thirds(self.networks.len()).max(NETWORKS) && twice >= NETWORKS
    }

    /// Down → up. `judges_there`: judges that could be there at most; a lone one is believed in the end.
    pub(super) fn is_up(&self, networks_there: usize, judges_there: usize) -> bool {
        if self.judges == 0 || self.reds * 3 > self.judges {
            return false;
        }
        if networks_there < NETWORKS {
            return self.greens_twice >= JUDGES.min(judges_there.max(1));
        }
        self.networks.iter().filter(|of| of.green_twice).count() >= NETWORKS
    }

    /// Whether a verdict is possible at all: two judges, of two networks where there are two.
    pub(super) fn is_possible(&self, networks_there: usize) -> bool {
        self.judges >= JUDGES && self.networks.len() >= NETWORKS.min(networks_there)
    }
}

fn two_thirds(of: usize) -> usize {
    (2 * of).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn vote(network: u32, is_red: bool, is_twice: bool) -> Vote {
        Vote {
            network: Some(network),
            is_red,
            is_twice,
        }
    }

    fn count(votes: &[Vote]) -> Count {
        let mut count = Count::default();
        votes.iter().for_each(|vote| count.add(*vote));
        count
    }

    /// `reds` of `judges`, each in a network of its own, each twice.
    fn reds_of(reds: u32, judges: u32) -> Count {
        let votes: Vec<_> = (0..judges).map(|at| vote(at, at < reds, true)).collect();
        count(&votes)
    }

    #[test]
    fn down_needs_two_thirds_of_the_judges_but_four_where_there_are_four() {
        for (judges, needed) in [
            (2, 2),
            (3, 3),
            (4, 4),
            (5, 4),
            (6, 4),
            (7, 5),
            (9, 6),
            (10, 7),
            (20, 14),
        ] {
            assert!(
                reds_of(needed, judges).is_down(judges as usize),
                "{needed} of {judges}"
            );
            assert!(
                !reds_of(needed - 1, judges).is_down(judges as usize),
                "{} of {judges}",
                needed - 1
            );
        }
    }

    #[test]
    fn one_judge_is_never_enough() {
        assert!(!reds_of(1, 1).is_down(1));
    }

    #[test]
    fn one_network_of_several_never_says_down_however_many_probes_it_has() {
        let mut votes = vec![vote(1, true, true); 6];
        votes.extend([vote(2, true, true), vote(3, false, true)]);
        assert!(count(&votes).is_down(3), "two networks of three are red");
        votes[6].is_red = false;
        assert!(
            !count(&votes).is_down(3),
            "six of eight judges, but of one network"
        );
    }

    #[test]
    fn network_is_red_only_by_its_own_majority() {
        let votes = [
            vote(1, true, true),
            vote(1, true, true),
            vote(1, true, true),
            vote(2, true, true),
            vote(2, false, true),
        ];
        assert!(
            !count(&votes).is_down(2),
            "one of two is no majority of network 2"
        );
    }

    #[test]
    fn down_needs_judges_of_two_networks_that_failed_twice_in_a_row() {
        let mut votes = [vote(1, true, true), vote(2, true, false), vote(3, true, false)];
        assert!(!count(&votes).is_down(3));
        votes[2].is_twice = true;
        assert!(count(&votes).is_down(3));
    }

    #[test]
    fn mesh_of_one_network_needs_two_judges_that_failed_twice() {
        let votes = [vote(1, true, true), vote(1, true, true)];
        assert!(count(&votes).is_down(1));
        assert!(!count(&votes).is_down(2), "a second network could judge");
        assert!(!count(&[votes[0], vote(1, true, false)]).is_down(1));
    }

    #[test]
    fn up_needs_at_most_a_third_red_and_two_networks_with_two_answers() {
        let up = [vote(1, false, true), vote(2, false, true), vote(3, true, true)];
        assert!(count(&up).is_up(3, 3));
        let half = [vote(1, false, true), vote(2, true, true)];
        assert!(!count(&half).is_up(2, 2));
        let once = [vote(1, false, true), vote(2, false, false)];
        assert!(!count(&once).is_up(2, 2), "one answer is not two");
    }

    #[test]
    fn no_judge_left_never_says_up() {
        assert!(!Count::default().is_up(0, 9));
        assert!(!Count::default().is_up(0, 0));
    }

    fn votes() -> impl Strategy<Value = Vec<Vote>> {
        let one = (
            prop::option::of(1u32..5),
            prop::bool::weighted(0.7),
            any::<bool>(),
        );
        prop::collection::vec(
            one.prop_map(|(network, is_red, is_twice)| Vote {
                network,
                is_red,
                is_twice,
            }),
            0..14,
        )
    }

    /// The rule as the design words it, counted from the ground up.
    fn oracle_down(votes: &[Vote], networks_there: usize) -> bool {
        let judges = votes.len() as f64;
        let reds: Vec<_> = votes.iter().filter(|vote| vote.is_red).collect();
        let most = (2.0 * judges / 3.0).ceil().max(judges.min(4.0));
        if (reds.len() as f64) < most || reds.len() < 2 {
            return false;
        }
        let twice: Vec<_> = reds.iter().filter(|vote| vote.is_twice).collect();
        if networks_there < 2 {
            return twice.len() >= 2;
        }
        let mut by_network: BTreeMap<Option<u32>, (usize, usize)> = BTreeMap::new();
        for vote in votes {
            let of = by_network.entry(vote.network).or_default();
            of.0 += usize::from(vote.is_red);
            of.1 += 1;
        }
        let red = by_network
            .values()
            .filter(|(red, all)| *red as f64 > *all as f64 / 2.0)
            .count();
        let of_twice: BTreeSet<_> = twice.iter().map(|vote| vote.network).collect();
        red as f64 >= (2.0 * by_network.len() as f64 / 3.0).ceil() && red >= 2 && of_twice.len() >= 2
    }

    fn oracle_up(votes: &[Vote], networks_there: usize, judges_there: usize) -> bool {
        let reds = votes.iter().filter(|vote| vote.is_red).count();
        if votes.is_empty() || reds as f64 > votes.len() as f64 / 3.0 {
            return false;
        }
        let good: Vec<_> = votes
            .iter()
            .filter(|vote| !vote.is_red && vote.is_twice)
            .collect();
        let of: BTreeSet<_> = good.iter().map(|vote| vote.network).collect();
        if networks_there < 2 {
            good.len() >= 2 || (judges_there <= 1 && !good.is_empty())
        } else {
            of.len() >= 2
        }
    }

    proptest! {
        #[test]
        fn any_votes_give_the_oracles_verdict(votes in votes(), more in 0usize..3) {
            let count = count(&votes);
            let there = count.networks() + more;
            prop_assert_eq!(count.is_down(there), oracle_down(&votes, there));
            prop_assert_eq!(
                count.is_up(there, votes.len() + more),
                oracle_up(&votes, there, votes.len() + more)
            );
        }

        #[test]
        fn no_votes_are_down_and_up_at_once(votes in votes()) {
            let count = count(&votes);
            let there = count.networks();
            prop_assert!(!(count.is_down(there) && count.is_up(there, votes.len())));
        }

        #[test]
        fn one_more_red_never_turns_down_into_not_down_in_its_own_network(votes in votes()) {
            let before = count(&votes);
            let there = before.networks();
            prop_assume!(before.is_down(there));
            let network = votes.iter().find(|vote| vote.is_red).unwrap().network;
            let mut more = votes.clone();
            more.push(Vote { network, is_red: true, is_twice: true });
            prop_assert!(count(&more).is_down(there));
        }
    }
}
