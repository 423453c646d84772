//! What became of a run, read back from the JSON that [`OutcomeJson`](super::OutcomeJson) writes.

use std::net::IpAddr;

use isochrone_proto::kind::{Check, Layout};
use isochrone_proto::measurement::{
    CacheState, ConnectOutcome, ConnectPhases, ConnectResult, EchoOutcome, EndpointOutcome, EndpointResult,
    FailureCause, Outcome, Phase, Phases, SendFailure, Stamp,
};
use isochrone_proto::units::Micros;
use serde::Deserialize;

/// The fields that tell of an outcome; what was not measured has no key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OutcomeFields {
    outcome: String,
    rtt_us: Option<u32>,
    claimed_delay_us: Option<u32>,
    stamp: Option<String>,
    suspect: Option<bool>,
    resolve_us: Option<u32>,
    connect_us: Option<u32>,
    tls_us: Option<u32>,
    first_byte_us: Option<u32>,
    transfer_us: Option<u32>,
    unattributed_us: Option<u32>,
    body_bytes: Option<u32>,
    node_uptime_s: Option<u64>,
    node_version: String,
    address: Option<IpAddr>,
    http_status: Option<u16>,
    cache: Option<CacheState>,
    certificate_expires_s: Option<u64>,
    phase: Option<Phase>,
    cause: Option<String>,
    text: Option<String>,
}

/// Fields that no run leaves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    /// A field that this outcome has is not there.
    #[error("an outcome {outcome:?} of {} without {field}", check.word())]
    Missing {
        /// The check.
        check: Check,
        /// The word of the outcome.
        outcome: String,
        /// The field.
        field: &'static str,
    },
    /// A word that means nothing here.
    #[error("{field} is {word:?}, which means nothing in an outcome of {}", check.word())]
    Word {
        /// The check.
        check: Check,
        /// The field.
        field: &'static str,
        /// What stands in it.
        word: String,
    },
}

impl OutcomeFields {
    /// The outcome of a run of `check`: the one that was written. Of an address that the probe's own rules forbid, how
    /// far the run came is not written; it never comes further than to the name's address.
    ///
    /// # Errors
    /// Names the first field that cannot be.
    pub fn read(self, check: Check) -> Result<Outcome, OutcomeError> {
        match check.layout() {
            Layout::Echo => self.echo(check).map(Outcome::Echo),
            Layout::Endpoint => Ok(Outcome::Endpoint(Box::new(EndpointOutcome {
                address: self.address,
                http_status: self.http_status,
                cache: self.cache.unwrap_or(CacheState::Absent),
                certificate_expires: self.certificate_expires_s,
                result: self.request(check)?,
            }))),
            Layout::Connect => Ok(Outcome::Connect(Box::new(ConnectOutcome {
                address: self.address,
                certificate_expires: self.certificate_expires_s,
                result: self.connection(check)?,
            }))),
        }
    }

    fn echo(&self, check: Check) -> Result<EchoOutcome, OutcomeError> {
        match self.outcome.as_str() {
            "replied" => Ok(EchoOutcome::Replied {
                rtt: self.time(check, "rtt_us", self.rtt_us)?,
                claimed_delay: self.time(check, "claimed_delay_us", self.claimed_delay_us)?,
                stamp: match self.stamp.as_deref() {
                    // left out of documents of Elasticsearch, as is a `suspect` that is false
                    Some("kernel") | None => Stamp::Kernel,
                    Some("user") => Stamp::User,
                    Some(word) => return Err(wrong(check, "stamp", word)),
                },
                suspect: self.suspect.unwrap_or(false),
            }),
            "timed-out" => Ok(EchoOutcome::TimedOut),
            "unsent" => self.unsent(check).map(EchoOutcome::Unsent),
            word => Err(wrong(check, "outcome", word)),
        }
    }

