//! The receivers that alerts can go to: a new one is a variant here, a key in the configuration, and a body of its own.

use std::time::Duration;

use super::deliver::{Method, Request};
use super::{Alert, SecretUrl, discord};

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// What it understands.
    pub kind: ReceiverKind,
    /// Where it is.
    pub url: SecretUrl,
    /// What is over before so long has passed is not told.
    pub(crate) after: Duration,
}

/// What a receiver understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    /// `isochrone.alert/1` by POST.
    Webhook,
    /// A Discord channel.
    Discord,
}

impl Receiver {
    /// One that is told at once.
    #[must_use]
    pub const fn new(kind: ReceiverKind, url: SecretUrl) -> Self {
        Self {
            kind,
            url,
            after: Duration::ZERO,
        }
    }

    /// Its name in the outbox.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.kind {
            ReceiverKind::Webhook => "webhook",
            ReceiverKind::Discord => "discord",
        }
    }

    /// What is sent to it.
    ///
    /// # Errors
    /// When the alert cannot be written as JSON.
    pub(crate) fn request(&self, alert: &Alert) -> Result<Request, serde_json::Error> {
        let body = match self.kind {
            ReceiverKind::Webhook => serde_json::to_value(alert)?,
            ReceiverKind::Discord => discord::body(alert),
        };
        Ok(Request {
            receiver: self.name(),
            url: self.url.clone(),
            method: Method::Post,
            id: alert.id.clone(),
            body: Some(body),
        })
    }
}
