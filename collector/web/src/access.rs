//! Who may read the page: a loopback binding needs no token, any other does.
//!
//! Without a token the Host header must name loopback, or a foreign site could point its own name at
//! 127.0.0.1 and read the page through the visitor's browser (DNS rebinding). With a token any name will do,
//! so that a reverse proxy may pass its own on: a cookie belongs to the name it was set under, and a foreign
//! name has none.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Shortest token: 16 random letters and digits are 95 bits, out of reach for guessing.
const TOKEN_MIN: usize = 16;
/// Fewest different characters in a token.
const DIFFERENT_MIN: usize = 6;
/// Fewest characters in a token that neither repeat the one before nor count on from it.
const STEPS_MIN: usize = 6;

/// Why an access rule cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Others on the network could read the page.
    #[error(
        "web = \"{address}\" can be reached from other machines, so it needs web_token (at least {TOKEN_MIN} characters); or bind it to 127.0.0.1 and use `ssh -L`"
    )]
    TokenNeeded {
        /// Where the page was to listen.
        address: SocketAddr,
    },
    /// Too easy to guess.
    #[error(
        "web_token has {length} characters; it needs at least {TOKEN_MIN}, letters and digits without spaces. `openssl rand -hex 16` makes one"
    )]
    WeakToken {
        /// Characters that the token has.
        length: usize,
    },
    /// Long enough, and still one of the first that anybody would try.
    #[error(
        "web_token can be guessed: it repeats itself or counts up, with {different} different characters. Take a random one: `openssl rand -hex 16` makes it"
    )]
    PlainToken {
        /// Different characters in it.
        different: usize,
    },
}

/// The secret that opens the page. Kept as a digest, so no log and no memory dump of this type shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    digest: blake3::Hash,
    session: blake3::Hash,
}

impl AccessToken {
    /// Takes a token from the config.
    ///
    /// # Errors
    /// [`AccessError::WeakToken`] and [`AccessError::PlainToken`]
    pub fn new(token: &str) -> Result<Self, AccessError> {
        if token.len() < TOKEN_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AccessError::WeakToken {
                length: token.chars().count(),
            });
        }
        if is_plain(token.as_bytes()) {
            return Err(AccessError::PlainToken {
                different: different(token.as_bytes()),
            });
        }
        let session = blake3::derive_key("isochrone 2026-11 web session cookie", token.as_bytes());
        Ok(Self {
            digest: blake3::hash(token.as_bytes()),
            session: blake3::Hash::from_bytes(session),
        })
    }

    /// Whether this is the token, in constant time.
    pub(super) fn is(&self, candidate: &str) -> bool {
        blake3::hash(candidate.as_bytes()) == self.digest
    }

    /// Whether this is a session's cookie, in constant time.
    pub(super) fn is_session(&self, candidate: &str) -> bool {
        blake3::Hash::from_hex(candidate).is_ok_and(|hash| hash == self.session)
    }

    /// The cookie's value: it proves knowledge of the token without telling it.
    pub(super) fn session(&self) -> String {
        self.session.to_hex().to_string()
    }
}

/// Whether a token is so regular that its length says nothing: of few characters, one piece again and again, or mostly
/// steps from a character to itself or its neighbour. Of random ones with 16 hexadecimal digits it refuses one in some
/// thousands.
fn is_plain(token: &[u8]) -> bool {
    let steps = token.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) > 1);
    let repeats = |length: usize| token.iter().zip(&token[length..]).all(|(one, next)| one == next);
    different(token) < DIFFERENT_MIN || steps.count() < STEPS_MIN || (1..=token.len() / 2).any(repeats)
}

