//! What all vantages see of one node over one family, at one instant: who may judge, and what they say.

use isochrone_proto::kind::Family;
use isochrone_proto::measurement::Phase;
use isochrone_proto::units::UnixMillis;

use super::Engine;
use super::cell::{Cell, Colour, Streak};
use super::line::{Accusation, Host};
use super::quorum::{Count, Vote};
use super::state::Verdict;
use super::vantage::of;

/// Networks of judges that spoke so many intervals ago are still counted as able to judge.
const THERE_INTERVALS: u64 = 3;
/// Failures in a row of one judge that make a node partial.
const THRICE: u32 = 3;

/// What is looked at: the way to the node, or its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matter {
    Way,
    Name,
}

/// One judge's word with its streak.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// Place of the cell.
    pub(super) cell: usize,
    pub(super) network: Option<u32>,
    pub(super) colour: Colour,
    pub(super) streak: Streak,
}

/// Everyone's words.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    pub(super) count: Count,
    pub(super) words: Vec<Word>,
    /// Somebody measures it, may they judge or not.
    pub(super) is_measured: bool,
    /// Networks that can judge now: those of the words, and of judges that spoke a moment ago.
    pub(super) networks_there: usize,
    /// Vantages that spoke a moment ago, and might judge if their words were fresh and proven.
    pub(super) judges_there: usize,
    /// Runs of a judge further apart than this are not in a row.
    apart_ms: u64,
}

/// When an outage began, by the words of those who say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Began {
    pub(super) first_red: UnixMillis,
    pub(super) last_green: UnixMillis,
    pub(super) last_red: UnixMillis,
}

/// When it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    /// The first answer with which two networks answered.
    pub(super) end: UnixMillis,
    /// The first answer after the last failure, if it is later.
    pub(super) first_green: UnixMillis,
}

impl Sight {
    pub(super) fn is_down(&self) -> bool {
        self.count.is_down(self.networks_there)
    }

    pub(super) fn is_up(&self) -> bool {
        self.count.is_up(self.networks_there, self.judges_there)
    }

    /// Whether those who spoke a moment ago are enough for a verdict.
    pub(super) fn has_judges(&self) -> bool {
        self.networks_there > 0 && self.judges_there >= 2
    }

    /// Somebody gets through now.
    pub(super) fn has_green(&self) -> bool {
        self.count.judges() > self.count.reds()
    }

    /// Every judge fails.
    pub(super) fn is_all_red(&self) -> bool {
        self.count.reds() == self.count.judges()
    }

    pub(super) fn is_possible(&self) -> bool {
        self.count.is_possible(self.networks_there)
    }

    pub(super) fn reds(&self) -> impl Iterator<Item = &Word> {
        self.words.iter().filter(|word| word.colour == Colour::Red)
    }

    /// Half of the judges fail, and more than one: it will soon be down.
    pub(super) fn suspect_since(&self) -> Option<UnixMillis> {
        let (reds, judges) = (self.count.reds(), self.count.judges());
        if reds < 2 || reds * 2 < judges {
            return None;
        }
        self.reds().map(|word| word.streak.since).min()
    }

    /// Two judges fail for three runs each.
    pub(super) fn is_partial(&self) -> bool {
        self.reds().filter(|word| word.streak.runs >= THRICE).count() >= 2
    }

    /// A judge failed twice in a row.
    pub(super) fn has_failing(&self) -> bool {
        self.reds().any(|word| word.streak.is_twice())
    }

    /// When it began, as far as the judges saw it. One that failed alone long before the others joined it proves
    /// that only from then on.
    pub(super) fn began(&self) -> Option<Began> {
        let mut firsts: Vec<UnixMillis> = self.reds().map(|word| word.streak.since).collect();
        firsts.sort_unstable();
        let complete = *firsts.get(self.count.reds_needed().checked_sub(1)?)?;
        let first_red = firsts
            .into_iter()
            .find(|first| first.0 + self.apart_ms >= complete.0)?;
        let greens = self.reds().map(|word| word.streak.before);
        let before = greens.filter(|green| *green < first_red && green.0 > 0).max();
        Some(Began {
            first_red,
            last_green: before.unwrap_or(first_red),
            last_red: self.last_red().unwrap_or(first_red),
        })
    }

    pub(super) fn last_red(&self) -> Option<UnixMillis> {
        self.reds().map(|word| word.streak.began).max()
    }

    /// When an outage with these bounds was over.
    pub(super) fn over(&self, first_red: UnixMillis, last_red: UnixMillis) -> Over {
        let greens = self
            .words
            .iter()
            .filter(|word| word.colour == Colour::Green && word.streak.since > first_red);
        let mut greens: Vec<(UnixMillis, Option<u32>)> =
            greens.map(|word| (word.streak.since, word.network)).collect();
        greens.sort_unstable();
        let first = greens.first().copied();
        let second = greens.iter().find(|(_, network)| {
            self.networks_there < 2 || first.is_some_and(|(_, of_first)| *network != of_first)
        });
        let end = second.or(first.as_ref()).map_or(last_red, |(since, _)| *since);
        let after = greens
            .iter()
            .map(|(since, _)| *since)
            .find(|since| *since > last_red);
        Over {
            end: end.max(first_red),
            first_green: after.unwrap_or(last_red).max(end),
        }
    }

