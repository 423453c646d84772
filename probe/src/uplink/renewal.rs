//! Renewing the certificate over the live connection.

use std::time::Duration;

use isochrone_proto::control::CertificateDer;
use isochrone_proto::units::UnixMillis;
use tokio::time::Instant;

use super::{LinkEnd, Uplink};
use crate::identity::Identity;

/// Between two requests on one connection.
const ASK_AGAIN: Duration = Duration::from_secs(600);
/// After a refusal.
const AFTER_REFUSAL: Duration = Duration::from_secs(6 * 3_600);

/// When to ask, on one connection.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    not_before: Option<Instant>,
}

impl Renewal {
    /// Whether two thirds of the leaf's life are over.
    pub(super) fn is_due(&self, identity: &Identity, now: UnixMillis) -> bool {
        identity.leaf_life().is_ok_and(|life| life.renew_from() <= now)
    }

    pub(super) fn may_ask(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= now)
    }

    pub(super) fn asked(&mut self, now: Instant) {
        self.not_before = Some(now + ASK_AGAIN);
    }

    pub(super) fn refused(&mut self, now: Instant) {
        self.not_before = Some(now + AFTER_REFUSAL);
    }

    /// Keeps the new leaf; whether the old one was past its end, so that the connection must be made anew.
    pub(super) fn renewed(&self, up: &mut Uplink, chain: Vec<CertificateDer>) -> Result<bool, LinkEnd> {
        let now = up.parts.clock.wall();
        let was_expired = up.parts.identity.leaf_life().is_ok_and(|life| life.until <= now);
        let chain = chain
            .into_iter()
            .map(|certificate| certificate.0.into())
            .collect();
        let renewed = up.parts.identity.renewed(chain).and_then(|identity| {
            crate::disk::blocking(|| identity.save(&*up.parts.disk))?;
            Ok(identity)
        });
        match renewed {
            Ok(identity) => {
                up.parts.identity = identity;
                let until = up
                    .parts
                    .identity
                    .leaf_life()
                    .map(|life| life.until)
                    .unwrap_or_default();
                up.parts.link.send_modify(|link| link.certificate_until = until);
                tracing::info!(until = until.0, "certificate renewed");
                Ok(was_expired)
            }
            Err(error) => Err(LinkEnd::Protocol {
                what: format!("the new certificate cannot be used: {}", super::chain(&error)),
            }),
        }
    }
}
