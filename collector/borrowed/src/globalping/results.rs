//! Measurements: who measured, and what it says of a target.

use std::io::{self, Read};
use std::net::IpAddr;

use isochrone_proto::units::UnixMillis;

use super::raw::{RawItem, RawProbe, RawResult, RawStats, Timings};
use crate::family::Family;
use crate::items::{Attempt, Depth, Items, Taker};
use crate::measurement::{
    Answer, Cause, Echoes, Exchange, Failure, Kind, Measured, MeasurementId, Micros, Outcome,
};
use crate::refusals::{Refusals, Where};
use crate::targets::Targets;
use crate::time::credible;
use crate::unfit::{Unfit, excerpt};
use crate::values::Number;
use crate::vantage::{Access, Place, Platform, Vantage, country};

/// Measurements of Globalping (ping, mtr, http), one or many.
pub struct GlobalpingResults<'r, R> {
    items: Items<R>,
    state: State<'r>,
}

impl<'r, R: Read> GlobalpingResults<'r, R> {
    /// The measurements of `file` that are of `targets`. `now` is this machine's time.
    pub fn new(file: R, targets: &'r Targets, now: UnixMillis) -> Self {
        Self {
            items: Items::new(file, &["results"]),
            state: State {
                targets,
                now,
                refusals: Refusals::default(),
                head: Head::default(),
                seen: Vec::new(),
                begins: Where { line: 1, byte: 0 },
            },
        }
    }

    /// Reads up to `most` results and gives those that are taken to `each`, a whole measurement at a time; whether there
    /// may be more.
    ///
    /// # Errors
    /// When the file cannot be read any further; what was given stays true.
    pub fn read(&mut self, most: usize, each: impl FnMut(Where, &Measured<'_>)) -> io::Result<bool> {
        let state = &mut self.state;
        self.items.read(most, &mut MeasurementTaker { state, each })
    }

    /// What was not taken so far.
    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.state.refusals
    }
}

struct State<'r> {
    targets: &'r Targets,
    now: UnixMillis,
    refusals: Refusals,
    /// Of the measurement that is being read.
    head: Head,
    /// Its results: what they are of may stand behind them.
    seen: Vec<(Where, Seen)>,
    begins: Where,
}

/// What is said once for all results of a measurement.
#[derive(Default)]
struct Head {
    id: Option<String>,
    kind: Option<String>,
    target: Option<String>,
    created: Option<String>,
    /// It has what only a result of RIPE Atlas has.
    is_atlas: bool,
    is_error: bool,
}

impl Head {
    /// What it is instead of a measurement with results.
    const fn instead(&self) -> Option<&'static str> {
        match (&self.id, &self.kind, &self.target) {
            (None, ..) if self.is_atlas => Some("a result of RIPE Atlas, which `import atlas` takes in"),
            (None, ..) if self.is_error => {
                Some("an error that Globalping answered: is the id right, and not older than a week?")
            }
            (Some(_), None, None) => Some(
                "the answer to a request: fetch the measurement, \
                 https://api.globalping.io/v1/measurements/ID",
            ),
            _ => None,
        }
    }
}

/// A result whose target is not known yet.
struct Seen {
    vantage: Vantage,
    address: Option<IpAddr>,
    /// What it would be as each kind.
    as_ping: Result<Outcome, Unfit<'static>>,
    as_mtr: Result<Outcome, Unfit<'static>>,
    as_http: Result<Outcome, Unfit<'static>>,
}

struct MeasurementTaker<'t, 'r, F> {
    state: &'t mut State<'r>,
    each: F,
}

