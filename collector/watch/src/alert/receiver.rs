//! The receivers that alerts can go to: a new one is a variant here, a key in the configuration, and a body of its own.

use std::borrow::Cow;
use std::time::Duration;

use isochrone_proto::text::cleaned;
use serde_json::Value;

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

    /// What is sent to it. Every text of the alert passes the door once more here, whoever wrote it.
    ///
    /// # Errors
    /// When the alert cannot be written as JSON.
    pub(crate) fn request(&self, alert: &Alert) -> Result<Request, serde_json::Error> {
        let mut clean = serde_json::to_value(alert)?;
        clean_texts(&mut clean);
        let alert: Alert = serde_json::from_value(clean.clone())?;
        let body = match self.kind {
            ReceiverKind::Webhook => clean,
            ReceiverKind::Discord => discord::body(&alert),
        };
        Ok(Request {
            receiver: self.name(),
            url: self.url.clone(),
            method: Method::Post,
            id: alert.id,
            body: Some(body),
        })
    }
}

fn clean_texts(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(clean) = cleaned(text) {
                *text = clean;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(clean_texts),
        Value::Object(fields) => fields.values_mut().for_each(clean_texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
