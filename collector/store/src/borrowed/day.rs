//! The measurements of one vantage, host and UTC day, as they are kept.

use isochrone_borrowed::{
    Answer, Cause, Echoes, Exchange, Failure, Family, Handshake, Kind, Micros, Outcome,
};
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{BorrowedSeen, DAY_MS};

/// A day as it is kept: about 40 bytes a measurement. [`FORMAT`] says what rows mean; a new meaning gets a new number of
/// [`Row`], and a new shape a table of its own, so that an older build leaves out what it does not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DayRecord {
    format: u8,
    /// Measurements as their platform calls them, in the order in which they came.
    measurements: Vec<String>,
    /// By time, measurement and part.
    rows: Vec<Row>,
}

/// Milliseconds since the day began; place in `measurements`; part; kind, family and what became of it in a number; what
/// was measured.
type Row = (u32, u16, u16, u8, Vec<u32>);

/// What became of one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    New,
    Known,
    /// Another of the same identity is kept.
    Contradicts,
}

impl Default for DayRecord {
    fn default() -> Self {
        Self {
            format: FORMAT,
            measurements: Vec::new(),
            rows: Vec::new(),
        }
    }
}

impl DayRecord {
    pub(super) fn add(&mut self, run: &BorrowedSeen) -> Added {
        let at = (run.at.0 % DAY_MS) as u32;
        let known = self.measurements.iter().position(|name| *name == run.measurement);
        let Ok(measurement) = u16::try_from(known.unwrap_or(self.measurements.len())) else {
            return Added::Contradicts; // 65,536 measurements of one host in a day: nobody pays for them
        };
        let (what, values) = encode(run);
        let identity = (at, measurement, run.part);
        let found = self
            .rows
            .binary_search_by_key(&identity, |row| (row.0, row.1, row.2));
        match found {
            Ok(place) if (self.rows[place].3, &self.rows[place].4) == (what, &values) => Added::Known,
            Ok(_) => Added::Contradicts,
            Err(place) => {
                if known.is_none() {
                    self.measurements.push(run.measurement.clone());
                }
                self.rows.insert(place, (at, measurement, run.part, what, values));
                Added::New
            }
        }
    }

    /// Takes out the rows of one measurement; how many there were.
    pub(super) fn remove(&mut self, measurement: &str) -> u64 {
        let Some(place) = self.measurements.iter().position(|name| name == measurement) else {
            return 0;
        };
        let before = self.rows.len();
        self.rows.retain(|row| usize::from(row.1) != place); // its name stays: the other rows' numbers hold
        (before - self.rows.len()) as u64
    }

    /// When its first row and its last one were measured, and how many there are; `start` is the day's first instant.
    pub(super) fn span(&self, start: UnixMillis) -> Option<(UnixMillis, UnixMillis, u64)> {
        let at = |row: &Row| UnixMillis(start.0 + u64::from(row.0));
        let (first, last) = (self.rows.first()?, self.rows.last()?);
        Some((at(first), at(last), self.rows.len() as u64))
    }

    /// What it holds, in order of time; `start` is the day's first instant. What another build wrote and this one does not
    /// know is left out.
    pub(super) fn runs(&self, start: UnixMillis) -> impl Iterator<Item = BorrowedSeen> + '_ {
        let rows = self.rows.iter().filter(|_| self.format == FORMAT);
        rows.filter_map(move |(at, measurement, part, what, values)| {
            let (kind, family, outcome) = decode(*what, values)?;
            Some(BorrowedSeen {
                at: UnixMillis(start.0 + u64::from(*at)),
                measurement: self.measurements.get(usize::from(*measurement))?.clone(),
                part: *part,
                kind,
                family,
                outcome,
            })
        })
    }
}

/// The number is kind + 3 × family + 9 × what became of it. 0 stands for a time that is not known.
fn encode(run: &BorrowedSeen) -> (u8, Vec<u32>) {
    let known = |micros: Option<Micros>| micros.map_or(0, Micros::get);
    let (became, values) = match &run.outcome {
        Outcome::Answered(Answer::Ping(echoes)) => {
            let counts = [u32::from(echoes.sent), u32::from(echoes.received)];
            (
                0,
                vec![echoes.min.get(), known(echoes.median), counts[0], counts[1]],
            )
        }
        Outcome::Answered(Answer::Tls(handshake)) => {
            (0, vec![known(handshake.connect), handshake.whole.get()])
        }
        Outcome::Answered(Answer::Http(exchange)) => {
            let parts = [exchange.connect, exchange.tls, exchange.first_byte].map(known);
            let whole = [exchange.whole.get(), u32::from(exchange.status)];
            (0, [&parts[..], &whole[..]].concat())
        }
        Outcome::Failed(failure) => {
            let cause = CAUSES.iter().position(|cause| *cause == failure.cause);
            (1 + cause.unwrap_or_default() as u8, vec![u32::from(failure.sent)])
        }
    };
    let kind = KINDS
        .iter()
        .position(|kind| *kind == run.kind)
        .unwrap_or_default() as u8;
    let family = run.family.map_or(0, |family| match family {
        Family::V4 => 1,
        Family::V6 => 2,
    });
    (kind + 3 * family + 9 * became, values)
}

