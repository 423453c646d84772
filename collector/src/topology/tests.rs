use isochrone_base::clock::Clock;
use isochrone_chain::fixture::{FakeIndexer, Manner, world};
use isochrone_store::StoreOptions;

use super::*;

fn store() -> Store {
    Store::in_memory(StoreOptions::default()).unwrap()
}

fn targets(text: &str) -> Targets {
    Targets::parse(text, std::path::Path::new("targets.toml")).unwrap()
}

#[test]
fn copy_stays_when_a_worse_answer_comes_and_tells_of_the_failure() {
    let store = store();
    note_failure(&store, UnixMillis(1), "nobody there".to_owned()).unwrap();
    assert_eq!(kept(&store).unwrap(), None);
    let chain = world(3, 2).topology;
    let told = |at: u64| (UnixMillis(at), "here".to_owned());
    let copy = take(&store, chain.clone(), told(5), false).unwrap().unwrap();
    assert_eq!(kept(&store).unwrap().as_ref(), Some(&copy));
    let worse = take(&store, Topology::default(), told(6), false).unwrap();
    assert!(worse.is_err());
    note_failure(&store, UnixMillis(7), "timed out".to_owned()).unwrap();
    let after = kept(&store).unwrap().unwrap();
    assert_eq!((after.taken, &after.topology), (UnixMillis(5), &chain));
    assert_eq!(after.failed.unwrap().says, "timed out");
    let again = take(&store, chain, told(9), false).unwrap().unwrap();
    assert_eq!((again.taken, again.failed), (UnixMillis(9), None));
}

#[test]
fn nodes_of_chain_and_targets_are_joined_by_endpoint_and_new_hosts_wait() {
    let chain = world(2, 1).topology;
    let listed = targets(
        "[[node]]\nnode = \"one\"\nkind = \"argus\"\nurl = \"https://NODE-0-0.example.org/distributor\"\nworker = \"ada\"\n\
         place = \"Berlin, DE\"\n",
    );
    let waiting = waiting(&chain, &listed);
    assert_eq!(waiting.len(), 1);
    assert_eq!(
        waiting[0].endpoint.as_str(),
        "https://node-1-0.example.org/distributor/"
    );
    assert_eq!(waiting[0].asset.as_deref(), Some("2000"));
}

#[test]
fn indexer_of_ten_thousand_buckets_is_copied_and_kept() {
    let store = store();
    let indexer = FakeIndexer::start(world(200, 50).topology, Manner::Well);
    let client = isochrone_chain::client::Indexer::new::<&[u8]>(
        url::Url::parse(&indexer.url()).unwrap(),
        &[],
        isochrone_chain::client::TIMEOUT,
    );
    let topology = client.topology().unwrap();
    take(&store, topology, (Clock::system().wall(), indexer.url()), false)
        .unwrap()
        .unwrap();
    assert_eq!(kept(&store).unwrap().unwrap().topology.buckets().count(), 10_000);
    assert!(indexer.asked() <= 100, "{}", indexer.asked());
}
