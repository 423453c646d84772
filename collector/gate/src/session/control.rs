//! The probe's side of the control stream.

use std::sync::atomic::Ordering;
use std::time::Duration;

use isochrone_base::aside::aside;
use isochrone_proto::codec;
use isochrone_proto::control::{CollectorMessage, EpochState, ProbeMessage};
use isochrone_proto::frame::MessageKind;
use isochrone_proto::plan::SignedPlan;
use isochrone_proto::units::UnixMillis;

use super::end::{End, ProtocolBreak};
use super::frames::FrameReader;
use super::quota::Bucket;
use super::talk::{Answered, Talk};
use crate::clocks::{TOLD_ABOVE_MS, TOLD_AFTER};
use crate::registry::Renewal;

/// Reads control messages until the conversation ends.
pub(super) async fn listen(talk: &Talk, reader: &mut FrameReader) -> End {
    let mut messages = Bucket::messages(talk.gate.clock.now());
    loop {
        let frame = match reader.next(&[MessageKind::FromProbe]).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return End::Protocol(ProtocolBreak::Finished),
            Err(error) => return error.into(),
        };
        if messages.take(1, talk.gate.clock.now()).is_err() {
            return End::Quota;
        }
        let heard = match codec::decode_from_probe(&frame.payload) {
            Ok(message) => hear(talk, message).await,
            Err(error) => Err(error.into()),
        };
        if let Err(end) = heard {
            return end;
        }
    }
}

async fn hear(talk: &Talk, message: ProbeMessage) -> Result<(), End> {
    match message {
        ProbeMessage::Hello(_) => Err(End::Protocol(ProtocolBreak::SecondHello)),
        ProbeMessage::Plans(plans) => take_plans(talk, &plans),
        ProbeMessage::Renew { csr } => renew(talk, &csr),
        ProbeMessage::Pong {
            nonce, probe_time, ..
        } => {
            pong(talk, nonce, probe_time);
            Ok(())
        }
        ProbeMessage::Spool(spool) => {
            talk.live.lock().spool = spool;
            Ok(())
        }
        ProbeMessage::EpochOpened(state) => open_epoch(talk, state).await,
    }
}

/// Plans that this collector lost: kept if our authority signed them, for the probe that they name, whoever brings
/// them (of a copied machine the one may still hold what the other lost).
fn take_plans(talk: &Talk, plans: &[SignedPlan]) -> Result<(), End> {
    for signed in plans {
        if !talk.gate.authority.signed(signed) {
            return Err(End::Protocol(ProtocolBreak::UnsignedPlan));
        }
        let plan = codec::decode_plan(&signed.plan)?;
        aside(|| talk.gate.store.put_plan(signed, &plan)).map_err(|error| {
            tracing::error!(%error, version = %plan.version, "cannot keep a plan that the probe returned");
            End::StoreUnavailable
        })?;
        talk.gate.plans.seen(plan.version);
        tracing::info!(version = %plan.version, of = %plan.probe, "the probe returned a plan that was lost here");
    }
    talk.plans_came();
    Ok(())
}

fn renew(talk: &Talk, csr: &[u8]) -> Result<(), End> {
    let answer = match aside(|| talk.gate.registry.renew(&talk.leaf, csr)) {
        Ok(Renewal::Renewed { chain }) => {
            talk.renewed();
            CollectorMessage::Renewed { chain }
        }
        Ok(Renewal::Refused(refusal)) => {
            tracing::warn!(%refusal, "renewal refused");
            CollectorMessage::RenewalRefused(refusal)
        }
        Err(error) => {
            tracing::error!(%error, "cannot renew a leaf");
            return Err(End::StoreUnavailable);
        }
    };
    talk.live.replies.answer(answer);
    Ok(())
}

fn pong(talk: &Talk, nonce: u64, probe_time: UnixMillis) {
    let Some(Answered { rtt, here }) = talk.answered(nonce) else {
        return; // useless by now
    };
    let Ok(offset_ms) = i64::try_from(i128::from(probe_time.0) - i128::from(here.0)) else {
        return; // no time at all
    };
    let offset_ms = talk.live.offsets().add(rtt, offset_ms);
    {
        let mut view = talk.live.lock();
        (view.rtt, view.clock_offset_ms) = (Some(rtt), Some(offset_ms));
    }
    let far = &talk.live.far;
    if offset_ms.unsigned_abs() <= TOLD_ABOVE_MS {
        far.store(0, Ordering::Relaxed);
    } else if far.fetch_add(1, Ordering::Relaxed) + 1 == TOLD_AFTER {
        talk.tell_clock(offset_ms);
    }
}

async fn open_epoch(talk: &Talk, state: EpochState) -> Result<(), End> {
    talk.gate
        .ingest
        .epoch_opened(talk.probe, state)
        .await
        .map_err(|error| {
            tracing::error!(%error, epoch = %state.epoch, "cannot note an epoch");
            End::StoreUnavailable
        })?;
    let mut view = talk.live.lock();
    view.epochs.retain(|known| known.epoch != state.epoch);
    if view.epochs.len() < isochrone_proto::limits::HELLO_EPOCHS_MAX {
        view.epochs.push(state);
    }
    drop(view);
    talk.gate.sessions.changed();
    Ok(())
}

/// How often a connected probe is asked for the time.
pub(super) const PING_EVERY: Duration = Duration::from_secs(5);
