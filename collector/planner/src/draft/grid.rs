//! The grid of one node's calls: evenly spaced, within the node's budget, and every vantage on a seat of its own
//! that stays where it is when others come and go.
//!
//! The connect check asks at an interval of its own: each seat is a phase in it, and the seats are filled so that
//! those taken are spread. Status and asset go round: the grid's points are shared out as buckets are in linear
//! hashing. Seat k of n has every 2^m-th point from the k-th, or every second of those once a later seat halves
//! its share. So all points have a vantage whatever n is, and one that joins halves the share of one other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::limits::{
    ENDPOINT_INTERVAL_MIN_MS, INTERVAL_MAX_MS, THROUGHPUT_BYTES, THROUGHPUT_INTERVAL_MIN_MS,
};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::UnixMillis;

use super::affinity::Mark;
use crate::pace::{Budget, Pace, millis};
use crate::targets::{Node, NodeKind};

/// A node has at least so many seats, at a longer interval if its budget wants that: fewer vantages cannot tell
/// a node's failure from their own.
const SEATS_MIN: u32 = 4;
/// An asset that is downloaded again at each GET is asked for so many times less often.
const DOWNLOADS_SLOWER: u32 = 4;
const MINUTE_MS: u32 = 60_000;
const DAY_MS: u32 = 86_400_000;

/// When whose turn it is to ask a node.
pub(super) struct Grid<'a> {
    node: &'a Node,
    mark: Mark,
    connect_ms: u32,
    seats: u32,
    rounds: Vec<Round>,
}

/// Checks that the vantages make in turn: one point of the grid is one vantage's turn.
struct Round {
    checks: &'static [Check],
    /// Between two turns.
    step_ms: u32,
    /// Between two turns of one vantage at least.
    floor_ms: u32,
}

/// What the checks of a node cost it.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The node's name.
    pub node: String,
    /// How many probes check it.
    pub vantages: usize,
    /// Between two connect checks of one vantage, in milliseconds.
    pub connect_interval_ms: u32,
    /// Calls of its status (or of a plain web server's page) a minute, from all of them.
    pub status: f64,
    /// Asset calls a minute: HEAD and GET, over every family.
    pub asset: f64,
    /// Connect checks a minute.
    pub connect: f64,
    /// Throughput checks a day, over every family.
    pub throughput: f64,
}

impl<'a> Grid<'a> {
    /// The grid of `node`, all its intervals multiplied by `factor`. `downloads`: its asset is downloaded again
    /// and again.
    pub(super) fn new(node: &'a Node, pace: &Pace, factor: f64, downloads: bool) -> Self {
        let families = node.families.len() as u32;
        let asked_ms = millis(node.interval.unwrap_or(pace.connect_interval));
        let per_seat_ms = MINUTE_MS * families;
        let within = u64::from(pace.budget.connect) * u64::from(asked_ms) / u64::from(per_seat_ms);
        let seats = u32::try_from(within).unwrap_or(u32::MAX).max(SEATS_MIN);
        let needed_ms = (u64::from(seats) * u64::from(per_seat_ms)).div_ceil(u64::from(pace.budget.connect));
        let connect_ms = asked_ms.max(u32::try_from(needed_ms).unwrap_or(INTERVAL_MAX_MS));
        let rounds = rounds_of(node, &pace.budget, downloads).map(|round| Round {
            step_ms: stretched(round.step_ms, factor),
            ..round
        });
        Self {
            node,
            mark: Mark::of_name(&node.name),
            connect_ms: stretched(connect_ms, factor),
            seats,
            rounds: rounds.collect(),
        }
    }

    /// Whose grid it is.
    pub(super) fn node_name(&self) -> &str {
        &self.node.name
    }

    /// How many vantages have a seat.
    pub(super) fn seats(&self) -> usize {
        self.seats as usize
    }

