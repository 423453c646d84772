//! The receivers that alerts can go to: a new one is a variant here, a key in the configuration, and a body of its own.

use super::deliver::{Method, Request};
use super::{Alert, SecretUrl, discord};

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// `isochrone.alert/1` by POST.
    Webhook(SecretUrl),
    /// A Discord channel.
    Discord(SecretUrl),
}

impl Receiver {
    /// Its name in the outbox.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Discord(_) => "discord",
        }
    }

    /// What is sent to it.
    ///
    /// # Errors
    /// When the alert cannot be written as JSON.
    pub fn request(&self, alert: &Alert) -> Result<Request, serde_json::Error> {
        let (url, body) = match self {
            Self::Webhook(url) => (url, serde_json::to_value(alert)?),
            Self::Discord(url) => (url, discord::body(alert)),
        };
        Ok(Request {
            receiver: self.name(),
            url: url.clone(),
            method: Method::Post,
            id: alert.id.clone(),
            body: Some(body),
        })
    }
}