fn decode(what: u8, values: &[u32]) -> Option<(Kind, Option<Family>, Outcome)> {
    let kind = KINDS[usize::from(what % 3)];
    let family = [None, Some(Family::V4), Some(Family::V6)][usize::from(what / 3 % 3)];
    let time = |us: u32| Micros::try_from(us).ok();
    let count = |count: u32| u16::try_from(count).ok();
    let outcome = match (what / 9, kind, values) {
        (0, Kind::Ping, &[min, median, sent, received]) => Outcome::Answered(Answer::Ping(Echoes {
            min: time(min)?,
            median: time(median),
            sent: count(sent)?,
            received: count(received)?,
        })),
        (0, Kind::Tls, &[connect, whole]) => Outcome::Answered(Answer::Tls(Handshake {
            connect: time(connect),
            whole: time(whole)?,
        })),
        (0, Kind::Http, &[connect, tls, first_byte, whole, status]) => {
            Outcome::Answered(Answer::Http(Exchange {
                connect: time(connect),
                tls: time(tls),
                first_byte: time(first_byte),
                whole: time(whole)?,
                status: count(status)?,
            }))
        }
        (became @ 1.., _, &[sent]) => Outcome::Failed(Failure {
            cause: *CAUSES.get(usize::from(became) - 1)?,
            sent: count(sent)?,
            words: String::new(),
        }),
        _ => return None,
    };
    Some((kind, family, outcome))
}

/// Of rows as they are written today.
const FORMAT: u8 = 1;
const KINDS: [Kind; 3] = [Kind::Ping, Kind::Tls, Kind::Http];
const CAUSES: [Cause; 5] = [
    Cause::NoReply,
    Cause::Resolve,
    Cause::Connect,
    Cause::Tls,
    Cause::Other,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn us(us: u32) -> Micros {
        Micros::try_from(us).unwrap()
    }

    fn seen(at: u64, kind: Kind, outcome: Outcome) -> BorrowedSeen {
        BorrowedSeen {
            at: UnixMillis(at),
            measurement: "90000001".to_owned(),
            part: 0,
            kind,
            family: Some(Family::V6),
            outcome,
        }
    }

    fn echoes(min: u32, median: Option<Micros>) -> Outcome {
        Outcome::Answered(Answer::Ping(Echoes {
            min: us(min),
            median,
            sent: 3,
            received: 2,
        }))
    }

    #[test]
    fn every_outcome_comes_back_as_it_went_in_but_for_its_words() {
        let failed = |cause| {
            Outcome::Failed(Failure {
                cause,
                sent: 3,
                words: "words".to_owned(),
            })
        };
        let exchange = |connect, tls| {
            Outcome::Answered(Answer::Http(Exchange {
                connect,
                tls,
                first_byte: Some(us(7)),
                whole: us(9),
                status: 503,
            }))
        };
        let handshake = |connect| {
            Outcome::Answered(Answer::Tls(Handshake {
                connect,
                whole: us(8),
            }))
        };
        let mut all = vec![
            seen(1, Kind::Ping, echoes(5, Some(us(6)))),
            seen(2, Kind::Ping, echoes(5, None)),
            seen(3, Kind::Tls, handshake(Some(us(4)))),
            seen(4, Kind::Tls, handshake(None)),
            seen(5, Kind::Http, exchange(Some(us(4)), None)),
            seen(6, Kind::Http, exchange(None, Some(us(1)))),
        ];
        for (at, cause) in (7..).zip(CAUSES) {
            all.push(seen(at, KINDS[at as usize % 3], failed(cause)));
        }
        all[0].family = None;
        all[1].family = Some(Family::V4);
        let mut day = DayRecord::default();
        for run in all.iter().rev() {
            assert_eq!(day.add(run), Added::New);
            assert_eq!(day.add(run), Added::Known);
        }
        for run in &mut all {
            if let Outcome::Failed(failure) = &mut run.outcome {
                failure.words.clear();
            }
        }
        let json = serde_json::to_string(&day).unwrap();
        let day: DayRecord = serde_json::from_str(&json).unwrap();
        assert_eq!(day.runs(UnixMillis(0)).collect::<Vec<_>>(), all);
        assert_eq!(day.measurements.len(), 1);
    }

    #[test]
    fn row_that_contradicts_is_not_taken_and_part_measurement_and_time_tell_rows_apart() {
        let mut day = DayRecord::default();
        let first = seen(1, Kind::Ping, echoes(5, None));
        assert_eq!(day.add(&first), Added::New);
        let mut other = seen(1, Kind::Ping, echoes(6, None));
        assert_eq!(day.add(&other), Added::Contradicts);
        other.part = 1;
        assert_eq!(day.add(&other), Added::New);
        other.part = 0;
        other.measurement = "90000002".to_owned();
        assert_eq!(day.add(&other), Added::New);
        assert_eq!(day.runs(UnixMillis(0)).count(), 3);
        assert_eq!(day.runs(UnixMillis(0)).next(), Some(first));
    }

    #[test]
    fn number_that_nobody_knows_is_left_out_and_so_is_another_format() {
        for what in 0..=u8::MAX {
            for values in [
                &[][..],
                &[1],
                &[1, 2],
                &[5, 5, 3, 2],
                &[1, 2, 3, 4, 200],
                &[0, 0, 0, 0, 0, 0],
            ] {
                let Some((kind, family, outcome)) = decode(what, values) else {
                    continue;
                };
                let mut run = seen(1, kind, outcome);
                run.family = family;
                assert_eq!(encode(&run), (what, values.to_vec()), "{run:?}");
            }
        }
        let newer = r#"{"format":2,"measurements":["1"],"rows":[[1,0,0,0,[5,5,3,2]]],"more":[{}]}"#;
        let newer: DayRecord = serde_json::from_str(newer).unwrap();
        assert_eq!(newer.runs(UnixMillis(0)).count(), 0);
    }
}
