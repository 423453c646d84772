//! Nodes that were taken out of `targets.toml`: what was measured of them stays in the log, and reports still
//! need their names, workers and places.

use isochrone_base::roster::NodeEntry;
use isochrone_store::{Records, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::targets::Targets;

/// A node as it stood in `targets.toml` last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KnownNode {
    url: String,
    worker: Option<String>,
    place: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    country: Option<String>,
    network: Option<u32>,
}

impl KnownNode {
    fn of(node: &NodeEntry) -> Self {
        Self {
            url: node.url.clone(),
            worker: node.worker.clone(),
            place: node.place.clone(),
            latitude: node.latitude,
            longitude: node.longitude,
            country: node.country.clone(),
            network: node.network,
        }
    }

    fn removed(self, name: String) -> NodeEntry {
        NodeEntry {
            id: isochrone_proto::ids::TargetId::of_node(&name),
            name,
            url: self.url,
            worker: self.worker,
            place: self.place,
            latitude: self.latitude,
            longitude: self.longitude,
            country: self.country,
            network: self.network,
            paused: false,
            removed: true,
            interval: None,
        }
    }
}

fn records(store: &Store) -> Records<KnownNode> {
    Records::new(store.clone(), "nodes")
}

/// Keeps what the store does not know yet of the nodes in force.
///
/// # Errors
/// When the store failed.
pub fn note(store: &Store, targets: &Targets) -> Result<(), StoreError> {
    let records = records(store);
    store.write_if(|transaction| {
        let mut is_changed = false;
        for node in targets.nodes.iter().map(NodeEntry::from) {
            let known = KnownNode::of(&node);
            if records.get_in(transaction, &node.name)?.as_ref() != Some(&known) {
                records.put_in(transaction, &node.name, &known)?;
                is_changed = true;
            }
        }
        Ok(((), is_changed))
    })
}

/// Every node that was in force once and is not any more.
///
/// # Errors
/// When the store failed.
pub fn removed(store: &Store, targets: &Targets) -> Result<Vec<NodeEntry>, StoreError> {
    let is_listed = |name: &str| targets.nodes.iter().any(|node| node.name == name);
    let known = records(store).list()?.into_iter();
    Ok(known
        .filter(|(name, _)| !is_listed(name))
        .map(|(name, node)| node.removed(name))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use isochrone_store::StoreOptions;

    use super::*;

    #[test]
    fn removed_node_keeps_its_name_worker_and_place() {
        let store = Store::in_memory(StoreOptions::default()).unwrap();
        let targets = |names: &[&str]| {
            let node = |name: &&str| {
                format!(
                    "[[node]]\nnode = \"{name}\"\nkind = \"http\"\nurl = \"https://{name}.example.org/\"\n\
                     worker = \"ada\"\nplace = \"Berlin, DE\"\n"
                )
            };
            let text: String = names.iter().map(node).collect();
            Targets::parse(&text, Path::new("targets.toml")).unwrap()
        };
        note(&store, &targets(&["tokyo", "lima"])).unwrap();
        assert!(removed(&store, &targets(&["tokyo", "lima"])).unwrap().is_empty());

        let left = targets(&["lima"]);
        note(&store, &left).unwrap();
        let former = removed(&store, &left).unwrap();
        assert_eq!(former.len(), 1);
        assert!(former[0].removed);
        assert_eq!(
            (
                former[0].name.as_str(),
                former[0].worker.as_deref(),
                former[0].place.as_str()
            ),
            ("tokyo", Some("ada"), "Berlin, DE")
        );
        assert!(
            removed(&store, &targets(&["lima", "tokyo"])).unwrap().is_empty(),
            "it is back"
        );
    }
}