    /// What `vantages` cost the node.
    pub(super) fn load(&self, vantages: usize) -> Load {
        let per_minute = |interval_ms: u32| f64::from(MINUTE_MS) / f64::from(interval_ms);
        let families = self.node.families.len() as f64;
        let (mut status, mut asset, mut throughput) = (0.0, 0.0, 0.0);
        for round in &self.rounds {
            let seats = (0..vantages as u32).filter_map(|seat| round.share(seat, vantages));
            let turns: f64 = seats
                .map(|points| per_minute(points.saturating_mul(round.step_ms)))
                .sum();
            let calls = turns * round.checks.len() as f64 * families;
            match round.checks[0] {
                Check::Throughput => throughput += calls * f64::from(DAY_MS / MINUTE_MS),
                check if check.is_asset() => asset += calls,
                _ => status += calls,
            }
        }
        Load {
            node: self.node.name.clone(),
            vantages,
            connect_interval_ms: self.connect_ms,
            status,
            asset,
            connect: vantages as f64 * families * per_minute(self.connect_ms),
            throughput,
        }
    }

    /// The checks of every seat, if the first `taken` are taken.
    pub(super) fn checks(&self, taken: usize) -> Vec<Vec<(Kind, Schedule)>> {
        let phases = self.phases(taken);
        let checks = (0..).zip(phases).map(|(seat, phase)| {
            let mut checks = self.connects(phase);
            for (number, round) in (0..).zip(&self.rounds) {
                checks.extend(self.turns(number, round, seat, taken));
            }
            checks
        });
        checks.collect()
    }

    fn connects(&self, phase: u32) -> Vec<(Kind, Schedule)> {
        let families = self.node.families.len() as u64;
        let base = u64::from(self.mark.number(0, self.connect_ms));
        let points = u64::from(self.seats) * families;
        let checks = (0..).zip(&self.node.families).map(|(place, family)| {
            let point = u64::from(phase) * families + place;
            let offset = base + u64::from(self.connect_ms) * point / points;
            line(Check::Connect, *family, self.connect_ms, offset)
        });
        checks.collect()
    }

    fn turns(&self, number: u64, round: &Round, seat: u32, taken: usize) -> Vec<(Kind, Schedule)> {
        let Some(share) = round.share(seat, taken) else {
            return Vec::new();
        };
        let interval_ms = share * round.step_ms;
        let first = self.first_turn(number, seat, round);
        let calls = (round.checks.len() * self.node.families.len()) as u64;
        let kinds = self
            .node
            .families
            .iter()
            .flat_map(|family| round.checks.iter().map(move |check| (*check, *family)));
        let checks = (0..).zip(kinds).map(|(place, (check, family))| {
            let offset = first + u64::from(round.step_ms) * place / calls;
            line(check, family, interval_ms, offset)
        });
        checks.collect()
    }

    /// When the turn of `seat` comes first in a round.
    fn first_turn(&self, number: u64, seat: u32, round: &Round) -> u64 {
        let base = self.mark.number(1 + number, round.step_ms);
        u64::from(base) + u64::from(seat) * u64::from(round.step_ms)
    }

    /// The seat of a vantage whose plan has this check on the grid: what a collector that starts knows of the
    /// seats. `None` if the check lies on no seat of this grid, or is not the first of a turn.
    pub(super) fn seat_of(&self, kind: Kind, schedule: &Schedule) -> Option<usize> {
        let round = self.rounds.first()?;
        if kind != Kind::new(round.checks[0], *self.node.families.first()?) {
            return None;
        }
        let interval_ms = u64::from(schedule.interval_ms());
        let offset_ms = schedule.first_from(UnixMillis(0)).0;
        let after_first = (offset_ms + interval_ms).checked_sub(self.first_turn(0, 0, round))? % interval_ms;
        let step_ms = u64::from(round.step_ms);
        let lies_on_it = interval_ms.is_multiple_of(step_ms) && after_first.is_multiple_of(step_ms);
        usize::try_from(after_first / step_ms).ok().filter(|_| lies_on_it)
    }

