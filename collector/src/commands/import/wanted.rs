//! Of which hosts results of public platforms are wanted.

use isochrone_borrowed::{Platform, Vantage};
use isochrone_planner::targets::Targets;
use isochrone_store::borrowed::BorrowedVantage;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Of which hosts results are wanted, and who may have measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// Nodes first, in the order of their file.
    pub(crate) hosts: Vec<WantedHost>,
    /// Vantages of earlier imports, as they were described then.
    pub(crate) vantages: Vec<Vantage>,
}

/// The host of some nodes and candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WantedHost {
    /// A name or an address, in small letters.
    pub(crate) host: String,
    /// What stands there.
    pub(crate) names: Vec<String>,
}

impl Wanted {
    /// The hosts of nodes and candidates.
    pub(crate) fn of(targets: &Targets) -> Self {
        let nodes = targets.nodes.iter().map(|node| (&node.url, &node.name));
        let candidates = targets.candidates.iter();
        let candidates = candidates.map(|candidate| (&candidate.url, &candidate.name));
        let mut hosts: Vec<WantedHost> = Vec::new();
        for (url, name) in nodes.chain(candidates) {
            let Some(host) = host_of(url) else { continue };
            match hosts.iter_mut().find(|known| known.host == host) {
                Some(known) => known.names.push(name.clone()),
                None => hosts.push(WantedHost {
                    host,
                    names: vec![name.clone()],
                }),
            }
        }
        Self {
            hosts,
            vantages: Vec::new(),
        }
    }

    pub(super) fn with_vantages(mut self, vantages: Vec<BorrowedVantage>, of: Platform) -> Self {
        let vantages = vantages.into_iter().map(|known| known.vantage);
        self.vantages = vantages.filter(|vantage| vantage.platform == of).collect();
        self
    }
}

/// A URL's host as platforms write it: without brackets, without the dot of the root.
fn host_of(url: &Url) -> Option<String> {
    Some(match url.host()? {
        Host::Domain(name) => name.trim_end_matches('.').to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn host_is_wanted_once_with_all_that_stands_there_and_candidates_are() {
        let text = r#"
            node = [
                { node = "a", kind = "http", url = "https://Node.example.org.:8443/x", worker = "w", place = "Berlin, DE" },
                { node = "b", kind = "http", url = "https://[2001:DB8::1]/", worker = "w", place = "Berlin, DE" },
                { node = "c", kind = "http", url = "http://node.example.org/", worker = "w", place = "Berlin, DE" },
            ]
            candidate = [{ name = "d", url = "https://test.example.net/", place = "Nairobi, KE" }]
        "#;
        let wanted = Wanted::of(&Targets::parse(text, Path::new("targets.toml")).unwrap());
        let hosts = wanted
            .hosts
            .iter()
            .map(|host| (host.host.as_str(), host.names.join(" ")));
        assert_eq!(
            hosts.collect::<Vec<_>>(),
            [
                ("node.example.org", "a c".to_owned()),
                ("2001:db8::1", "b".to_owned()),
                ("test.example.net", "d".to_owned())
            ]
        );
    }
}
