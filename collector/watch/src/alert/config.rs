//! `[alerts]` of collector.toml.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::{Receiver, ReceiverKind};

/// Who is told. Nothing is sent anywhere by default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsConfig {
    /// Gets every alert as JSON (`isochrone.alert/1`) by POST.
    pub(crate) webhook: Option<SecretUrl>,
    /// An outage that is over before so long has passed is not told there. Default 0.
    #[serde(with = "humantime_serde")]
    pub(crate) webhook_after: Duration,
    /// A Discord channel's webhook.
    pub(crate) discord: Option<SecretUrl>,
    /// As `webhook_after`.
    #[serde(with = "humantime_serde")]
    pub(crate) discord_after: Duration,
    /// Is asked once an interval while the collector works; a watchdog elsewhere notices when it stops.
    pub(crate) heartbeat_url: Option<SecretUrl>,
    /// Default 1 min, at least 10 s.
    #[serde(deserialize_with = "interval")]
    pub(crate) heartbeat_interval: Duration,
    /// `"get"` or `"post"`. Default get.
    pub(crate) heartbeat_method: super::Method,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            webhook: None,
            webhook_after: Duration::ZERO,
            discord: None,
            discord_after: Duration::ZERO,
            heartbeat_url: None,
            heartbeat_interval: Duration::from_secs(60),
            heartbeat_method: super::Method::Get,
        }
    }
}

impl AlertsConfig {
    /// The receivers of alerts, by their names in the outbox.
    #[must_use]
    pub fn receivers(&self) -> Vec<Receiver> {
        let of = |kind, url: &Option<SecretUrl>, after| {
            let url = url.clone()?;
            Some(Receiver { kind, url, after })
        };
        let webhook = of(ReceiverKind::Webhook, &self.webhook, self.webhook_after);
        let discord = of(ReceiverKind::Discord, &self.discord, self.discord_after);
        webhook.into_iter().chain(discord).collect()
    }
}

/// A URL that is itself a secret: whoever knows it can post. Shown and logged without path and query.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// The whole URL, for the one who dials it.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for SecretUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        let url = Url::parse(text.trim()).map_err(|source| UrlError::Syntax { source })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(UrlError::Scheme {
                scheme: url.scheme().to_owned(),
            });
        }
        Ok(Self(url))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme(), self.0.host_str().unwrap_or("?"))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a URL is refused. The URL itself is a secret, and not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL.
    #[error("this is no URL ({source}); write it whole, with https:// in front")]
    Syntax {
        /// What the parser says.
        source: url::ParseError,
    },
    /// Neither http nor https.
    #[error("a URL of scheme {scheme:?} cannot be posted to; use https")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
}

fn interval<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let interval: Duration = humantime_serde::deserialize(deserializer)?;
    if interval >= Duration::from_secs(10) {
        Ok(interval)
    } else {
        Err(serde::de::Error::custom("less than 10s; use 10s or more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_never_shown_whole() {
        let config: AlertsConfig = toml::from_str(
            "webhook = \"https://hooks.example.org/secret?token=abc\"\n\
             discord = \"https://discord.example.org/api/webhooks/1/SECRET\"\n\
             heartbeat_url = \"https://hc.example.org/SECRET\"\nheartbeat_interval = \"2m\"\n\
             heartbeat_method = \"post\"",
        )
        .unwrap();
        let shown = format!("{config:?} {}", config.webhook.clone().unwrap());
        assert!(
            !shown.to_lowercase().contains("secret") && !shown.contains("abc"),
            "{shown}"
        );
        assert!(shown.contains("https://hooks.example.org/…"), "{shown}");
        assert_eq!(
            config.webhook.as_ref().unwrap().expose(),
            "https://hooks.example.org/secret?token=abc"
        );
        let names: Vec<_> = config.receivers().iter().map(Receiver::name).collect();
        assert_eq!(names, ["webhook", "discord"]);
    }

    #[test]
    fn bad_values_are_refused_without_repeating_the_secret() {
        for text in [
            "webhook = \"hooks.example.org/SECRET\"",
            "discord = \"ftp://x.example.org/SECRET\"",
            "heartbeat_interval = \"5s\"",
            "slack = \"https://x.example.org\"",
        ] {
            assert!(toml::from_str::<AlertsConfig>(text).is_err(), "{text}");
        }
        let error = SecretUrl::try_from("ftp://x.example.org/SECRET".to_owned()).unwrap_err();
        assert!(!error.to_string().contains("SECRET"));
        assert_eq!(
            toml::from_str::<AlertsConfig>("").unwrap(),
            AlertsConfig::default()
        );
    }
}
