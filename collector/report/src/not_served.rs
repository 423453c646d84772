//! Which nodes say that an object is in none of their buckets (421), as the log has it.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::roster::Roster;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{EndpointResult, FailureCause, Outcome};
use isochrone_proto::plan::TargetAddress;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Period, Rollup, Store, StoreError, Stored, Timing};

use crate::days;
use crate::kept::Within;
use crate::log::Window;
use crate::tiers::Fill;

/// What a node answered to requests for one object that it says it does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotServed {
    /// The object's number.
    pub object: String,
    /// So many answers 421 since it was last served.
    pub answers: u64,
    /// From so many vantages.
    pub vantages: u64,
    /// The newest.
    pub last: UnixMillis,
}

/// By node, of its newest object: those that answer 421 now. One that served the object since is left out.
///
/// # Errors
/// When the store failed.
pub fn from_store(
    store: &Store,
    roster: &Roster,
    window: impl Into<Within>,
    progress: &mut dyn FnMut(u64),
) -> Result<BTreeMap<String, NotServed>, StoreError> {
    let read = days::read(store, window, |_, _, _| Builder::default(), progress)?;
    Ok(read.filled.finish(roster))
}

/// Answers of one node about one object: whether it was a 421, and to whom.
type Answers = BTreeMap<(UnixMillis, ProbeId), bool>;

#[derive(Debug, Default)]
struct Builder(BTreeMap<TargetId, BTreeMap<String, Answers>>);

impl Fill for Builder {
    const TIMINGS: &'static [Timing] = &[];

    fn wants(check: Check) -> bool {
        check.is_asset()
    }

    fn add(&mut self, stored: &Stored, slots: Window) {
        for row in stored.batch.endpoints().filter(|row| slots.holds(row.slot)) {
            let Some((check, target)) = stored.plan.target_of(row.check) else {
                continue;
            };
            let (Outcome::Endpoint(outcome), true) = (&row.outcome, check.kind.check.is_asset()) else {
                continue;
            };
            let refused = match outcome.result {
                EndpointResult::Failed {
                    cause: FailureCause::Misdirected,
                    ..
                } => true,
                // HEAD answers from what the chain says: only a GET shows that it is served
                EndpointResult::Ok { .. } if check.kind.check == Check::AssetGet => false,
                _ => continue,
            };
            let TargetAddress::Endpoint {
                asset: Some(object), ..
            } = &target.address
            else {
                continue;
            };
            let answers = self
                .0
                .entry(target.id)
                .or_default()
                .entry(object.clone())
                .or_default();
            answers.insert((row.slot, stored.probe), refused);
        }
    }

    fn add_sums(&mut self, _: &Rollup, _: Period) {} // sums do not say which object
}

impl Builder {
    fn finish(self, roster: &Roster) -> BTreeMap<String, NotServed> {
        let mut found = BTreeMap::new();
        for (node, objects) in self.0 {
            let newest = |answers: &Answers| answers.last_key_value().map(|((at, _), _)| *at);
            let Some((object, answers)) = objects.into_iter().max_by_key(|(_, answers)| newest(answers))
            else {
                continue;
            };
            let served = answers
                .iter()
                .rev()
                .find(|(_, refused)| !**refused)
                .map(|((at, _), _)| *at);
            let since: Vec<_> = answers
                .iter()
                .filter(|((at, _), refused)| **refused && served.is_none_or(|served| *at > served))
                .map(|(key, _)| *key)
                .collect();
            let vantages: BTreeSet<ProbeId> = since.iter().map(|(_, probe)| *probe).collect();
            if let (Some((last, _)), Some(node)) = (since.last(), roster.node(node)) {
                found.insert(
                    node.name.clone(),
                    NotServed {
                        object,
                        answers: since.len() as u64,
                        vantages: vantages.len() as u64,
                        last: *last,
                    },
                );
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use isochrone_base::fixture::{self, DAY0, failed, good};
    use isochrone_proto::measurement::Phase;
    use isochrone_store::fixture::stored;

    use super::*;
    use crate::tiers::ALWAYS;

    /// What a node that is asked for object 1343 by two vantages is found to say: minute, vantage, and whether it is a 421.
    fn found(answers: &[(u64, &str, bool)]) -> BTreeMap<String, NotServed> {
        let roster = Roster::new(
            ["a", "b"].map(|name| fixture::probe(name, name, Some(1))),
            [fixture::node("tokyo", "ichiro")],
        );
        let mut builder = Builder::default();
        for (minute, probe, refused) in answers {
            let kind = "asset-get4".parse().unwrap();
            let mut plan = fixture::plan(&roster, fixture::probe_id(probe), &[kind]);
            for target in &mut plan.targets {
                if let TargetAddress::Endpoint { asset, .. } = &mut target.address {
                    *asset = Some("1343".to_owned());
                }
            }
            let check = fixture::check(&plan, TargetId::of_node("tokyo"), kind);
            let outcome = match refused {
                true => failed(Phase::Verify, FailureCause::Misdirected, Some(421)),
                false => good(5),
            };
            let slot = UnixMillis(DAY0 + minute * 60_000);
            builder.add(
                &stored(&Arc::new(plan), &[fixture::row(check, slot, outcome)]),
                ALWAYS,
            );
        }
        builder.finish(&roster)
    }

    #[test]
    fn node_that_answers_421_since_it_served_last_is_counted_from_then_on() {
        let found = found(&[
            (1, "a", true),
            (2, "a", false),
            (3, "a", true),
            (4, "b", true),
            (5, "a", true),
        ]);
        let expected = NotServed {
            object: "1343".to_owned(),
            answers: 3,
            vantages: 2,
            last: UnixMillis(DAY0 + 5 * 60_000),
        };
        assert_eq!(found, BTreeMap::from([("tokyo".to_owned(), expected)]));
    }

    #[test]
    fn node_that_serves_the_object_again_says_nothing() {
        assert!(found(&[(1, "a", true), (2, "b", false)]).is_empty());
        assert!(found(&[(1, "a", false)]).is_empty());
    }
}
