//! `[elasticsearch]` of collector.toml: which cluster, as whom, and under which names.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

/// Which cluster, as whom, and under which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its nodes, at least one; without credentials.
    pub urls: Vec<Url>,
    /// A PEM file of the authority that the nodes' certificates are checked with, beside the public ones.
    pub ca: Option<PathBuf>,
    /// As whom requests are made; `None`: as nobody.
    pub account: Option<Account>,
    /// What every index, template and role begins with.
    pub prefix: Prefix,
    /// How much time one index of raw documents spans.
    pub period: Period,
}

/// As whom requests are made. The secret itself is in the file, and read when a client is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// A user with a password.
    User {
        /// The user's name.
        name: String,
        /// The file whose first line is the password.
        password_file: PathBuf,
    },
    /// An API key.
    ApiKey {
        /// The file whose first line is the key as the server gave it (`encoded`).
        file: PathBuf,
    },
}

/// What every index, template and role begins with: 1 to 40 of `a-z`, `0-9`, `-`, `_`, beginning with a letter, and not
/// what newer servers claim for themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(String);

/// How much time one index of raw documents spans, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// A calendar month: `isochrone-echo-2026.11`.
    #[default]
    Month,
    /// A day: `isochrone-echo-2026.11.30`.
    Day,
}

/// The section as it stands in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSettings {
    urls: Vec<String>,
    ca: Option<String>,
    user: Option<String>,
    password_file: Option<String>,
    api_key_file: Option<String>,
    prefix: Option<String>,
    period: Option<String>,
}

/// Which key of the section has which wrong value; the words say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No node.
    #[error("elasticsearch.urls = []: name at least one node, such as \"https://es1.example.org:9200\"")]
    NoUrl,
    /// Not the address of a node.
    #[error("elasticsearch.urls = \"{url}\": {reason}; write it like \"https://es1.example.org:9200\"")]
    Url {
        /// As written, without what may be a secret.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One node twice.
    #[error("elasticsearch.urls = \"{url}\": it stands there twice; name each node once")]
    UrlTwice {
        /// As written.
        url: String,
    },
    /// A name or password in an address: it would stand in logs.
    #[error("elasticsearch.urls: {host} carries a user or password; use the keys user and password_file")]
    SecretInUrl {
        /// The node.
        host: String,
    },
    /// A user without a password, or the other way round.
    #[error("elasticsearch.{has} = \"{value}\": it needs {lacks} beside it")]
    HalfAccount {
        /// The key that is set.
        has: &'static str,
        /// Its value: a name or a path, never a secret.
        value: String,
        /// The key that is missing.
        lacks: &'static str,
    },
    /// Both kinds of account.
    #[error("elasticsearch.api_key_file = \"{file}\": user = \"{user}\" is set, too; keep one of them")]
    TwoAccounts {
        /// The key's file.
        file: String,
        /// The user's name.
        user: String,
    },
    /// Credentials over a line that everybody can read.
    #[error(
        "elasticsearch.urls = \"{url}\": a password or key would travel in the clear; use https, or a loopback address"
    )]
    Clear {
        /// The node.
        url: String,
    },
    /// A file for nothing: no node is spoken to by TLS.
    #[error("elasticsearch.ca = \"{file}\": no URL begins with https; remove it, or correct the URLs")]
    CaWithoutTls {
        /// As written.
        file: String,
    },
    /// A prefix that no index may have.
    #[error("elasticsearch.prefix = \"{value}\": {reason}; the default is \"isochrone\"")]
    Prefix {
        /// As written.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another period.
    #[error("elasticsearch.period = \"{value}\": write \"month\" or \"day\"")]
    Period {
        /// As written.
        value: String,
    },
}

impl SettingsError {
    /// The key that is wrong.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::NoUrl
            | Self::Url { .. }
            | Self::UrlTwice { .. }
            | Self::SecretInUrl { .. }
            | Self::Clear { .. } => "urls",
            Self::HalfAccount { has, .. } => has,
            Self::TwoAccounts { .. } => "api_key_file",
            Self::CaWithoutTls { .. } => "ca",
            Self::Prefix { .. } => "prefix",
            Self::Period { .. } => "period",
        }
    }
}

