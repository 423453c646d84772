//! Results of measurements: what they say of a target.

use std::io::{self, Read};
use std::net::IpAddr;

use isochrone_proto::units::UnixMillis;

use super::Probes;
use super::outcome::outcome;
use super::raw::RawResult;
use crate::family::Family;
use crate::items::{Attempt, Depth, Items, Taker};
use crate::measurement::{Kind, Measured, MeasurementId};
use crate::refusals::{Refusals, Where};
use crate::targets::{Targets, host_of};
use crate::time::credible;
use crate::unfit::Unfit;
use crate::values::Number;

/// Results of RIPE Atlas, as its API gives them (an array, or a line each) or its stream does.
pub struct AtlasResults<'r, R> {
    items: Items<R>,
    probes: &'r Probes,
    targets: &'r Targets,
    now: UnixMillis,
    refusals: Refusals,
}

impl<'r, R: Read> AtlasResults<'r, R> {
    /// The results of `file` that used `probes` measured of `targets`. `now` is this machine's time.
    pub fn new(file: R, probes: &'r Probes, targets: &'r Targets, now: UnixMillis) -> Self {
        Self {
            items: Items::new(file, &[]),
            probes,
            targets,
            now,
            refusals: Refusals::default(),
        }
    }

    /// Reads up to `most` results and gives those that are taken to `each`; whether there may be more.
    ///
    /// # Errors
    /// When the file cannot be read any further; what was given stays true.
    pub fn read(&mut self, most: usize, each: impl FnMut(Where, &Measured<'_>)) -> io::Result<bool> {
        let mut taker = ResultTaker {
            probes: self.probes,
            targets: self.targets,
            now: self.now,
            refusals: &mut self.refusals,
            each,
        };
        self.items.read(most, &mut taker)
    }

    /// What was not taken so far.
    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }
}

struct ResultTaker<'t, F> {
    probes: &'t Probes,
    targets: &'t Targets,
    now: UnixMillis,
    refusals: &'t mut Refusals,
    each: F,
}

impl<F: FnMut(Where, &Measured<'_>)> Taker for ResultTaker<'_, F> {
    fn object(&mut self, at: Where, _: Depth, bytes: &[u8]) -> Attempt {
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<RawResult<'_>>();
        match values.next() {
            Some(Ok(raw)) => {
                if let Err(unfit) = self.take(at, &raw) {
                    self.refusals.add(at, &unfit);
                }
                Attempt::Done(values.byte_offset())
            }
            Some(Err(error)) if error.is_eof() => Attempt::Short,
            Some(Err(error)) => Attempt::Broken(error.to_string()),
            None => Attempt::Short,
        }
    }

    fn pair(&mut self, _: &str, _: &[u8]) {}

    fn close(&mut self) {}

    fn refuse(&mut self, at: Where, unfit: &Unfit<'_>) {
        self.refusals.add(at, unfit);
    }

    fn is_wanted(&self, message: &str) -> bool {
        message == "atlas_result"
    }
}

impl<F: FnMut(Where, &Measured<'_>)> ResultTaker<'_, F> {
    fn take<'b>(&mut self, at: Where, raw: &'b RawResult<'_>) -> Result<(), Unfit<'b>>
    where
        Self: 'b,
    {
        let kind = kind(raw)?;
        let measurement = raw.msm_id.required("msm_id")?;
        let probe = u32::try_from(raw.prb_id.required("prb_id")?).map_err(|_| NO_PROBE)?;
        let at_unix = UnixMillis(raw.timestamp.required("timestamp")?.saturating_mul(1_000));
        let time = credible(at_unix, self.now)?;
        let (host, address) = host(kind, raw)?;
        let named = self.targets.find(host);
        let Some(target) = named.or_else(|| self.targets.find(address)) else {
            return Err(Unfit::OtherTarget(host));
        };
        let vantage = match self.probes.get(probe) {
            Some(Ok(vantage)) => vantage,
            Some(Err(why)) => {
                self.refusals.add(at, &Unfit::LeftOut(probe, why));
                return Ok(());
            }
            None => return Err(Unfit::UnknownProbe(probe)),
        };
        let address: Option<IpAddr> = address.parse().ok();
        let measured = Measured {
            vantage,
            measurement: MeasurementId::Number(measurement),
            part: 0,
            at: time,
            kind,
            family: family(kind, raw, address),
            target,
            address,
            outcome: outcome(kind, raw)?,
        };
        (self.each)(at, &measured);
        Ok(())
    }
}

fn kind<'b>(raw: &'b RawResult<'_>) -> Result<Kind, Unfit<'b>> {
    match (raw.kind.get(), raw.msm_name.get()) {
        ("ping" | "http" | "mtr", "") if raw.is_listing => Err(Unfit::WrongFile(
            "a measurement of Globalping, which `import globalping` takes in",
        )),
        ("ping", _) | ("", "Ping" | "PingMeasurement") => Ok(Kind::Ping),
        ("sslcert", _) | ("", "SSLCert") => Ok(Kind::Tls),
        ("http", _) | ("", "HTTPGet") => Ok(Kind::Http),
        ("", "") if raw.is_listing => Err(Unfit::WrongFile(
            "a list of probes or of measurements, where results are wanted",
        )),
        ("", "") if raw.is_receipt => Err(Unfit::WrongFile(
            "the answer to a request: fetch the results of each id in it, \
             https://atlas.ripe.net/api/v2/measurements/ID/results/",
        )),
        ("", "") => Err(Unfit::Missing("type")),
        ("", other) | (other, _) => Err(Unfit::OtherKind(other)),
    }
}

/// The host that was asked for, and the address that was measured; either may be empty, but not both.
fn host<'b>(kind: Kind, raw: &'b RawResult<'_>) -> Result<(&'b str, &'b str), Unfit<'b>> {
    let (host, address) = match kind {
        Kind::Ping | Kind::Tls => (raw.dst_name.get(), raw.dst_addr.get()),
        Kind::Http => (
            host_of(raw.uri.get()).unwrap_or_default(),
            raw.result.http().map_or("", |http| http.dst_addr.get()),
        ),
    };
    match (host, address) {
        ("", "") => Err(Unfit::Missing(match kind {
            Kind::Ping | Kind::Tls => "dst_name",
            Kind::Http => "uri",
        })),
        ("", address) => Ok((address, address)),
        both => Ok(both),
    }
}

fn family(kind: Kind, raw: &RawResult<'_>, address: Option<IpAddr>) -> Option<Family> {
    let told = match kind {
        Kind::Ping | Kind::Tls => raw.af,
        Kind::Http => raw.result.http().map_or(Number::Absent, |http| http.af),
    };
    address.map(Family::of).or(match told.whole() {
        Some(4) => Some(Family::V4),
        Some(6) => Some(Family::V6),
        _ => None,
    })
}

const NO_PROBE: Unfit<'static> = Unfit::Field {
    field: "prb_id",
    wanted: "a probe's number is wanted",
};
#[cfg(test)]
mod tests;
