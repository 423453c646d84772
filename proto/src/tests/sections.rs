//! Messages of later releases: what an older reader skips, and what it refuses by name. And sections that cannot be.

use serde_bytes::Bytes;

use super::dice::Dice;
use super::refused_content::header;
use super::samples;
use crate::batch::Batch;
use crate::codec::{self, DecodeError};
use crate::control::{CollectorMessage, ControlError, ProbeMessage};
use crate::ids::{Digest, PlanVersion, ProbeId};
use crate::kind::{Check, Family, Kind};
use crate::limits::{KNOWN_NAMES_MAX, SECTION_NAME_BYTES_MAX, SECTIONS_MAX};
use crate::plan::{Plan, PlanError};
use crate::schedule::Schedule;
use crate::section::{Section, SectionError};
use crate::serializer::{self, Unreadable};
use crate::units::UnixMillis;

fn section(name: &str, needed: bool) -> Section {
    Section {
        name: name.to_owned(),
        needed,
        body: vec![7; 9],
    }
}

/// A batch of a later release: everything that this one knows, and `more`.
fn later_batch(batch: &Batch, more: Vec<Section>) -> Vec<u8> {
    let sections = [more, batch.sections()].concat();
    serializer::encode(&(&batch.header, sections))
}

fn later_plan(plan: &Plan, more: Vec<Section>) -> Result<Plan, DecodeError> {
    codec::decode_plan(&serializer::encode(&(
        plan.head(),
        [plan.sections(), more].concat(),
    )))
}

fn later_hello(more: Vec<Section>) -> Result<ProbeMessage, DecodeError> {
    let mut hello = samples::hello(&mut Dice::of(1));
    hello.more = more;
    codec::decode_from_probe(&codec::encode_from_probe(&ProbeMessage::Hello(hello)))
}

fn later_welcome(more: Vec<Section>) -> Result<CollectorMessage, DecodeError> {
    let mut welcome = samples::welcome(&mut Dice::of(1));
    welcome.more = more;
    codec::decode_from_collector(&codec::encode_from_collector(&CollectorMessage::Welcome(welcome)))
}

/// What each message that has sections makes of further ones.
fn taken(more: &[Section]) -> [Result<(), DecodeError>; 4] {
    let batch = samples::batch(&mut Dice::of(5));
    let plan = samples::plan(&mut Dice::of(5));
    [
        codec::decode_batch(&later_batch(&batch, more.to_vec())).map(drop),
        later_plan(&plan, more.to_vec()).map(drop),
        later_hello(more.to_vec()).map(drop),
        later_welcome(more.to_vec()).map(drop),
    ]
}

fn refused_for(result: Result<(), DecodeError>) -> SectionError {
    match result {
        Err(DecodeError::Sections(error) | DecodeError::Control(ControlError::Sections(error))) => error,
        other => panic!("not refused for its sections: {other:?}"),
    }
}

#[test]
fn unknown_section_that_is_not_needed_is_skipped() {
    let batch = samples::batch(&mut Dice::of(5));
    let bytes = later_batch(&batch, vec![section("weather", false)]);
    assert_eq!(codec::decode_batch(&bytes), Ok(batch.clone()));
    // What is kept and hashed is the bytes, with everything in them.
    assert_ne!(Digest::of(&bytes), Digest::of(&codec::encode_batch(&batch)));
    let plan = samples::plan(&mut Dice::of(5));
    assert_eq!(later_plan(&plan, vec![section("weather", false)]), Ok(plan));
    assert!(later_hello(vec![section("weather", false)]).is_ok());
    assert!(later_welcome(vec![section("weather", false)]).is_ok());
}

#[test]
fn unknown_section_that_is_needed_is_refused_by_its_name() {
    for result in taken(&[section("weather", true)]) {
        let error = refused_for(result);
        let name = "weather".to_owned();
        assert_eq!(error, SectionError::Unknown { name });
        assert_eq!(
            error.to_string(),
            "section `weather` is needed, and this release does not know it; update the older side"
        );
    }
}

#[test]
fn sections_are_bounded_in_number_and_their_names_in_length() {
    let many = |count: usize| -> Vec<Section> {
        let names = (0..count).map(|place| format!("s{place}"));
        names.map(|name| section(&name, false)).collect()
    };
    assert!(later_hello(many(SECTIONS_MAX)).is_ok());
    let found = SECTIONS_MAX + 1;
    assert_eq!(
        refused_for(later_hello(many(found)).map(drop)),
        SectionError::TooMany { found }
    );
    let empty = Batch::pack(header(), &[]).expect("no rows");
    assert!(codec::decode_batch(&later_batch(&empty, many(SECTIONS_MAX))).is_ok());
    let above = codec::decode_batch(&later_batch(&empty, many(found)));
    assert_eq!(refused_for(above.map(drop)), SectionError::TooMany { found });

    let longest = "n".repeat(SECTION_NAME_BYTES_MAX);
    assert!(taken(&[section(&longest, false)]).iter().all(Result::is_ok));
    for name in [&*(longest + "n"), "", "Weather", "two words", "é"] {
        for result in taken(&[section(name, false)]) {
            let bytes = name.len();
            assert_eq!(refused_for(result), SectionError::Name { bytes });
        }
    }
}

