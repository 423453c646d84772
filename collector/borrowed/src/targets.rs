//! Which hosts are wanted: a file of a platform may hold results of anybody's.

use std::borrow::Cow;
use std::collections::HashMap;

/// The hosts that measurements are wanted of, each with what it is called here.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    hosts: HashMap<String, String>,
}

impl Targets {
    /// Hosts (names or addresses, without port) and what each is called here.
    pub fn new<H: AsRef<str>, N: Into<String>>(hosts: impl IntoIterator<Item = (H, N)>) -> Self {
        let hosts = hosts.into_iter();
        let hosts = hosts.map(|(host, name)| (plain(host.as_ref()).into_owned(), name.into()));
        Self {
            hosts: hosts.collect(),
        }
    }

    /// What `host` is called here; `None`: nobody asked for it.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&str> {
        match self.hosts.get(host) {
            Some(name) => Some(name),
            None => self.hosts.get(&*plain(host)).map(String::as_str),
        }
    }
}

/// A host as it is compared: in small letters, without the dot of its root and without the brackets of IPv6.
fn plain(host: &str) -> Cow<'_, str> {
    let host = host.trim_end_matches('.');
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    }
}

/// The host of a URL of HTTP as hosts are compared and kept: in small letters, without the root's dot; `None`: it has none.
#[must_use]
pub fn host_as_kept(url: &str) -> Option<String> {
    host_of(url).map(|host| plain(host).into_owned())
}

/// The host of a URL of HTTP as platforms write it; `None`: it has none.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?.0,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_found_however_it_is_written_and_no_other() {
        let targets = Targets::new([("Node.Example.org", "berlin"), ("2001:db8::1", "tokyo")]);
        for host in ["node.example.org", "NODE.example.ORG", "node.example.org."] {
            assert_eq!(targets.find(host), Some("berlin"), "{host}");
        }
        assert_eq!(targets.find("[2001:DB8::1]"), Some("tokyo"));
        for host in ["", "example.org", "node.example.org.evil.example", "2001:db8::2"] {
            assert_eq!(targets.find(host), None, "{host}");
        }
        assert_eq!(Targets::default().find("node.example.org"), None);
    }

    #[test]
    fn host_of_a_url_is_found_with_port_user_and_brackets_and_without() {
        assert_eq!(
            host_of("https://node.example.org/distributor/"),
            Some("node.example.org")
        );
        assert_eq!(host_of("http://node.example.org:80?q"), Some("node.example.org"));
        assert_eq!(
            host_of("https://user:word@node.example.org:443/a@b"),
            Some("node.example.org")
        );
        assert_eq!(host_of("https://[2001:db8::1]:443/"), Some("2001:db8::1"));
        assert_eq!(
            host_as_kept("https://Node.example.org.:8443/").as_deref(),
            Some("node.example.org")
        );
        for none in ["node.example.org", "https:///path", "https://[2001:db8::1", ""] {
            assert_eq!(host_of(none), None, "{none}");
        }
    }
}
