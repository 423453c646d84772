//! A vantage's own line, one family apart from the other: what proves that a failure is not its own.
//!
//! A proof matches the accusation: same family, same phase or later, another host, at most two intervals old.
//! If nothing answers any more, one from before the first failure holds for five minutes, while UDP still gets
//! through.

mod sick;

use std::net::IpAddr;

use isochrone_proto::measurement::Phase;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use self::sick::Sick;
use super::anew::{Anew, each};
use super::observation::Cadence;

/// A proof from before the first failure holds so long after it.
const BEFORE_HOLDS_MS: u64 = 300_000;
/// UDP got through if an echo was answered or a batch arrived at most so long ago.
const UDP_HOLDS_MS: u64 = 20_000;

/// Where a target stands. In a mesh that stands on one machine as a whole, every target counts as a host of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Host {
    Address(IpAddr),
    Target(usize),
}

impl Host {
    pub(super) const fn of(is_one_place: bool, target: usize, address: IpAddr) -> Self {
        if is_one_place {
            Self::Target(target)
        } else {
            Self::Address(address)
        }
    }
}

/// What is known of the line of one vantage over one family.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Line {
    connected: Latest<Host>,
    secured: Latest<Host>,
    resolved: Latest<usize>,
    /// UDP got through last.
    udp: UnixMillis,
    sick: Sick,
}

/// What a failure says, as far as its proof is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accusation {
    /// The host that failed.
    pub(super) host: Option<Host>,
    /// How far it came.
    pub(super) phase: Phase,
    /// When the newest failure began.
    pub(super) began: UnixMillis,
    /// When the first in the row began.
    pub(super) first: UnixMillis,
    /// The line was proven when the first failed.
    pub(super) proven_before: bool,
    /// Of the check.
    pub(super) cadence: Cadence,
}

impl Line {
    /// The clock was set: what was noted by the old one is read by the new.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        let Self {
            connected,
            secured,
            resolved,
            udp,
            sick,
        } = self;
        each(
            connected
                .noted()
                .chain(secured.noted())
                .chain(resolved.noted())
                .chain([udp]),
            anew,
        );
        sick.reckon(anew);
    }

    /// A connection to `host` stood, TLS too if `secured`. Not to be told of hosts near the vantage: those
    /// prove nothing.
    pub(super) fn reached(&mut self, host: Host, secured: bool, at: UnixMillis) {
        self.connected.put(host, at);
        if secured {
            self.secured.put(host, at);
        }
    }

    /// A name gave an address.
    pub(super) fn resolved(&mut self, target: usize, at: UnixMillis) {
        self.resolved.put(target, at);
    }

    /// An echo was answered, or the session brought a batch.
    pub(super) fn udp(&mut self, at: UnixMillis) {
        self.udp = self.udp.max(at);
    }

    /// A run was counted.
    pub(super) fn ran(&mut self, at: UnixMillis) {
        self.sick.ran(at);
    }

    /// A failure towards `target` turned out to be this vantage's alone.
    pub(super) fn failed_alone(&mut self, target: usize, at: UnixMillis) {
        self.sick.failed_alone(target, at);
    }

    /// It fails alone too often: it judges nobody.
    pub(super) fn is_sick(&self, now: UnixMillis) -> bool {
        self.sick.is_sick(now)
    }

    /// Whether it is proven as far as `phase` when a first failure begins at `first`; by any host, the one that
    /// now fails included: the line carried it a moment ago.
    pub(super) fn is_proven_before(&self, phase: Phase, first: UnixMillis, cadence: Cadence) -> bool {
        let newest = self.of(phase).newest();
        newest.is_some_and(|at| is_recent(at, first, cadence))
    }

    /// Whether `accusation` counts at `now`.
    pub(super) fn proves(&self, accusation: &Accusation, now: UnixMillis) -> bool {
        let Accusation { host, cadence, .. } = *accusation;
        let of = self.of(accusation.phase);
        let other = host.map_or_else(|| of.newest(), |host| of.other_than(host));
        if other.is_some_and(|at| is_recent(at, accusation.began, cadence)) {
            return true;
        }
        accusation.proven_before && self.holds_from_before(accusation.first, cadence, now)
    }

    /// Whether a proof from before a first failure holds: for a while, and as long as UDP gets through.
    fn holds_from_before(&self, first: UnixMillis, cadence: Cadence, now: UnixMillis) -> bool {
        let lives = now.0 <= self.udp.0 + UDP_HOLDS_MS.max(2 * cadence.interval_ms);
        now.0 <= first.0 + BEFORE_HOLDS_MS && lives
    }

    /// Whether anything got through since an instant.
    pub(super) fn held_since(&self, at: UnixMillis) -> bool {
        self.udp >= at || self.connected.newest().is_some_and(|newest| newest >= at)
    }

    /// Whether names gave addresses when a first failure to look one up began, that one's included.
    pub(super) fn resolved_before(&self, first: UnixMillis, cadence: Cadence) -> bool {
        self.resolved
            .newest()
            .is_some_and(|at| is_recent(at, first, cadence))
    }

    /// Whether failures to look up the name of `target` count at `now`: another name gave an address at most two intervals
    /// before the newest, or, where none does any more, names did when they began.
    pub(super) fn proves_name(&self, target: usize, accusation: &Accusation, now: UnixMillis) -> bool {
        let Accusation {
            began,
            first,
            cadence,
            ..
        } = *accusation;
        let other = self.resolved.other_than(target);
        other.is_some_and(|at| is_recent(at, began, cadence))
            || (accusation.proven_before && self.holds_from_before(first, cadence, now))
    }

    fn of(&self, phase: Phase) -> &Latest<Host> {
        match phase {
            Phase::Resolve | Phase::Connect => &self.connected,
            Phase::Tls | Phase::Request | Phase::FirstByte | Phase::Transfer | Phase::Verify => &self.secured,
        }
    }
}