/// Else two readers could take different ones for what counts.
#[test]
fn section_that_is_there_twice_is_refused() {
    for result in taken(&[section("weather", false), section("weather", false)]) {
        let name = "weather".to_owned();
        assert_eq!(refused_for(result), SectionError::Twice { name });
    }
    let batch = samples::batch(&mut Dice::of(5));
    let again = codec::decode_batch(&later_batch(&batch, vec![section("echo", false)]));
    let name = "echo".to_owned();
    assert_eq!(refused_for(again.map(drop)), SectionError::Twice { name });
}

#[test]
fn section_with_a_byte_too_many_or_too_few_is_refused_by_its_name() {
    let plan = samples::plan(&mut Dice::of(5));
    for place in 0..plan.sections().len() {
        let name = plan.sections()[place].name.clone();
        for longer in [true, false] {
            let mut sections = plan.sections();
            let body = &mut sections[place].body;
            if longer {
                body.push(0);
            } else {
                body.pop();
            }
            match codec::decode_plan(&serializer::encode(&(plan.head(), sections))) {
                Err(DecodeError::Sections(SectionError::Broken { name: found, source })) => {
                    assert_eq!(found, name);
                    let trailing = source == Unreadable::Trailing { bytes: 1 };
                    assert_eq!(trailing, longer, "{source:?}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

/// A body is read from where it stands: a length beyond the message is no reason to reserve it.
#[test]
fn section_longer_than_its_message_is_refused() {
    let mut bytes = serializer::encode(&(header(), 1_u8, "echo", true));
    bytes.extend([253, 0, 0, 0, 0, 0, 0, 0, 0x10]); // 2^60 bytes
    bytes.extend([1; 30]);
    assert!(matches!(
        codec::decode_batch(&bytes),
        Err(DecodeError::Unreadable(Unreadable::Malformed { .. }))
    ));
}

#[test]
fn kind_of_a_later_release_is_refused_by_its_name() {
    let head = (
        PlanVersion::default(),
        ProbeId(1),
        "probe",
        UnixMillis(1),
        UnixMillis(2),
    );
    let targets = serializer::encode(&vec![samples::peer(&mut Dice::of(1))]);
    let schedule = Schedule::new(1_000, 0, 1_000).expect("within bounds");
    let plan = |kinds: &[&str], kind: u8| {
        let checks = serializer::encode(&(kinds, vec![(kind, 0_u16, schedule)]));
        let sections = [
            ("targets", true, Bytes::new(&targets)),
            ("checks", true, Bytes::new(&checks)),
        ];
        codec::decode_plan(&serializer::encode(&(head, &sections[..])))
    };
    let known = plan(&["echo4"], 0).expect("nothing is wrong with it");
    assert_eq!(known.checks[0].kind, Kind::new(Check::Echo, Family::V4));
    assert_eq!(known.targets.len(), 1);
    let Err(DecodeError::Plan(PlanError::UnknownKind(error))) = plan(&["echo4", "trace4"], 0) else {
        panic!("the kind is taken");
    };
    assert!(error.to_string().contains("trace4"), "{error}");
    let expected = PlanError::NoSuchKind { check: 0, kind: 1 };
    assert_eq!(plan(&["echo4"], 1), Err(DecodeError::Plan(expected)));
}

#[test]
fn names_of_an_announcement_are_bounded() {
    let hello = |kinds: usize, sections: usize, bytes: usize| {
        let mut hello = samples::hello(&mut Dice::of(1));
        hello.known.kinds = vec!["k".repeat(bytes); kinds];
        hello.known.sections = vec!["s".repeat(bytes); sections];
        codec::decode_from_probe(&codec::encode_from_probe(&ProbeMessage::Hello(hello)))
    };
    assert!(hello(KNOWN_NAMES_MAX, KNOWN_NAMES_MAX, SECTION_NAME_BYTES_MAX).is_ok());
    for (result, field, max) in [
        (hello(KNOWN_NAMES_MAX + 1, 1, 1), "kinds", KNOWN_NAMES_MAX),
        (hello(1, KNOWN_NAMES_MAX + 1, 1), "sections", KNOWN_NAMES_MAX),
        (
            hello(1, 1, SECTION_NAME_BYTES_MAX + 1),
            "bytes of a name",
            SECTION_NAME_BYTES_MAX,
        ),
    ] {
        let found = max + 1;
        let expected = ControlError::TooMany { field, found, max };
        assert_eq!(result, Err(DecodeError::Control(expected)));
    }
}
