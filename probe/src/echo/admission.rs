//! Which requests a responder answers: authenticated ones of planned probers, within their rate. Pure.
//!
//! The cheap questions come first: form, prober, key epoch, bucket; only then is anything hashed. A reply is
//! exactly as long as the request it answers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use isochrone_proto::echo::{Direction, EchoPacket, KeyEpoch, PACKET_BYTES, PairKey, Sealed};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::plan::ResponderPlan;

use super::bucket::{Rate, TokenBucket};

/// The planned probers with their keys and buckets. Without a plan: nobody.
#[derive(Debug)]
pub(crate) struct Admission {
    probers: HashMap<ProbeId, Planned>,
    rate: Rate,
}

#[derive(Debug)]
struct Planned {
    keys: Vec<(KeyEpoch, PairKey)>,
    bucket: TokenBucket,
}

/// Why a datagram is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DropReason {
    /// Not the form of an echo packet.
    Malformed,
    /// A reply: answering it could make two responders talk for ever.
    NotARequest,
    /// Of a prober that is not in the plan.
    UnknownProber,
    /// Sealed under a key epoch that is not (or no longer) valid.
    UnknownKeyEpoch,
    /// Faster than a prober may ask.
    RateLimited,
    /// Forged.
    WrongTag,
}

/// A request that may be answered.
#[derive(Debug)]
pub(crate) struct Admitted {
    request: EchoPacket,
    key: PairKey,
}

impl Admitted {
    /// The answer, claiming `delay` between receiving and sending. What does not fit is claimed as the most
    /// that does.
    pub(crate) fn reply(&self, delay: Duration) -> [u8; PACKET_BYTES] {
        let claimed = u32::try_from(delay.as_micros()).unwrap_or(u32::MAX);
        self.request.reply(claimed).seal(&self.key)
    }
}