impl RawSettings {
    /// Checks it. A path that is not absolute begins in `folder`. Opens no file.
    ///
    /// # Errors
    /// Names key and value.
    pub fn settings(self, folder: &Path) -> Result<Settings, SettingsError> {
        let urls = urls(&self.urls)?;
        let account = self.account(folder)?;
        if account.is_some()
            && let Some(clear) = urls.iter().find(|url| !is_private(url))
        {
            let url = clear.to_string();
            return Err(SettingsError::Clear { url });
        }
        if let Some(file) = &self.ca
            && urls.iter().all(|url| url.scheme() != "https")
        {
            let file = file.clone();
            return Err(SettingsError::CaWithoutTls { file });
        }
        Ok(Settings {
            urls,
            ca: self.ca.map(|file| folder.join(file)),
            account,
            prefix: self
                .prefix
                .map_or_else(|| Ok(Prefix::default()), |text| Prefix::new(&text))?,
            period: self
                .period
                .map_or_else(|| Ok(Period::default()), |text| Period::parse(&text))?,
        })
    }

    fn account(&self, folder: &Path) -> Result<Option<Account>, SettingsError> {
        let half = |has, value: &String, lacks| {
            let value = value.clone();
            Err(SettingsError::HalfAccount { has, value, lacks })
        };
        match (&self.user, &self.password_file, &self.api_key_file) {
            (None, None, None) => Ok(None),
            (None, None, Some(file)) => {
                let file = folder.join(file);
                Ok(Some(Account::ApiKey { file }))
            }
            (Some(name), Some(file), None) => Ok(Some(Account::User {
                name: name.clone(),
                password_file: folder.join(file),
            })),
            (Some(user), _, Some(file)) => {
                let (user, file) = (user.clone(), file.clone());
                Err(SettingsError::TwoAccounts { file, user })
            }
            (Some(user), None, None) => half("user", user, "password_file"),
            (None, Some(file), _) => half("password_file", file, "user"),
        }
    }
}

impl Prefix {
    /// Checks it.
    ///
    /// # Errors
    /// When no index may begin so.
    pub fn new(text: &str) -> Result<Self, SettingsError> {
        let wrong = |reason| {
            let value = text.to_owned();
            Err(SettingsError::Prefix { value, reason })
        };
        let is_known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(is_known) {
            return wrong("begin with a letter, and use a-z, 0-9, - and _");
        }
        if text.len() > 40 {
            return wrong("use at most 40 characters");
        }
        if ["logs", "metrics", "traces", "synthetics", "profiling"]
            .iter()
            .any(|claimed| text == *claimed || text.starts_with(&format!("{claimed}-")))
        {
            return wrong("servers claim that name for data streams of their own");
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("isochrone".to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Period {
    /// `month` or `day`.
    fn parse(text: &str) -> Result<Self, SettingsError> {
        match text {
            "month" => Ok(Self::Month),
            "day" => Ok(Self::Day),
            _ => Err(SettingsError::Period {
                value: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Month => "month",
            Self::Day => "day",
        })
    }
}

fn urls(texts: &[String]) -> Result<Vec<Url>, SettingsError> {
    let mut urls: Vec<Url> = Vec::new();
    for text in texts {
        let url = url(text)?;
        if urls.contains(&url) {
            return Err(SettingsError::UrlTwice { url: text.clone() });
        }
        urls.push(url);
    }
    match urls.is_empty() {
        true => Err(SettingsError::NoUrl),
        false => Ok(urls),
    }
}

/// A node's address. What cannot be read is shown only where it holds no `@`: before that stands a password.
fn url(text: &str) -> Result<Url, SettingsError> {
    let wrong = |reason: &str| {
        Err(SettingsError::Url {
            url: text
                .rsplit_once('@')
                .map_or(text, |(_, behind)| behind)
                .to_owned(),
            reason: reason.to_owned(),
        })
    };
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return wrong(&error.to_string()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        let host = url.host_str().unwrap_or_default().to_owned();
        return Err(SettingsError::SecretInUrl { host });
    }
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return wrong("it begins with neither https:// nor http://");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("it has a ? or # behind it");
    }
    Ok(url)
}

/// Nobody else reads what is said to it.
fn is_private(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || is_loopback
}

#[cfg(test)]
mod tests;