impl<F: FnMut(Where, &Measured<'_>)> Taker for MeasurementTaker<'_, '_, F> {
    fn object(&mut self, at: Where, depth: Depth, bytes: &[u8]) -> Attempt {
        if depth == Depth::Top {
            self.state.begins = at;
            return Attempt::Enter;
        }
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<RawItem<'_>>();
        match values.next() {
            Some(Ok(item)) => {
                match seen(&item) {
                    Ok(_) if self.state.seen.len() >= RESULTS_MAX => {
                        let unfit = Unfit::TooMany("results of one measurement");
                        self.state.refusals.add(at, &unfit);
                    }
                    Ok(seen) => self.state.seen.push((at, seen)),
                    Err(unfit) => self.state.refusals.add(at, &unfit),
                }
                Attempt::Done(values.byte_offset())
            }
            Some(Err(error)) if error.is_eof() => Attempt::Short,
            Some(Err(error)) => Attempt::Broken(error.to_string()),
            None => Attempt::Short,
        }
    }

    fn pair(&mut self, key: &str, value: &[u8]) {
        let head = &mut self.state.head;
        let field = match key {
            "id" => &mut head.id,
            "type" => &mut head.kind,
            "target" => &mut head.target,
            "createdAt" => &mut head.created,
            "msm_id" => {
                head.is_atlas = true;
                return;
            }
            "error" => {
                head.is_error = true;
                return;
            }
            _ => return,
        };
        *field = serde_json::from_slice(value).ok();
    }

    fn close(&mut self) {
        let head = std::mem::take(&mut self.state.head);
        let seen = std::mem::take(&mut self.state.seen);
        let begins = self.state.begins;
        if let Err(unfit) = self.give(&head, seen) {
            self.state.refusals.add(begins, &unfit);
        }
    }

    fn refuse(&mut self, at: Where, unfit: &Unfit<'_>) {
        self.state.refusals.add(at, unfit);
    }

    fn is_wanted(&self, _: &str) -> bool {
        false
    }
}

impl<F: FnMut(Where, &Measured<'_>)> MeasurementTaker<'_, '_, F> {
    /// A whole measurement.
    fn give<'h>(&mut self, head: &'h Head, seen: Vec<(Where, Seen)>) -> Result<(), Unfit<'h>> {
        if let Some(what) = head.instead() {
            return Err(Unfit::WrongFile(what));
        }
        let id = head.id.as_deref().ok_or(Unfit::Missing("id"))?;
        let is_id = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_id {
            return Err(Unfit::Field {
                field: "id",
                wanted: "1 to 64 letters and digits are wanted",
            });
        }
        let kind = head.kind.as_deref().ok_or(Unfit::Missing("type"))?;
        let outcome: fn(Seen) -> Result<Outcome, Unfit<'static>> = match kind {
            "ping" => |seen| seen.as_ping,
            "mtr" => |seen| seen.as_mtr,
            "http" => |seen| seen.as_http,
            other => return Err(Unfit::OtherKind(other)),
        };
        let host = head.target.as_deref().ok_or(Unfit::Missing("target"))?;
        let targets = self.state.targets;
        let target = targets.find(host).ok_or(Unfit::OtherTarget(host))?;
        let created = head.created.as_deref().ok_or(Unfit::Missing("createdAt"))?;
        let created: jiff::Timestamp = created.parse().map_err(|_| NO_TIME)?;
        let at = UnixMillis(u64::try_from(created.as_millisecond()).map_err(|_| NO_TIME)?);
        let at = credible(at, self.state.now)?;
        for (part, (place, seen)) in (0..).zip(seen) {
            let (vantage, address) = (seen.vantage.clone(), seen.address);
            let outcome = match outcome(seen) {
                Ok(outcome) => outcome,
                Err(unfit) => {
                    self.state.refusals.add(place, &unfit);
                    continue;
                }
            };
            let measured = Measured {
                vantage: &vantage,
                measurement: MeasurementId::Name(id),
                part,
                at,
                kind: if kind == "http" { Kind::Http } else { Kind::Ping },
                family: address.map(Family::of),
                target,
                address,
                outcome,
            };
            (self.each)(place, &measured);
        }
        Ok(())
    }
}

fn seen(item: &RawItem<'_>) -> Result<Seen, Unfit<'static>> {
    let vantage = vantage(&item.probe)?;
    let result = &item.result;
    let address = result.resolved_address.get().parse().ok();
    let (as_ping, as_mtr, as_http) = match result.status.get() {
        "finished" => (ping(&result.stats, &result.timings), mtr(result), http(result)),
        "failed" => (failed(), failed(), failed()),
        "in-progress" => return Err(Unfit::InProgress),
        "offline" => return Err(Unfit::Offline),
        "" => return Err(Unfit::Missing("status")),
        _ => {
            return Err(Unfit::Field {
                field: "status",
                wanted: "finished, failed, offline or in-progress is wanted",
            });
        }
    };
    Ok(Seen {
        vantage,
        address,
        as_ping,
        as_mtr,
        as_http,
    })
}

/// The platform says nothing of why but in its tool's own words, which are not to be parsed.
fn failed() -> Result<Outcome, Unfit<'static>> {
    Ok(failure(Cause::Other, 0))
}

