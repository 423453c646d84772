//! Echoes.

use isochrone_proto::measurement::{EchoOutcome, Stamp};
use serde::Serialize;

/// An echo's outcome in JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Json {
    Replied {
        rtt_us: u32,
        claimed_delay_us: u32,
        stamp: &'static str,
        suspect: bool,
    },
    TimedOut,
    Unsent {
        cause: &'static str,
    },
}

impl Json {
    pub(super) fn of(outcome: &EchoOutcome) -> Self {
        match *outcome {
            EchoOutcome::Replied {
                rtt,
                claimed_delay,
                stamp,
                suspect,
            } => Self::Replied {
                rtt_us: rtt.get(),
                claimed_delay_us: claimed_delay.get(),
                stamp: match stamp {
                    Stamp::Kernel => "kernel",
                    Stamp::User => "user",
                },
                suspect,
            },
            EchoOutcome::TimedOut => Self::TimedOut,
            EchoOutcome::Unsent(cause) => Self::Unsent { cause: cause.word() },
        }
    }
}
