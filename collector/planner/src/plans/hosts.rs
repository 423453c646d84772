//! Where the hosts of nodes and candidates are, so that the rate of a prefix counts all of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::{LOOK, Plans};

/// How long a name server may take.
const LOOKUP: Duration = Duration::from_secs(2);

impl Plans {
    /// Looks the hosts up again now and then, and when the targets change. Slow name servers hold nobody up.
    pub(super) async fn keep_resolved(&self) {
        let mut targets = self.0.parts.targets.clone();
        loop {
            tokio::select! {
                biased;
                Ok(()) = targets.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            if self.resolve_hosts().await {
                self.0.outdated.notify_one();
            }
        }
    }

    /// Looks up where the hosts are, all at once, so that the rate of a prefix counts all of them. A host
    /// that is not found in time keeps its last place. Says whether anything moved.
    pub(super) async fn resolve_hosts(&self) -> bool {
        let targets = Arc::clone(&self.0.parts.targets.borrow());
        let before = self.state().prefixes.clone();
        let nodes = targets.nodes.iter().filter(|node| !node.paused);
        let candidates = targets.candidates.iter().map(|candidate| &candidate.url);
        let lookups = nodes.map(|node| &node.url).chain(candidates).map(|url| async {
            let Some(url::Host::Domain(host)) = url.host() else {
                return;
            };
            let lookup = tokio::net::lookup_host((host, url.port_or_known_default().unwrap_or(443)));
            if let Ok(Ok(found)) = tokio::time::timeout(LOOKUP, lookup).await
                && let Some(address) = found.min()
            {
                self.state().prefixes.note(host, address.ip());
            }
        });
        join_all(lookups).await;
        self.state().prefixes != before
    }
}