    /// Where in the connect interval the first `taken` seats are, in seats: each in the middle of the widest gap.
    fn phases(&self, taken: usize) -> Vec<u32> {
        let mut phases = vec![0];
        let mut gaps = BinaryHeap::from([(self.seats, Reverse(0))]);
        while phases.len() < taken.min(self.seats()) {
            let Some((width, Reverse(start))) = gaps.pop() else {
                break;
            };
            let half = width / 2;
            phases.push(start + half);
            gaps.push((half, Reverse(start)));
            gaps.push((width - half, Reverse(start + half)));
        }
        phases.truncate(taken);
        phases
    }
}

impl Round {
    /// How many points of the grid lie between two turns of `seat`, where `vantages` sit; `None` if it has no turn.
    fn share(&self, seat: u32, vantages: usize) -> Option<u32> {
        let most = 1_u32 << (INTERVAL_MAX_MS / self.step_ms).max(1).ilog2(); // a turn a day at least
        let vantages = u32::try_from(vantages).unwrap_or(u32::MAX).min(most);
        if seat >= vantages {
            return None;
        }
        let half = 1 << vantages.ilog2();
        let is_halved = seat >= half || seat < vantages - half;
        let share = if is_halved { 2 * half } else { half };
        let floor = self.floor_ms.div_ceil(self.step_ms).next_power_of_two();
        Some(share.max(floor))
    }
}

/// What is asked of a node besides connecting, and how often. How fast it sends is not measured where its asset is
/// downloaded again each time: that would be its source's pace.
fn rounds_of(node: &Node, budget: &Budget, downloads: bool) -> impl Iterator<Item = Round> {
    let families = node.families.len() as u32;
    let per_minute = |checks: &'static [Check], budget: u32, slower: u32| Round {
        checks,
        step_ms: (MINUTE_MS * checks.len() as u32 * families).div_ceil(budget) * slower,
        floor_ms: ENDPOINT_INTERVAL_MIN_MS,
    };
    let page: &[Check] = match node.kind {
        NodeKind::Argus => &[Check::Status],
        NodeKind::Http => &[Check::Http],
    };
    let slower = if downloads { DOWNLOADS_SLOWER } else { 1 };
    let has_asset = node.kind == NodeKind::Argus && node.asset.is_some();
    let asset = has_asset.then(|| per_minute(&[Check::AssetHead, Check::AssetGet], budget.asset, slower));
    let is_asked = has_asset && !downloads && budget.throughput > 0;
    let throughput = is_asked.then(|| Round {
        checks: &[Check::Throughput],
        step_ms: throughput_step_ms(families, budget.throughput),
        floor_ms: THROUGHPUT_INTERVAL_MIN_MS * families, // four times a day, whatever the family
    });
    let page = per_minute(page, budget.status, 1);
    [page].into_iter().chain(asset).chain(throughput)
}

/// Between two turns, each a range over every family: as many whole ones as any day's bytes allow.
fn throughput_step_ms(families: u32, bytes_a_day: u64) -> u32 {
    let turns = bytes_a_day / (u64::from(THROUGHPUT_BYTES) * u64::from(families));
    DAY_MS.div_ceil(u32::try_from(turns).unwrap_or(u32::MAX).max(1))
}

fn line(check: Check, family: Family, interval_ms: u32, offset_ms: u64) -> (Kind, Schedule) {
    let offset_ms = (offset_ms % u64::from(interval_ms)) as u32; // below a u32
    let schedule = Schedule::new(interval_ms, offset_ms, check.timeout_ms())
        .expect("intervals and timeouts are within the bounds that config and targets enforce");
    (Kind::new(check, family), schedule)
}

/// `interval_ms` under a stretch, rounded up.
pub(super) fn stretched(interval_ms: u32, factor: f64) -> u32 {
    let stretched = (f64::from(interval_ms) * factor).ceil();
    (stretched as u32).clamp(interval_ms, INTERVAL_MAX_MS) // `as` saturates
}