fn different(token: &[u8]) -> usize {
    token.iter().collect::<std::collections::BTreeSet<_>>().len()
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// Who may read the page.
#[derive(Clone, Debug)]
pub struct Access {
    token: Option<AccessToken>,
}

impl Access {
    /// The rule for a page that listens on `address`.
    ///
    /// # Errors
    /// [`AccessError::TokenNeeded`]: a page that others can reach needs a token.
    pub fn new(address: SocketAddr, token: Option<AccessToken>) -> Result<Self, AccessError> {
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(AccessError::TokenNeeded { address });
        }
        Ok(Self { token })
    }

    /// The token, where one is needed.
    pub(super) fn token(&self) -> Option<&AccessToken> {
        self.token.as_ref()
    }

    /// Whether a request may carry this Host header.
    pub(super) fn admits_host(&self, host: &str) -> bool {
        if self.token.is_some() {
            return true;
        }
        let name = host_name(host).to_ascii_lowercase();
        match name.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

/// A Host header without its port and brackets.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "9f86d081884c7d659a2f";

    fn token() -> Option<AccessToken> {
        Some(AccessToken::new(TOKEN).expect("long enough"))
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn binding_that_others_reach_needs_a_token() {
        for text in [
            "0.0.0.0:7471",
            "[::]:7471",
            "192.0.2.1:7471",
            "[::ffff:192.0.2.1]:7471",
        ] {
            assert_eq!(
                Access::new(address(text), None).err(),
                Some(AccessError::TokenNeeded {
                    address: address(text)
                })
            );
            assert!(Access::new(address(text), token()).is_ok());
        }
        for text in [
            "127.0.0.1:7471",
            "127.9.9.9:1",
            "[::1]:7471",
            "[::ffff:127.0.0.1]:7471",
        ] {
            assert!(Access::new(address(text), None).is_ok());
        }
    }

    #[test]
    fn protected_page_answers_under_any_name() {
        let access = Access::new(address("127.0.0.1:7471"), token()).expect("loopback");
        assert!(
            access.admits_host("mesh.example.org"),
            "a reverse proxy may pass its own name on"
        );
    }

    #[test]
    fn loopback_page_refuses_foreign_names() {
        let access = Access::new(address("127.0.0.1:7471"), None).expect("loopback");
        for host in [
            "127.0.0.1:7471",
            "localhost",
            "LOCALHOST:80",
            "[::1]:7471",
            "127.1.2.3",
            "a.localhost",
        ] {
            assert!(access.admits_host(host), "{host}");
        }
        for host in [
            "evil.example:7471",
            "",
            "192.0.2.1:7471",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "[::2]:1",
        ] {
            assert!(!access.admits_host(host), "{host}");
        }
    }

    #[test]
    fn weak_token_is_refused() {
        assert_eq!(
            AccessToken::new("short").err(),
            Some(AccessError::WeakToken { length: 5 })
        );
        assert!(AccessToken::new("twenty characters and spaces").is_err());
    }

    #[test]
    fn token_that_only_looks_long_is_refused_with_advice() {
        for plain in [
            "aaaaaaaaaaaaaaaa",
            "abababababababab",
            "0123456789abcdef",
            "0123456789abcdef0123",
            "zyxwvutsrqponmlkjihg",
            "passwordpassword",
            "9f86d0819f86d0819f8",
            "1111222233334444",
        ] {
            let error = AccessToken::new(plain).expect_err(plain);
            assert!(
                matches!(error, AccessError::PlainToken { .. }),
                "{plain}: {error}"
            );
            assert!(error.to_string().contains("openssl rand -hex 16"), "{error}");
        }
    }

    #[test]
    fn random_tokens_are_taken() {
        for number in 0..2_000_u32 {
            let random = blake3::hash(&number.to_be_bytes()).to_hex();
            assert!(AccessToken::new(&random[..32]).is_ok(), "{random}");
        }
        let short = (0..2_000_u32).map(|number| blake3::hash(&number.to_le_bytes()).to_hex());
        let refused = short.filter(|random| AccessToken::new(&random[..16]).is_err());
        assert!(refused.count() <= 4, "of 2,000 with 64 bits");
    }

    #[test]
    fn token_and_session_are_told_apart() {
        let token = AccessToken::new(TOKEN).expect("long enough");
        assert!(token.is(TOKEN) && !token.is("9f86d081884c7d659a2e"));
        assert!(token.is_session(&token.session()) && !token.is_session(TOKEN));
        assert!(!token.is(&token.session()), "a stolen cookie is not the token");
        assert_eq!(format!("{token:?}"), "AccessToken(…)");
    }
}