impl Admission {
    /// Nobody is planned yet.
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            probers: HashMap::new(),
            rate,
        }
    }

    /// Replaces probers and keys. Buckets of those that stay keep their level.
    pub(crate) fn adopt(&mut self, plan: &ResponderPlan) {
        let mut before = std::mem::take(&mut self.probers);
        for &prober in &plan.probers {
            let derive = |(epoch, secret): &_| (*epoch, PairKey::derive(secret, prober, *epoch));
            let bucket = before
                .remove(&prober)
                .map_or_else(|| TokenBucket::new(self.rate), |planned| planned.bucket);
            let keys = plan.secrets.iter().map(derive).collect();
            self.probers.insert(prober, Planned { keys, bucket });
        }
    }

    /// Judges a datagram.
    ///
    /// # Errors
    /// Why it is not answered.
    pub(crate) fn admit(&mut self, bytes: &[u8], now: Instant) -> Result<Admitted, DropReason> {
        let sealed = Sealed::parse(bytes).map_err(|_| DropReason::Malformed)?;
        if sealed.direction() != Direction::Request {
            return Err(DropReason::NotARequest);
        }
        let planned = self
            .probers
            .get_mut(&sealed.prober())
            .ok_or(DropReason::UnknownProber)?;
        let key = planned
            .keys
            .iter()
            .find_map(|(epoch, key)| (*epoch == sealed.key_epoch()).then_some(key))
            .ok_or(DropReason::UnknownKeyEpoch)?;
        if !planned.bucket.take(now) {
            return Err(DropReason::RateLimited);
        }
        let request = sealed.open(key).map_err(|_| DropReason::WrongTag)?;
        Ok(Admitted {
            request,
            key: key.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use isochrone_proto::echo::ResponderSecret;
    use proptest::prelude::*;

    use super::super::stamp::monotonic_now;
    use super::*;

    const PROBER: ProbeId = ProbeId(11);
    const NEW: (KeyEpoch, ResponderSecret) = (KeyEpoch(2), ResponderSecret([2; 32]));
    const OLD: (KeyEpoch, ResponderSecret) = (KeyEpoch(1), ResponderSecret([1; 32]));

    fn plan(secrets: &[(KeyEpoch, ResponderSecret)], probers: &[ProbeId]) -> ResponderPlan {
        ResponderPlan {
            secrets: secrets.to_vec(),
            probers: probers.to_vec(),
        }
    }

    fn admission(plan: &ResponderPlan) -> Admission {
        let mut admission = Admission::new(Rate::new(10, 3));
        admission.adopt(plan);
        admission
    }

    fn request(prober: ProbeId, (epoch, secret): &(KeyEpoch, ResponderSecret)) -> [u8; PACKET_BYTES] {
        packet(prober, *epoch).seal(&PairKey::derive(secret, prober, *epoch))
    }

    fn packet(prober: ProbeId, key_epoch: KeyEpoch) -> EchoPacket {
        EchoPacket {
            direction: Direction::Request,
            key_epoch,
            prober,
            nonce: 5,
            sequence: 6,
            claimed_delay_us: 0,
        }
    }

    #[test]
    fn planned_prober_is_answered_with_the_claimed_delay() {
        let mut admission = admission(&plan(&[NEW], &[PROBER, ProbeId::COLLECTOR]));
        for prober in [PROBER, ProbeId::COLLECTOR] {
            let admitted = admission.admit(&request(prober, &NEW), monotonic_now()).unwrap();
            let reply = admitted.reply(Duration::from_micros(77));
            let key = PairKey::derive(&NEW.1, prober, NEW.0);
            let opened = Sealed::parse(&reply).unwrap().open(&key).unwrap();
            assert_eq!(opened, packet(prober, NEW.0).reply(77));
        }
    }

    #[test]
    fn delay_beyond_the_field_is_claimed_as_its_most() {
        let mut admission = admission(&plan(&[NEW], &[PROBER]));
        let admitted = admission.admit(&request(PROBER, &NEW), monotonic_now()).unwrap();
        let reply = admitted.reply(Duration::from_secs(10_000));
        let key = PairKey::derive(&NEW.1, PROBER, NEW.0);
        let opened = Sealed::parse(&reply).unwrap().open(&key).unwrap();
        assert_eq!(opened.claimed_delay_us, u32::MAX);
    }

    #[test]
    fn each_reason_to_drop_has_its_name() {
        let mut admission = admission(&plan(&[NEW], &[PROBER]));
        let now = monotonic_now();
        let mut drop = |bytes: &[u8]| admission.admit(bytes, now).unwrap_err();
        let right = request(PROBER, &NEW);
        let mut forged = right;
        forged[47] ^= 1;
        let answer = packet(PROBER, NEW.0)
            .reply(1)
            .seal(&PairKey::derive(&NEW.1, PROBER, NEW.0));
        assert_eq!(drop(&right[..47]), DropReason::Malformed);
        assert_eq!(drop(&[]), DropReason::Malformed);
        assert_eq!(drop(&answer), DropReason::NotARequest);
        assert_eq!(drop(&request(ProbeId(12), &NEW)), DropReason::UnknownProber);
        assert_eq!(drop(&request(PROBER, &OLD)), DropReason::UnknownKeyEpoch);
        assert_eq!(drop(&forged), DropReason::WrongTag);
        assert!(admission.admit(&right, now).is_ok());
    }

    /// A revocation leaves the previous secret in force for those who are still planned.
    #[test]
    fn revoked_prober_is_not_answered_under_either_key_epoch() {
        let revoked = ProbeId(12);
        let mut admission = admission(&plan(&[OLD], &[PROBER, revoked]));
        let now = monotonic_now();
        assert!(admission.admit(&request(revoked, &OLD), now).is_ok());
        admission.adopt(&plan(&[NEW, OLD], &[PROBER]));
        for secret in [NEW, OLD] {
            let found = admission.admit(&request(revoked, &secret), now).unwrap_err();
            assert_eq!(found, DropReason::UnknownProber, "before anything is hashed");
            assert!(admission.admit(&request(PROBER, &secret), now).is_ok());
        }
        // nor does its key help under another's name
        let (epoch, secret) = OLD;
        let key = PairKey::derive(&secret, revoked, epoch);
        let found = admission
            .admit(&packet(PROBER, epoch).seal(&key), now)
            .unwrap_err();
        assert_eq!(found, DropReason::WrongTag);
    }

    #[test]
    fn responder_without_a_plan_answers_nobody() {
        let mut admission = Admission::new(Rate::new(10, 3));
        let now = monotonic_now();
        for prober in [PROBER, ProbeId::COLLECTOR] {
            let found = admission.admit(&request(prober, &NEW), now).unwrap_err();
            assert_eq!(found, DropReason::UnknownProber);
        }
    }

    #[test]
    fn previous_key_epoch_stays_valid_until_a_plan_drops_it() {
        let now = monotonic_now();
        let mut admission = admission(&plan(&[NEW, OLD], &[PROBER]));
        assert!(admission.admit(&request(PROBER, &OLD), now).is_ok());
        assert!(admission.admit(&request(PROBER, &NEW), now).is_ok());
        admission.adopt(&plan(&[NEW], &[PROBER]));
        let found = admission.admit(&request(PROBER, &OLD), now).unwrap_err();
        assert_eq!(found, DropReason::UnknownKeyEpoch);
        assert!(admission.admit(&request(PROBER, &NEW), now).is_ok());
    }

    #[test]
    fn old_secret_under_the_new_epochs_number_is_forged() {
        let mut admission = admission(&plan(&[NEW], &[PROBER]));
        let bytes = request(PROBER, &(NEW.0, OLD.1));
        let found = admission.admit(&bytes, monotonic_now()).unwrap_err();
        assert_eq!(found, DropReason::WrongTag);
    }

    #[test]
    fn prober_that_left_the_plan_is_dropped() {
        let mut admission = admission(&plan(&[NEW], &[PROBER]));
        admission.adopt(&plan(&[NEW], &[ProbeId(12)]));
        let found = admission
            .admit(&request(PROBER, &NEW), monotonic_now())
            .unwrap_err();
        assert_eq!(found, DropReason::UnknownProber);
    }

    #[test]
    fn full_rate_of_one_prober_takes_nothing_from_another_and_survives_a_plan() {
        let both = plan(&[NEW], &[PROBER, ProbeId(12)]);
        let mut admission = admission(&both);
        let now = monotonic_now();
        for _ in 0..3 {
            assert!(admission.admit(&request(PROBER, &NEW), now).is_ok());
        }
        admission.adopt(&both);
        let found = admission.admit(&request(PROBER, &NEW), now).unwrap_err();
        assert_eq!(found, DropReason::RateLimited);
        assert!(admission.admit(&request(ProbeId(12), &NEW), now).is_ok());
        let later = now + Duration::from_millis(100);
        assert!(admission.admit(&request(PROBER, &NEW), later).is_ok());
    }

    proptest! {
        /// Whatever comes: no answer, or one as long as the question; and an answer only to what the key made.
        #[test]
        fn answer_is_never_longer_than_the_question(
            mut bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                Just(request(PROBER, &NEW).to_vec()),
            ],
            flips in prop::collection::vec((0usize..PACKET_BYTES, 1u8..), 0..3),
            tail in prop::collection::vec(any::<u8>(), 0..3),
        ) {
            for (at, mask) in flips {
                if let Some(byte) = bytes.get_mut(at) { *byte ^= mask; }
            }
            bytes.extend_from_slice(&tail);
            let mut admission = admission(&plan(&[NEW], &[PROBER]));
            match admission.admit(&bytes, monotonic_now()) {
                Ok(admitted) => {
                    prop_assert!(admitted.reply(Duration::MAX).len() <= bytes.len());
                    prop_assert_eq!(&bytes[..], &request(PROBER, &NEW)[..]);
                }
                Err(_) => prop_assert_ne!(&bytes[..], &request(PROBER, &NEW)[..]),
            }
        }
    }
}
