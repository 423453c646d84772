//! A node's public base URL, and when two spellings are one node.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// A base URL as it identifies a node: host in lower case, no port where it is the usual one, one slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoint(String);

impl Endpoint {
    /// From a URL as people write it; `None` where it is none of the web, or holds a name, a query or a fragment.
    #[must_use]
    pub fn of(written: &str) -> Option<Self> {
        let url = Url::parse(written.trim()).ok()?;
        let is_web =
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        (is_web && is_bare).then(|| Self(format!("{}/", url.as_str().trim_end_matches('/'))))
    }

    /// As it identifies the node.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is read in clear by others than this machine: browsers take loopback for safe.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let is_loopback = Url::parse(&self.0).is_ok_and(|url| match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(_)) | None => false,
        });
        self.0.starts_with("http://") && !is_loopback
    }

    /// Its host, with the port where it is not the usual one.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_node_are_one_endpoint() {
        let one = Endpoint::of("https://node.example.org/distributor/");
        assert!(one.is_some());
        for spelling in [
            "https://node.example.org/distributor",
            "HTTPS://Node.Example.ORG:443/distributor/",
            " https://node.example.org/distributor//",
        ] {
            assert_eq!(Endpoint::of(spelling), one, "{spelling}");
        }
        assert_ne!(Endpoint::of("http://node.example.org/distributor/"), one);
        assert_eq!(one.unwrap().host(), "node.example.org");
        let plain = |url: &str| Endpoint::of(url).unwrap().is_plain();
        assert!(plain("http://node.example.org/") && plain("http://203.0.113.7/"));
        assert!(
            !plain("https://node.example.org/")
                && !plain("http://127.0.0.1:8080/")
                && !plain("http://[::1]/")
        );
    }

    #[test]
    fn what_nobody_can_ask_is_none() {
        for text in [
            "",
            "node.example.org",
            "ftp://node.example.org/",
            "https://",
            "https://name:secret@node.example.org/",
            "https://node.example.org/?a=1",
            "https://node.example.org/#a",
            "<script>alert(1)</script>",
        ] {
            assert_eq!(Endpoint::of(text), None, "{text}");
        }
    }
}
