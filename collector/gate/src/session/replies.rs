//! What waits to be written on a control stream: at most one message of each kind and epoch, however much
//! happens meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use isochrone_proto::control::{Ack, CollectorMessage, RefusedSoFar};
use isochrone_proto::ids::{EpochId, PlanVersion, Sequence};
use isochrone_proto::plan::SignedPlan;
use tokio::sync::Notify;

/// Collapses what is to be said.
#[derive(Default)]
pub(super) struct Replies {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    acks: BTreeMap<EpochId, Ack>,
    forked: BTreeMap<EpochId, Sequence>,
    plan: Option<SignedPlan>,
    need_plans: BTreeSet<PlanVersion>,
    answers: Vec<CollectorMessage>,
    finishing: bool,
}

/// What [`Replies::next`] hands out.
pub(super) enum Outgoing {
    /// To be written in this order.
    Messages(Vec<CollectorMessage>),
    /// Nothing is left, and nothing will follow.
    Finished,
}

impl Replies {
    /// Everything of `epoch` up to `stored` is durable, and up to `safe` elsewhere, too.
    pub(super) fn ack(
        &self,
        epoch: EpochId,
        (stored, safe): (Sequence, Sequence),
        refused: Option<RefusedSoFar>,
    ) {
        let mut waiting = self.lock();
        let ack = waiting.acks.entry(epoch).or_insert(Ack {
            epoch,
            stored,
            safe,
            refused: None,
        });
        ack.stored = ack.stored.max(stored);
        ack.safe = ack.safe.max(safe);
        ack.refused = refused.or(ack.refused); // each tells all so far
        drop(waiting);
        self.more.notify_one();
    }

    /// The epoch went on elsewhere.
    pub(super) fn forked(&self, epoch: EpochId, sequence: Sequence) {
        self.put(|waiting| {
            waiting.forked.insert(epoch, sequence); // the probe has each answered before it sends the next
        });
    }

    /// The newest plan; an older one that was not yet written is forgotten.
    pub(super) fn plan(&self, plan: SignedPlan) {
        self.put(|waiting| waiting.plan = Some(plan));
    }

    /// Plans without which batches cannot be judged.
    pub(super) fn need_plans(&self, versions: impl IntoIterator<Item = PlanVersion>) {
        self.put(|waiting| waiting.need_plans.extend(versions));
    }

    /// The answer to a message of the probe; the reader bounds how many there can be.
    pub(super) fn answer(&self, message: CollectorMessage) {
        self.put(|waiting| waiting.answers.push(message));
    }

    /// What is waiting is the last.
    pub(super) fn finish(&self) {
        self.put(|waiting| waiting.finishing = true);
    }

    /// Waits for something to write.
    ///
    /// # Cancel safety
    /// Cancel-safe: nothing is taken before it is returned.
    pub(super) async fn next(&self) -> Outgoing {
        loop {
            let more = self.more.notified();
            let (messages, finishing) = {
                let mut waiting = self.lock();
                (waiting.take(), waiting.finishing)
            };
            if !messages.is_empty() {
                return Outgoing::Messages(messages);
            }
            if finishing {
                return Outgoing::Finished;
            }
            more.await;
        }
    }

    fn put(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.lock());
        self.more.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self) -> Vec<CollectorMessage> {
        let mut messages = std::mem::take(&mut self.answers);
        let forked = std::mem::take(&mut self.forked);
        messages.extend(
            std::mem::take(&mut self.acks)
                .into_values()
                .map(CollectorMessage::Ack),
        );
        messages.extend(
            forked
                .into_iter()
                .map(|(epoch, sequence)| CollectorMessage::Forked { epoch, sequence }),
        );
        let versions = std::mem::take(&mut self.need_plans);
        if !versions.is_empty() {
            messages.push(CollectorMessage::NeedPlans(versions.into_iter().collect()));
        }
        messages.extend(self.plan.take().map(CollectorMessage::Plan));
        messages
    }
}