    /// Whether some judge got through all along. An answer from before the first failure is no proof of it: that judge has
    /// not asked since.
    pub(super) fn gets_through(&self, first_red: UnixMillis) -> bool {
        self.words.iter().any(|word| {
            word.colour == Colour::Green && word.streak.since <= first_red && first_red < word.streak.began
        })
    }

    fn clear(&mut self) {
        self.count.clear();
        self.words.clear();
        (self.is_measured, self.networks_there, self.judges_there) = (false, 0, 0);
        self.apart_ms = 0;
    }
}

impl Engine {
    /// Fills `sight` with what is seen of `node` now, and remembers who spoke.
    pub(super) fn look(&mut self, node: usize, family: Family, matter: Matter, sight: &mut Sight) {
        sight.clear();
        let now = self.now;
        let mut there: [Option<Option<u32>>; 8] = [None; 8];
        let mut more = 0; // networks beyond those eight; enough to know that there are two
        for &place in &self.nodes[node].ways[of(family)] {
            let cell = &self.cells[place];
            sight.is_measured |= cell.is_measured(now);
            if self.is_blinded() {
                continue; // nobody may judge
            }
            let verdict = self.verdict(node, cell, matter);
            if matches!(verdict, Verdict::Own | Verdict::Sick) {
                continue;
            }
            let network = self.vantages[cell.vantage].network();
            let streak = if matter == Matter::Way {
                cell.way
            } else {
                cell.name
            };
            if verdict.counts() {
                let colour = if verdict == Verdict::Red {
                    Colour::Red
                } else {
                    Colour::Green
                };
                sight.apart_ms = sight.apart_ms.max(cell.cadence.apart_ms());
                sight.count.add(Vote {
                    network,
                    is_red: colour == Colour::Red,
                    is_twice: streak.is_twice(),
                });
                sight.words.push(Word {
                    cell: place,
                    network,
                    colour,
                    streak,
                });
            }
            let cell = &mut self.cells[place];
            if verdict.counts() {
                cell.counted = cell.counted.max(streak.began);
            }
            let there_ms = THERE_INTERVALS * cell.cadence.interval_ms + cell.cadence.timeout_ms;
            let spoke = cell.measured.max(cell.counted);
            sight.judges_there += usize::from(now.0 <= spoke.0 + there_ms);
            if now.0 <= cell.counted.0 + there_ms {
                match there
                    .iter_mut()
                    .find(|known| known.is_none_or(|known| known == network))
                {
                    Some(known) => *known = Some(network),
                    None => more = 1,
                }
            }
        }
        sight.networks_there = there.iter().flatten().count() + more;
    }

    /// Whether the node is down by those alone whose line holds elsewhere at this moment: a burst of losses on one
    /// line leaves a proof here and there.
    pub(super) fn stays_down(&mut self, node: usize, sight: &Sight) -> bool {
        if self.tallies.is_none() {
            self.tallies = Some(self.tally());
        }
        let mut count = Count::default();
        let family = sight.words.first().map(|word| self.cells[word.cell].kind.family);
        let reached = self.reached_by(node, family.map_or(0, of));
        for word in &sight.words {
            let is_red = word.colour == Colour::Red;
            if is_red && self.fails_elsewhere(&self.cells[word.cell], &reached) {
                continue;
            }
            count.add(Vote {
                network: word.network,
                is_red,
                is_twice: word.streak.is_twice(),
            });
        }
        count.is_down(sight.networks_there)
    }

    /// What one vantage says of a node now.
    pub(super) fn verdict(&self, node: usize, cell: &Cell, matter: Matter) -> Verdict {
        let vantage = &self.vantages[cell.vantage];
        let line = &vantage.lines[of(cell.kind.family)];
        if !self.may_judge(node, cell) {
            return Verdict::Own;
        }
        if line.is_sick(self.now) {
            return Verdict::Sick;
        }
        let streak = if matter == Matter::Way {
            &cell.way
        } else {
            &cell.name
        };
        let is_proven = match cell.fresh(streak, self.now) {
            None => return Verdict::Silent,
            Some(Colour::Green) => return Verdict::Green,
            Some(Colour::Red) => {
                let host = cell.host;
                let accusation = Accusation {
                    host: host.map(|address| Host::of(self.is_one_place, cell.target, address)),
                    phase: cell
                        .failure
                        .as_ref()
                        .map_or(Phase::Connect, |failure| failure.phase),
                    began: streak.began,
                    first: streak.since,
                    proven_before: match matter {
                        Matter::Way => cell.proven_before,
                        Matter::Name => cell.named_before,
                    },
                    cadence: cell.cadence,
                };
                match matter {
                    Matter::Way => line.proves(&accusation, self.now),
                    Matter::Name => line.proves_name(node, &accusation, self.now),
                }
            }
        };
        if is_proven {
            Verdict::Red
        } else {
            Verdict::Unproven
        }
    }

    /// Whether a vantage may judge a node at all: it is none of its worker's, and not on its server.
    pub(super) fn may_judge(&self, node: usize, cell: &Cell) -> bool {
        let (vantage, node) = (&self.vantages[cell.vantage], &self.nodes[node]);
        let worker = node.worker;
        let is_own = worker.is_some() && worker == vantage.worker;
        let address = vantage.addresses[of(cell.kind.family)];
        let is_there = !self.is_one_place && address.is_some() && address == cell.host;
        vantage.is_active() && !is_own && !is_there
    }
}