    fn request(self, check: Check) -> Result<EndpointResult, OutcomeError> {
        match self.outcome.as_str() {
            "ok" => {
                let time = |field, us| self.time(check, field, us);
                Ok(EndpointResult::Ok {
                    phases: Phases {
                        resolve: time("resolve_us", self.resolve_us)?,
                        connect: time("connect_us", self.connect_us)?,
                        tls: time("tls_us", self.tls_us)?,
                        first_byte: time("first_byte_us", self.first_byte_us)?,
                        transfer: time("transfer_us", self.transfer_us)?,
                        unattributed: time("unattributed_us", self.unattributed_us)?,
                    },
                    body_bytes: self.body_bytes.ok_or_else(|| self.missing(check, "body_bytes"))?,
                    node_uptime_s: self.node_uptime_s,
                    node_version: self.node_version,
                })
            }
            "failed" | "unsent" => Ok(match self.failure(check)? {
                Failure::Failed(phase, cause, text) => EndpointResult::Failed { phase, cause, text },
                Failure::Unsent(cause) => EndpointResult::Unsent(cause),
            }),
            word => Err(wrong(check, "outcome", word)),
        }
    }

    fn connection(self, check: Check) -> Result<ConnectResult, OutcomeError> {
        match self.outcome.as_str() {
            "ok" => {
                let time = |field, us| self.time(check, field, us);
                Ok(ConnectResult::Connected(ConnectPhases {
                    resolve: time("resolve_us", self.resolve_us)?,
                    connect: time("connect_us", self.connect_us)?,
                    tls: time("tls_us", self.tls_us)?,
                    unattributed: time("unattributed_us", self.unattributed_us)?,
                }))
            }
            "failed" | "unsent" => Ok(match self.failure(check)? {
                Failure::Failed(phase, cause, text) => ConnectResult::Failed { phase, cause, text },
                Failure::Unsent(cause) => ConnectResult::Unsent(cause),
            }),
            word => Err(wrong(check, "outcome", word)),
        }
    }

    fn failure(self, check: Check) -> Result<Failure, OutcomeError> {
        if self.outcome == "unsent" {
            let own_rule = FailureCause::ForbiddenAddress;
            return match (self.cause.as_deref(), &self.text) {
                // the probe's own rules always say why
                (Some(word), Some(text)) if word == own_rule.word() => {
                    Ok(Failure::Failed(Phase::Resolve, own_rule, text.clone()))
                }
                _ => self.unsent(check).map(Failure::Unsent),
            };
        }
        let phase = self.phase.ok_or_else(|| self.missing(check, "phase"))?;
        let word = self
            .cause
            .as_deref()
            .ok_or_else(|| self.missing(check, "cause"))?;
        let cause = FailureCause::ALL.iter().find(|cause| cause.word() == word);
        let cause = *cause.ok_or_else(|| wrong(check, "cause", word))?;
        Ok(Failure::Failed(phase, cause, self.text.unwrap_or_default()))
    }

    fn unsent(&self, check: Check) -> Result<SendFailure, OutcomeError> {
        let word = self
            .cause
            .as_deref()
            .ok_or_else(|| self.missing(check, "cause"))?;
        let cause = SendFailure::ALL.iter().find(|cause| cause.word() == word);
        cause.copied().ok_or_else(|| wrong(check, "cause", word))
    }

    fn time(&self, check: Check, field: &'static str, us: Option<u32>) -> Result<Micros, OutcomeError> {
        us.and_then(|us| Micros::new(us.into()))
            .ok_or_else(|| self.missing(check, field))
    }

    fn missing(&self, check: Check, field: &'static str) -> OutcomeError {
        OutcomeError::Missing {
            check,
            outcome: self.outcome.clone(),
            field,
        }
    }
}

enum Failure {
    Failed(Phase, FailureCause, String),
    Unsent(SendFailure),
}

