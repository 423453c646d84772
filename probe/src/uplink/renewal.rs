//! Renewing the certificate over the live connection.

use std::time::Duration;

use isochrone_proto::control::CertificateDer;
use isochrone_proto::units::UnixMillis;
use tokio::time::Instant;

use super::{LinkEnd, Uplink};
use crate::identity::Identity;

/// After a request that was not answered.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// After a new certificate that does not end later by this machine's clock.
const AFTER_ANSWER: Duration = Duration::from_secs(600);
/// After a refusal, or an answer that cannot be used.
const AFTER_REFUSAL: Duration = Duration::from_secs(6 * 3_600);

/// When to ask.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    not_before: Option<Instant>,
}

impl Renewal {
    /// Whether two thirds of the leaf's life are over.
    pub(super) fn is_due(identity: &Identity, now: UnixMillis) -> bool {
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

    fn answered(&mut self, now: Instant) {
        self.not_before = Some(now + AFTER_ANSWER);
    }
}

/// Takes over the new leaf, and keeps it as soon as the disk takes it. One that cannot be used changes nothing.
///
/// # Errors
/// [`LinkEnd::Renewed`] when the old leaf was past its end, so that the connection must be made anew.
pub(super) fn renewed(up: &mut Uplink, chain: Vec<CertificateDer>) -> Result<(), LinkEnd> {
    let (now, wall) = (up.parts.clock.now(), up.parts.clock.wall());
    let chain = chain
        .into_iter()
        .map(|certificate| certificate.0.into())
        .collect();
    let renewed = match up.parts.identity.renewed(chain) {
        Ok(renewed) => renewed,
        Err(error) => {
            tracing::error!(error = %crate::error_text::chain(&error), "the new certificate cannot be used; the old one stays");
            up.renewal.refused(now);
            return Ok(());
        }
    };
    let until = |identity: &Identity| identity.leaf_life().map(|life| life.until).unwrap_or_default();
    let (old, new) = (until(&up.parts.identity), until(&renewed));
    up.parts.identity = renewed;
    up.identity_changed = true;
    up.renewal.answered(now);
    up.parts.link.send_modify(|link| link.certificate_until = new);
    tracing::info!(until = new.0, "certificate renewed");
    up.keep();
    if old <= wall && new > wall {
        Err(LinkEnd::Renewed)
    } else {
        Ok(())
    }
}