fn failure(cause: Cause, sent: u16) -> Outcome {
    Outcome::Failed(Failure {
        cause,
        sent,
        words: String::new(),
    })
}

fn ping(stats: &RawStats, timings: &Timings) -> Result<Outcome, Unfit<'static>> {
    let count = |field, number: Number| {
        u16::try_from(number.required(field)?).map_err(|_| Unfit::Field {
            field,
            wanted: "a number of packets is wanted",
        })
    };
    let (sent, received) = (count("total", stats.total)?, count("rcv", stats.rcv)?);
    if received > sent {
        return Err(Unfit::Field {
            field: "rcv",
            wanted: "no more packets come back than were sent",
        });
    }
    if received == 0 {
        return Ok(failure(Cause::NoReply, sent));
    }
    let min = stats.min.millis("min")?.ok_or(Unfit::Missing("min"))?;
    // packets are told to a tenth of a millisecond, the shortest to a thousandth
    let median = Micros::median(&timings.rtts).map(|median| median.max(min));
    Ok(Outcome::Answered(Answer::Ping(Echoes {
        min,
        median,
        sent,
        received,
    })))
}

/// The last hop is the target, where it answered.
fn mtr(result: &RawResult<'_>) -> Result<Outcome, Unfit<'static>> {
    let address = result.resolved_address.some();
    let hop = result
        .hops
        .last()
        .filter(|hop| hop.resolved_address.some() == address && address.is_some());
    match hop {
        Some(hop) => ping(&hop.stats, &hop.timings),
        None => Ok(failure(Cause::NoReply, 0)),
    }
}

fn http(result: &RawResult<'_>) -> Result<Outcome, Unfit<'static>> {
    let status = u16::try_from(result.status_code.required("statusCode")?).ok();
    let status = status
        .filter(|status| (100..600).contains(status))
        .ok_or(Unfit::Field {
            field: "statusCode",
            wanted: "a status of HTTP is wanted",
        })?;
    let timings = &result.timings.http;
    let whole = timings.total.millis("total")?.ok_or(Unfit::Missing("total"))?;
    Ok(Outcome::Answered(Answer::Http(Exchange {
        connect: rounded("tcp", timings.tcp)?,
        tls: rounded("tls", timings.tls)?,
        first_byte: rounded("firstByte", timings.first_byte)?,
        whole,
        status,
    })))
}

/// Whole milliseconds: 0 is a time that is not known, because it was shorter than that.
fn rounded(field: &'static str, millis: Number) -> Result<Option<Micros>, Unfit<'static>> {
    match millis {
        Number::Is(0.0) => Ok(None),
        other => other.millis(field),
    }
}

fn vantage(probe: &RawProbe<'_>) -> Result<Vantage, Unfit<'static>> {
    let place = probe.latitude.some().zip(probe.longitude.some());
    let place = place.and_then(|(latitude, longitude)| Place::at(latitude, longitude));
    let place = place.ok_or(Unfit::NoPlace)?;
    let has = |word| probe.tags.iter().any(|tag| tag.get() == word);
    let access = match (has("eyeball-network"), has("datacenter-network")) {
        (true, false) => Access::Eyeball,
        (false, true) => Access::DataCentre,
        (true, true) | (false, false) => Access::Unknown,
    };
    let network = probe
        .asn
        .whole()
        .and_then(|asn| u32::try_from(asn).ok())
        .filter(|asn| *asn > 0);
    let city = probe.city.some().map(excerpt);
    let country = country(probe.country.get());
    let id = [
        city.clone()
            .unwrap_or_else(|| format!("{:.2} {:.2}", place.latitude, place.longitude)),
        country.clone().unwrap_or_default(),
        network.map_or_else(String::new, |network| format!("AS{network}")),
        access.word().to_owned(),
    ];
    let id: Vec<_> = id.into_iter().filter(|part| !part.is_empty()).collect();
    Ok(Vantage {
        platform: Platform::Globalping,
        id: id.join(", "),
        place: Place {
            city,
            country,
            ..place
        },
        network_v4: network,
        network_v6: network,
        access,
    })
}

const NO_TIME: Unfit<'static> = Unfit::Field {
    field: "createdAt",
    wanted: "a time such as 2026-11-29T12:00:00.000Z is wanted",
};
/// The API gives 500 at most.
const RESULTS_MAX: usize = 1_000;

#[cfg(test)]
mod tests;