/// At most two intervals before the failure began; later is as good.
fn is_recent(proof: UnixMillis, began: UnixMillis, cadence: Cadence) -> bool {
    proof.0 + 2 * cadence.interval_ms >= began.0
}

/// The newest time of the newest key, and of the newest other one: enough to ask "another than this".
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Latest<K> {
    first: Option<(K, UnixMillis)>,
    second: Option<(K, UnixMillis)>,
}

impl<K> Default for Latest<K> {
    fn default() -> Self {
        Self {
            first: None,
            second: None,
        }
    }
}

impl<K: Copy + PartialEq> Latest<K> {
    fn put(&mut self, key: K, at: UnixMillis) {
        match &mut self.first {
            Some((of, newest)) if *of == key => *newest = at.max(*newest),
            Some((_, newest)) if *newest <= at => {
                self.second = self.first;
                self.first = Some((key, at));
            }
            Some(_) => {
                if self.second.is_none_or(|(_, newest)| newest <= at) {
                    self.second = Some((key, at));
                }
            }
            None => self.first = Some((key, at)),
        }
    }

    fn noted(&mut self) -> impl Iterator<Item = &mut UnixMillis> {
        let Self { first, second } = self;
        first.iter_mut().chain(second).map(|(_, at)| at)
    }

    fn newest(&self) -> Option<UnixMillis> {
        self.first.map(|(_, at)| at)
    }

    fn other_than(&self, key: K) -> Option<UnixMillis> {
        match self.first {
            Some((of, _)) if of == key => self.second.map(|(_, at)| at),
            first => first.map(|(_, at)| at),
        }
    }
}

