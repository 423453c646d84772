//! Tests of the wire as a whole: every message kind against its golden bytes, through the codec and back,
//! and damaged in every way.

mod dice;
mod golden;
mod messages;
mod refused_connect;
mod refused_content;
mod refused_control;
mod refused_frames;
mod refused_plans;
mod round_trip;
mod samples;
mod sections;
mod texts;
