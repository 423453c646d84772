//! Ceilings that hold on both ends of the wire. A decoder refuses what is above them before it allocates.

/// Most measurements in one batch (design: a batch closes at 1 s or 1,000 measurements).
pub const BATCH_ROWS_MAX: usize = 1_000;
/// Largest uncompressed payload of a batch or tombstone, in bytes.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Largest uncompressed payload of a control message, in bytes: a plan of some thousand checks.
pub const CONTROL_BYTES_MAX: usize = 1024 * 1024;
/// Largest payload of a join message, in bytes.
pub const JOIN_BYTES_MAX: usize = 16 * 1024;
/// Longest text (error, address, name, URL) in a message, in bytes.
pub const TEXT_BYTES_MAX: usize = 512;
/// Most distinct texts in one batch.
pub(crate) const BATCH_TEXTS_MAX: usize = 4_096;
/// Batches a probe may have sent without an acknowledgement, per stream.
pub const BATCHES_IN_FLIGHT_MAX: usize = 8;
/// Most checks in one plan: a batch names a check by a 16-bit index.
pub const PLAN_CHECKS_MAX: usize = 16_384;
/// Most probers that one responder answers: each has its keys and its bucket.
pub(crate) const PROBERS_MAX: usize = 4_096;
/// Most secrets that a responder has in force: the newest and the previous one.
pub(crate) const SECRETS_MAX: usize = 2;
/// Largest first message of a batch stream, in bytes.
pub(crate) const STREAM_HELLO_BYTES_MAX: usize = 64;
/// Most sections in one message.
pub(crate) const SECTIONS_MAX: usize = 32;
/// Longest name of a section, or of a kind that is announced, in bytes.
pub(crate) const SECTION_NAME_BYTES_MAX: usize = 32;
/// Most names of kinds, and of sections, that a greeting announces.
pub(crate) const KNOWN_NAMES_MAX: usize = 256;
/// Most epochs that a probe announces in one Hello.
pub const HELLO_EPOCHS_MAX: usize = 1_024;

/// Shortest interval of an echo check, in milliseconds (invariant 4).
pub(crate) const ECHO_INTERVAL_MIN_MS: u32 = 100;
/// Shortest interval of an endpoint check, in milliseconds (invariant 4).
pub const ENDPOINT_INTERVAL_MIN_MS: u32 = 1_000;
/// Shortest interval of a throughput check, in milliseconds: 6 h, four times a day (invariant 4).
pub const THROUGHPUT_INTERVAL_MIN_MS: u32 = 6 * 3_600_000;
/// What a throughput check asks for, in bytes: 8 MiB from the object's beginning. A shorter range ends while TCP is still
/// finding the way's pace.
pub const THROUGHPUT_BYTES: u32 = 8 << 20;
/// Most endpoint checks that one probe's plan may ask of one host, a second (invariant 4).
pub const HOST_RATE_MAX: u64 = 20;
/// Most endpoint checks that one probe's plan may ask of all hosts together, a second (invariant 4).
pub const ENDPOINT_RATE_MAX: u64 = 500;
/// Longest interval of any check, in milliseconds: a day.
pub const INTERVAL_MAX_MS: u32 = 86_400_000;
/// Longest timeout of any check, in milliseconds.
pub(crate) const TIMEOUT_MAX_MS: u32 = 60_000;
/// Largest round-trip time or phase that the wire can carry, in microseconds: 100 s.
pub(crate) const LATENCY_MAX_US: u64 = 100_000_000;
