//! The URL of an endpoint, checked once: http or https, a host, no credentials, no fragment.

use std::net::IpAddr;

use url::{Host, Url};

/// A URL that can be measured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointUrl(Url);

/// Why a text is not the URL of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// It is no URL at all.
    #[error("{text:?} is not a URL; write it like https://node.example.org/distributor/")]
    Syntax {
        /// What was given.
        text: String,
        /// What the parser says.
        #[source]
        source: url::ParseError,
    },
    /// Another scheme than http or https.
    #[error("{text:?} starts with {scheme:?}; only http and https can be measured")]
    Scheme {
        /// What was given.
        text: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// A user name or password inside.
    #[error("the URL holds a user name or password; remove it, it would be stored and shown")]
    Credentials,
    /// A fragment inside.
    #[error("{text:?} holds a fragment (#…), which no server ever sees; remove it")]
    Fragment {
        /// What was given.
        text: String,
    },
    /// Port 0, which nothing can listen on.
    #[error("{text:?} names port 0, where nothing can listen; name another")]
    Port {
        /// What was given.
        text: String,
    },
    /// A query in the base URL of an Argus node.
    #[error("{text:?} holds a query (?…); Argus answers 400 to any, remove it")]
    Query {
        /// What was given.
        text: String,
    },
}

/// Something odd about a URL that is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lint {
    /// An Argus base URL without its last slash: it works here, but tools that join texts call the node dead.
    MissingTrailingSlash,
    /// It was given without a scheme, https was asked, and TLS failed.
    HttpsAssumed,
    /// It was given as a page, and is the base URL of an Argus node.
    ArgusUnasked,
}

impl Lint {
    /// The words for a reader.
    pub fn words(self) -> &'static str {
        match self {
            Self::MissingTrailingSlash => {
                "the base URL lacks its trailing slash; tools that join texts will call this node dead"
            }
            Self::HttpsAssumed => {
                "the target names no scheme, so https was asked; if it speaks plain HTTP, write http:// before it"
            }
            Self::ArgusUnasked => {
                "this is the base URL of an Argus node, which answers 404 there: its status was asked for, as with --argus"
            }
        }
    }
}

impl EndpointUrl {
    /// Parses the URL of a page.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let text = text.trim();
        let url = Url::parse(text).map_err(|source| BadUrl::Syntax {
            text: text.to_owned(),
            source,
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme {
                text: text.to_owned(),
                scheme: url.scheme().to_owned(),
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(BadUrl::Fragment {
                text: text.to_owned(),
            });
        }
        if url.port() == Some(0) {
            return Err(BadUrl::Port {
                text: text.to_owned(),
            });
        }
        Ok(Self(url))
    }

    /// Parses the base URL of an Argus node: additionally without a query.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub(crate) fn parse_base(text: &str) -> Result<Self, BadUrl> {
        let url = Self::parse(text)?;
        if url.0.query().is_some() {
            return Err(BadUrl::Query {
                text: text.trim().to_owned(),
            });
        }
        Ok(url)
    }

    /// The path under this base, joined with exactly one slash; a query of the base is dropped.
    pub fn join(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_query(None);
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
        Self(url)
    }

    /// What is odd about it as the base URL of a node. (A URL without any path gets its slash from every
    /// parser, so `https://host` is not odd.)
    pub(crate) fn base_lints(&self) -> Vec<Lint> {
        if self.0.path().ends_with('/') {
            Vec::new()
        } else {
            vec![Lint::MissingTrailingSlash]
        }
    }

    /// Whether the check speaks TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The port, given or by the scheme.
    pub fn port(&self) -> u16 {
        self.0
            .port_or_known_default()
            .unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// The address, if the URL holds one instead of a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        }
    }

    /// The host as a name, or as an address without brackets.
    pub fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        }
    }

    /// What belongs into the `Host` header: with the port unless it is the scheme's own.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Path and query: what the request line asks for.
    pub(crate) fn request_target(&self) -> String {
        match self.0.query() {
            Some(query) => format!("{}?{query}", self.0.path()),
            None => self.0.path().to_owned(),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base_with_or_without_slashes_joins_with_exactly_one() {
        for base in [
            "https://h/distributor",
            "https://h/distributor/",
            "https://h/distributor//",
        ] {
            let joined = EndpointUrl::parse_base(base).unwrap().join("/api/v1/status");
            assert_eq!(joined.as_str(), "https://h/distributor/api/v1/status", "{base}");
        }
        assert_eq!(
            EndpointUrl::parse_base("https://h").unwrap().join("a").as_str(),
            "https://h/a"
        );
    }

    #[test]
    fn base_without_trailing_slash_is_linted() {
        let lints = |text: &str| EndpointUrl::parse_base(text).unwrap().base_lints();
        assert_eq!(lints("https://h/distributor"), [Lint::MissingTrailingSlash]);
        assert_eq!(lints("https://h/distributor/"), []);
        assert_eq!(lints("https://h"), []);
    }

    #[test]
    fn unusable_urls_are_refused_each_with_its_reason() {
        assert!(matches!(
            EndpointUrl::parse("node.example.org"),
            Err(BadUrl::Syntax { .. })
        ));
        assert!(matches!(
            EndpointUrl::parse("ftp://h/"),
            Err(BadUrl::Scheme { .. })
        ));
        assert_eq!(
            EndpointUrl::parse("https://ada:secret@h/"),
            Err(BadUrl::Credentials)
        );
        assert!(matches!(
            EndpointUrl::parse("https://h/#top"),
            Err(BadUrl::Fragment { .. })
        ));
        assert!(matches!(
            EndpointUrl::parse("https://h:0/"),
            Err(BadUrl::Port { .. })
        ));
        assert!(matches!(
            EndpointUrl::parse_base("https://h/?x=1"),
            Err(BadUrl::Query { .. })
        ));
        assert!(EndpointUrl::parse("https://h/?x=1").is_ok());
    }

    #[test]
    fn refused_credentials_are_not_repeated() {
        let error = EndpointUrl::parse("https://ada:secret@h/").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn address_literals_are_recognised_in_every_spelling() {
        let address = |text: &str| EndpointUrl::parse(text).unwrap().address();
        assert_eq!(
            address("http://127.0.0.1:8080/"),
            Some("127.0.0.1".parse().unwrap())
        );
        assert_eq!(
            address("http://[::ffff:10.0.0.1]/"),
            Some("::ffff:10.0.0.1".parse().unwrap())
        );
        assert_eq!(address("http://0x7f.1/"), Some("127.0.0.1".parse().unwrap()));
        assert_eq!(address("http://2130706433/"), Some("127.0.0.1".parse().unwrap()));
        assert_eq!(address("http://example.org/"), None);
    }

    #[test]
    fn authority_names_the_port_only_where_it_is_not_the_schemes() {
        let authority = |text: &str| EndpointUrl::parse(text).unwrap().authority();
        assert_eq!(authority("https://h:443/"), "h");
        assert_eq!(authority("https://h:8443/"), "h:8443");
        assert_eq!(authority("http://[::1]:80/"), "[::1]");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,60}") {
            if let Ok(url) = EndpointUrl::parse(&text) {
                prop_assert!(url.request_target().starts_with('/'));
                prop_assert!(!url.host().is_empty());
            }
        }
    }
}