fn wrong(check: Check, field: &'static str, word: &str) -> OutcomeError {
    OutcomeError::Word {
        check,
        field,
        word: word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::kinds::OutcomeJson;

    fn micros() -> impl Strategy<Value = Micros> {
        (0u64..4_000_000_000).prop_map(|us| Micros::new(us).unwrap_or_default())
    }

    fn failure() -> impl Strategy<Value = (Phase, FailureCause, String)> {
        let phases = proptest::sample::select(Phase::ALL);
        let causes = proptest::sample::select(FailureCause::ALL);
        (phases, causes, "[a-z \"\\\\ü]{1,20}").prop_map(|(phase, cause, text)| match cause {
            FailureCause::ForbiddenAddress => (Phase::Resolve, cause, text), // how far it came is not written
            _ => (phase, cause, text),
        })
    }

    fn send_failure() -> impl Strategy<Value = SendFailure> {
        proptest::sample::select(SendFailure::ALL)
    }

    fn echo() -> impl Strategy<Value = Outcome> {
        let replied = (micros(), micros(), any::<bool>(), any::<bool>());
        let replied = replied.prop_map(|(rtt, claimed_delay, kernel, suspect)| EchoOutcome::Replied {
            rtt,
            claimed_delay,
            stamp: if kernel { Stamp::Kernel } else { Stamp::User },
            suspect,
        });
        let unsent = send_failure().prop_map(EchoOutcome::Unsent);
        prop_oneof![replied, Just(EchoOutcome::TimedOut), unsent].prop_map(Outcome::Echo)
    }

    fn address() -> impl Strategy<Value = Option<IpAddr>> {
        proptest::option::of(any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits))))
    }

    fn connect() -> impl Strategy<Value = Outcome> {
        let ok = [(); 4]
            .map(|()| micros())
            .prop_map(|[resolve, connect, tls, unattributed]| {
                ConnectResult::Connected(ConnectPhases {
                    resolve,
                    connect,
                    tls,
                    unattributed,
                })
            });
        let failed = failure().prop_map(|(phase, cause, text)| ConnectResult::Failed { phase, cause, text });
        let result = prop_oneof![ok, failed, send_failure().prop_map(ConnectResult::Unsent)];
        (address(), proptest::option::of(any::<u64>()), result).prop_map(
            |(address, certificate_expires, result)| {
                Outcome::Connect(Box::new(ConnectOutcome {
                    address,
                    certificate_expires,
                    result,
                }))
            },
        )
    }

    fn endpoint() -> impl Strategy<Value = Outcome> {
        let times = [(); 6].map(|()| micros());
        let said = (any::<u32>(), proptest::option::of(any::<u64>()), "[0-9.]{0,8}");
        let ok = (times, said).prop_map(|(times, (body_bytes, node_uptime_s, node_version))| {
            let [resolve, connect, tls, first_byte, transfer, unattributed] = times;
            let phases = Phases {
                resolve,
                connect,
                tls,
                first_byte,
                transfer,
                unattributed,
            };
            EndpointResult::Ok {
                phases,
                body_bytes,
                node_uptime_s,
                node_version,
            }
        });
        let failed = failure().prop_map(|(phase, cause, text)| EndpointResult::Failed { phase, cause, text });
        let result = prop_oneof![ok, failed, send_failure().prop_map(EndpointResult::Unsent)];
        let answer = proptest::option::of((100u16..600, proptest::sample::select(CacheState::ALL)));
        (address(), answer, proptest::option::of(any::<u64>()), result).prop_map(
            |(address, answer, certificate_expires, result)| {
                Outcome::Endpoint(Box::new(EndpointOutcome {
                    address,
                    http_status: answer.map(|(status, _)| status),
                    cache: answer.map_or(CacheState::Absent, |(_, cache)| cache),
                    certificate_expires,
                    result,
                }))
            },
        )
    }

    proptest! {
        /// What is written is read back, field by field.
        #[test]
        fn every_outcome_comes_back_as_it_was_written(
            (outcome, check) in prop_oneof![
                echo().prop_map(|outcome| (outcome, Check::Echo)),
                connect().prop_map(|outcome| (outcome, Check::Connect)),
                endpoint().prop_map(|outcome| (outcome, Check::AssetGet)),
                endpoint().prop_map(|outcome| (outcome, Check::Status)),
            ],
        ) {
            let text = serde_json::to_string(&OutcomeJson::of(&outcome)).unwrap();
            let fields: OutcomeFields = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(fields.read(check).unwrap(), outcome, "{}", text);
        }
    }

    #[test]
    fn field_that_is_missing_or_means_nothing_is_named() {
        let read = |value, check| {
            let fields: OutcomeFields = serde_json::from_value(value).unwrap();
            fields.read(check).unwrap_err().to_string()
        };
        let words = read(json!({ "outcome": "replied" }), Check::Echo);
        assert!(words.contains("rtt_us") && words.contains("echo"), "{words}");
        let words = read(json!({ "outcome": "well" }), Check::Status);
        assert!(words.contains("\"well\""), "{words}");
        let words = read(
            json!({ "outcome": "failed", "phase": "tls", "cause": "mood", "text": "" }),
            Check::Connect,
        );
        assert!(words.contains("cause") && words.contains("mood"), "{words}");
    }
}
