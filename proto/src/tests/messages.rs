//! Every message kind as bytes in and bytes out, so that one property covers them all.

use super::dice::Dice;
use super::samples;
use crate::codec::{self, DecodeError};
use crate::frame::MessageKind;

/// A payload kind: how it travels, how to make one, and what decoding gives back, encoded again.
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) kind: Option<MessageKind>,
    pub(super) make: fn(&mut Dice) -> Vec<u8>,
    /// Decoding, then encoding.
    pub(super) again: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
    pub(super) limit: usize,
}

macro_rules! messages {
    ($($name:literal, $kind:expr, $limit:ident, $encode:ident, $decode:ident, $sample:expr;)+) => {
        /// Every payload, each variant of the enums by its own name.
        pub(super) const MESSAGES: &[Message] = &[$(Message {
            name: $name,
            kind: $kind,
            make: |dice| codec::$encode(&$sample(dice)),
            again: |payload| codec::$decode(payload).map(|message| codec::$encode(&message)),
            limit: crate::limits::$limit,
        },)+];
    };
}

messages! {
    "batch", Some(MessageKind::Batch), BATCH_BYTES_MAX, encode_batch, decode_batch, samples::batch;
    "tombstone", Some(MessageKind::Tombstone), BATCH_BYTES_MAX, encode_tombstone, decode_tombstone, samples::tombstone;
    "plan", None, CONTROL_BYTES_MAX, encode_plan, decode_plan, samples::plan;
    "stream-hello", Some(MessageKind::StreamHello), STREAM_HELLO_BYTES_MAX, encode_stream_hello, decode_stream_hello, samples::stream_hello;
    "hello", Some(MessageKind::FromProbe), CONTROL_BYTES_MAX, encode_from_probe, decode_from_probe, |dice| samples::from_probe(dice, 0);
    "plans", Some(MessageKind::FromProbe), CONTROL_BYTES_MAX, encode_from_probe, decode_from_probe, |dice| samples::from_probe(dice, 1);
    "renew", Some(MessageKind::FromProbe), CONTROL_BYTES_MAX, encode_from_probe, decode_from_probe, |dice| samples::from_probe(dice, 2);
    "pong", Some(MessageKind::FromProbe), CONTROL_BYTES_MAX, encode_from_probe, decode_from_probe, |dice| samples::from_probe(dice, 3);
    "spool", Some(MessageKind::FromProbe), CONTROL_BYTES_MAX, encode_from_probe, decode_from_probe, |dice| samples::from_probe(dice, 4);
    "epoch-opened", Some(MessageKind::FromProbe), CONTROL_BYTES_MAX, encode_from_probe, decode_from_probe, |dice| samples::from_probe(dice, 5);
    "welcome", Some(MessageKind::FromCollector), CONTROL_BYTES_MAX, encode_from_collector, decode_from_collector, |dice| samples::from_collector(dice, 0);
    "refused", Some(MessageKind::FromCollector), CONTROL_BYTES_MAX, encode_from_collector, decode_from_collector, |dice| samples::from_collector(dice, 1);
    "signed-plan", Some(MessageKind::FromCollector), CONTROL_BYTES_MAX, encode_from_collector, decode_from_collector, |dice| samples::from_collector(dice, 2);
    "need-plans", Some(MessageKind::FromCollector), CONTROL_BYTES_MAX, encode_from_collector, decode_from_collector, |dice| samples::from_collector(dice, 3);
    "ack", Some(MessageKind::FromCollector), CONTROL_BYTES_MAX, encode_from_collector, decode_from_collector, |dice| samples::from_collector(dice, 4);
    "forked", Some(MessageKind::FromCollector), CONTROL_BYTES_MAX, encode_from_collector, decode_from_collector, |dice| samples::from_collector(dice, 5);
    "renewed", Some(MessageKind::FromCollector), CONTROL_BYTES_MAX, encode_from_collector, decode_from_collector, |dice| samples::from_collector(dice, 6);
    "renewal-refused", Some(MessageKind::FromCollector), CONTROL_BYTES_MAX, encode_from_collector, decode_from_collector, |dice| samples::from_collector(dice, 7);
    "ping", Some(MessageKind::FromCollector), CONTROL_BYTES_MAX, encode_from_collector, decode_from_collector, |dice| samples::from_collector(dice, 8);
    "join-request", Some(MessageKind::JoinRequest), JOIN_BYTES_MAX, encode_join_request, decode_join_request, samples::join_request;
    "join-accepted", Some(MessageKind::JoinResponse), JOIN_BYTES_MAX, encode_join_response, decode_join_response, |dice| samples::join_response(dice, 0);
    "join-refused", Some(MessageKind::JoinResponse), JOIN_BYTES_MAX, encode_join_response, decode_join_response, |dice| samples::join_response(dice, 1);
}