/// Whether two addresses share a machine, or one /24 or /48.
pub(crate) fn is_near(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.is_loopback() && other.is_loopback()) || one.octets()[..3] == other.octets()[..3]
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => one.octets()[..6] == other.octets()[..6],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const CADENCE: Cadence = Cadence {
        interval_ms: 10_000,
        timeout_ms: 4_000,
    };

    fn host(number: u8) -> Host {
        Host::Address(Ipv4Addr::new(198, 51, number, 1).into())
    }

    fn at(second: u64) -> UnixMillis {
        UnixMillis(1_000_000 + second * 1_000)
    }

    /// Host 1 fails to connect, first at second 100, newest at `newest`.
    fn accusation(phase: Phase, newest: u64) -> Accusation {
        Accusation {
            host: Some(host(1)),
            phase,
            began: at(newest),
            first: at(100),
            proven_before: true,
            cadence: CADENCE,
        }
    }

    #[test]
    fn proof_is_another_host_at_most_two_intervals_old() {
        let mut line = Line::default();
        line.reached(host(1), true, at(99));
        assert!(
            !line.proves(&accusation(Phase::Connect, 100), at(101)),
            "the accused host is no proof"
        );
        line.reached(host(2), true, at(80));
        assert!(line.proves(&accusation(Phase::Connect, 100), at(101)));
        assert!(
            !line.proves(&accusation(Phase::Connect, 101), at(102)),
            "older than two intervals"
        );
    }

    #[test]
    fn proof_comes_as_far_as_the_accusation() {
        let mut line = Line::default();
        line.reached(host(2), false, at(99));
        assert!(line.proves(&accusation(Phase::Connect, 100), at(101)));
        assert!(
            !line.proves(&accusation(Phase::Tls, 100), at(101)),
            "a TCP handshake proves no TLS"
        );
        line.reached(host(2), true, at(100));
        assert!(line.proves(&accusation(Phase::Tls, 100), at(101)));
    }

    #[test]
    fn proof_from_before_holds_five_minutes_while_udp_lives() {
        let mut line = Line::default();
        for second in (100..=500).step_by(5) {
            line.udp(at(second));
        }
        assert!(line.proves(&accusation(Phase::Connect, 390), at(400)));
        assert!(
            !line.proves(&accusation(Phase::Connect, 395), at(401)),
            "five minutes are over"
        );
    }

    #[test]
    fn proof_from_before_ends_when_udp_ends() {
        let mut line = Line::default();
        line.udp(at(130));
        assert!(line.proves(&accusation(Phase::Connect, 140), at(150)));
        assert!(!line.proves(&accusation(Phase::Connect, 140), at(151)));
    }

    #[test]
    fn living_udp_alone_proves_no_connection() {
        let mut line = Line::default();
        line.udp(at(100));
        let unproven = Accusation {
            proven_before: false,
            ..accusation(Phase::Connect, 100)
        };
        assert!(!line.proves(&unproven, at(101)));
    }

    #[test]
    fn another_name_that_resolved_proves_a_broken_name() {
        let mut line = Line::default();
        let unproven = |second| Accusation {
            proven_before: false,
            ..accusation(Phase::Resolve, second)
        };
        line.resolved(1, at(99));
        assert!(!line.proves_name(1, &unproven(100), at(100)));
        line.resolved(2, at(95));
        assert!(line.proves_name(1, &unproven(100), at(100)));
        assert!(!line.proves_name(1, &unproven(120), at(120)));
    }

    #[test]
    fn names_that_all_break_are_proven_by_those_that_gave_addresses_before() {
        let mut line = Line::default();
        line.resolved(1, at(95));
        assert!(line.resolved_before(at(100), CADENCE) && !line.resolved_before(at(116), CADENCE));
        line.udp(at(390));
        assert!(line.proves_name(1, &accusation(Phase::Resolve, 390), at(400)));
        line.udp(at(400));
        assert!(
            !line.proves_name(1, &accusation(Phase::Resolve, 390), at(401)),
            "five minutes are over"
        );
    }

    #[test]
    fn machine_and_prefix_are_near() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        for (one, other, expected) in [
            ("192.0.2.1", "192.0.2.200", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("2001:db8:1::1", "2001:db8:1:ffff::2", true),
            ("2001:db8:1::1", "2001:db8:2::1", false),
            ("127.0.0.1", "127.9.0.1", true),
            ("192.0.2.1", "2001:db8:1::1", false),
        ] {
            assert_eq!(is_near(parse(one), parse(other)), expected, "{one} {other}");
        }
    }

    proptest! {
        /// The oracle keeps the newest time of every key.
        #[test]
        fn newest_of_another_key_is_the_oracles(
            puts in prop::collection::vec((0u8..4, 0u64..50), 0..40),
            asked in 0u8..4,
        ) {
            let mut latest = Latest::default();
            let mut oracle: BTreeMap<u8, u64> = BTreeMap::new();
            for &(key, second) in &puts {
                latest.put(key, at(second));
                let newest = oracle.entry(key).or_insert(second);
                *newest = second.max(*newest);
            }
            let other = oracle.iter().filter(|(key, _)| **key != asked).map(|(_, second)| at(*second)).max();
            prop_assert_eq!(latest.other_than(asked), other);
            prop_assert_eq!(latest.newest(), oracle.values().map(|second| at(*second)).max());
        }
    }
}
