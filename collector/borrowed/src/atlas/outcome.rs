//! What became of a measurement, by what a result says.

use super::raw::RawResult;
use crate::measurement::{Answer, Cause, Echoes, Exchange, Failure, Handshake, Kind, Micros, Outcome};
use crate::unfit::{Unfit, excerpt};
use crate::values::Number;

/// What became of it. A failure carries no time, whatever the result holds.
pub(super) fn outcome(kind: Kind, raw: &RawResult<'_>) -> Result<Outcome, Unfit<'static>> {
    if let Some(words) = raw.dnserr.some() {
        return Ok(failed(Cause::Resolve, 0, words));
    }
    match kind {
        Kind::Ping => ping(raw),
        Kind::Tls => tls(raw),
        Kind::Http => http(raw),
    }
}

fn ping(raw: &RawResult<'_>) -> Result<Outcome, Unfit<'static>> {
    if let Some(words) = raw.error.some().or(raw.err.some()) {
        return Ok(failed(cause(words), 0, words));
    }
    let count = |field, number: Number| {
        u16::try_from(number.required(field)?).map_err(|_| Unfit::Field {
            field,
            wanted: "a number of packets is wanted",
        })
    };
    let (sent, received) = (count("sent", raw.sent)?, count("rcvd", raw.rcvd)?);
    if received > sent {
        return Err(Unfit::Field {
            field: "rcvd",
            wanted: "no more packets come back than were sent",
        });
    }
    if received == 0 {
        return Ok(match raw.result.error.some() {
            Some(words) => failed(cause(words), sent, words),
            None => failed(Cause::NoReply, sent, ""),
        });
    }
    let min = raw.min.millis("min")?.ok_or(Unfit::Missing("min"))?;
    let median = match raw.result.is_wrong {
        true => {
            return Err(Unfit::Field {
                field: "rtt",
                wanted: "milliseconds are wanted",
            });
        }
        false => Micros::median(raw.result.rtts()).filter(|_| !raw.result.is_more),
    };
    // some firmware rounds the one and not the other
    if median.is_some_and(|median| median.get() + ROUNDED_US < min.get()) {
        return Err(Unfit::Field {
            field: "min",
            wanted: "the shortest of its packets' times is wanted",
        });
    }
    let min = median.map_or(min, |median| min.min(median));
    Ok(Outcome::Answered(Answer::Ping(Echoes {
        min,
        median,
        sent,
        received,
    })))
}

fn tls(raw: &RawResult<'_>) -> Result<Outcome, Unfit<'static>> {
    if let Some(words) = raw.err.some().or(raw.error.some()) {
        return Ok(failed(cause(words), 0, words));
    }
    if raw.alert.0 {
        return Ok(failed(Cause::Tls, 0, "an alert of TLS"));
    }
    let whole = raw.rt.millis("rt")?.ok_or(Unfit::Missing("rt"))?;
    let connect = raw.ttc.millis("ttc")?;
    no_longer(connect, whole)?;
    Ok(Outcome::Answered(Answer::Tls(Handshake { connect, whole })))
}

fn http(raw: &RawResult<'_>) -> Result<Outcome, Unfit<'static>> {
    if raw.result.is_text {
        let firmware = raw.fw.whole().and_then(|firmware| u32::try_from(firmware).ok());
        return Err(Unfit::OldForm(firmware.unwrap_or_default()));
    }
    if let Some(words) = raw.err.some().or(raw.error.some()) {
        return Ok(failed(cause(words), 0, words));
    }
    let answer = raw.result.http().ok_or(Unfit::Missing("result"))?;
    if let Some(words) = answer.dnserr.some() {
        return Ok(failed(Cause::Resolve, 0, words));
    }
    if let Some(words) = answer.err.some() {
        return Ok(failed(cause(words), 0, words));
    }
    let status = answer.res.required("res")?;
    let status = u16::try_from(status)
        .ok()
        .filter(|status| (100..600).contains(status));
    let status = status.ok_or(Unfit::Field {
        field: "res",
        wanted: "a status of HTTP is wanted",
    })?;
    let whole = answer.rt.millis("rt")?.ok_or(Unfit::Missing("rt"))?;
    let connect = answer.ttc.millis("ttc")?;
    no_longer(connect, whole)?;
    Ok(Outcome::Answered(Answer::Http(Exchange {
        connect,
        tls: None,
        first_byte: answer.ttfb.millis("ttfb")?,
        whole,
        status,
    })))
}

/// A part of a time is not longer than the time.
fn no_longer(part: Option<Micros>, whole: Micros) -> Result<(), Unfit<'static>> {
    match part.is_some_and(|part| part > whole) {
        true => Err(Unfit::Field {
            field: "ttc",
            wanted: "no more than rt is wanted",
        }),
        false => Ok(()),
    }
}

fn failed(cause: Cause, sent: u16, words: &str) -> Outcome {
    Outcome::Failed(Failure {
        cause,
        sent,
        words: excerpt(words),
    })
}

/// What failed, by the probe's words.
fn cause(words: &str) -> Cause {
    let words = words.to_ascii_lowercase();
    let has = |some: &[&str]| some.iter().any(|word| words.contains(word));
    if has(&["resol", "lookup", "nameserver", "dns"]) {
        Cause::Resolve
    } else if has(&["connect", "refused", "reset", "unreachable"]) {
        Cause::Connect
    } else if has(&["hello", "tls", "ssl", "alert"]) {
        Cause::Tls
    } else if has(&["timeout", "timed out"]) {
        Cause::NoReply
    } else {
        Cause::Other
    }
}

/// A tenth of a millisecond.
const ROUNDED_US: u32 = 100;
