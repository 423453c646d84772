//! Where the hosts of nodes and candidates were last seen.

use std::collections::BTreeMap;
use std::net::IpAddr;

use url::Url;

/// Where each host was last seen, for the rate of a prefix. A host that was never resolved counts for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPrefixes(BTreeMap<String, IpAddr>);

impl HostPrefixes {
    /// Notes where `host` is.
    pub(crate) fn note(&mut self, host: &str, address: IpAddr) {
        self.0.insert(host.to_owned(), address);
    }

    pub(super) fn address(&self, url: &Url) -> Option<IpAddr> {
        match url.host()? {
            url::Host::Ipv4(address) => Some(address.into()),
            url::Host::Ipv6(address) => Some(address.into()),
            url::Host::Domain(name) => self.0.get(name).copied(),
        }
    }
}
