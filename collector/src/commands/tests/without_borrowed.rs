//! `--without-borrowed`: reports as they are without eyes of public platforms.

use isochrone_borrowed::{
    Access, Answer, Echoes, Family, Kind, Micros, Outcome, Place, Platform, Vantage, host_as_kept,
};
use isochrone_store::borrowed::{Borrowed, BorrowedBatch, BorrowedRun, BorrowedSeen, Removal};
use serde_json::Value;

use super::*;

/// An eye in Nairobi that measured every node an hour before the window's end.
fn borrow(context: &CommandContext) {
    let mut place = Place::at(-1.29, 36.82).unwrap();
    place.country = Some("KE".to_owned());
    let vantage = Vantage {
        platform: Platform::Atlas,
        id: "60001".to_owned(),
        place,
        network_v4: Some(64_500),
        network_v6: None,
        access: Access::Eyeball,
    };
    let targets = context.targets.borrow().clone();
    let run = |url: &str| BorrowedRun {
        vantage: 0,
        host: host_as_kept(url).unwrap(),
        seen: BorrowedSeen {
            at: UnixMillis(START.0),
            measurement: "90000001".to_owned(),
            part: 0,
            kind: Kind::Ping,
            family: Some(Family::V4),
            outcome: Outcome::Answered(Answer::Ping(Echoes {
                min: Micros::try_from(150_000).unwrap(),
                median: None,
                sent: 3,
                received: 3,
            })),
        },
    };
    let batch = BorrowedBatch {
        vantages: vec![vantage],
        runs: targets.nodes.iter().map(|node| run(node.url.as_str())).collect(),
    };
    assert!(Borrowed::of(&context.store).take(&batch, false).unwrap().new > 0);
}

fn report(context: &CommandContext, line: &str) -> Value {
    let (code, text) = said(context, &format!("{line} --format json {WINDOW}"));
    assert_eq!(code, 0, "{line}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn report_without_borrowed_eyes_is_that_of_before_the_import_and_says_so() {
    let (_folder, context) = context(false);
    for line in ["report coverage", "report count", "report nodes"] {
        let mut before = report(&context, line);
        borrow(&context);
        let mut without = report(&context, &format!("{line} --without-borrowed"));
        let with = report(&context, line);
        let is_nodes = line.ends_with("nodes");
        let told = ["caveats", "notes"].map(|key| {
            before.as_object_mut().unwrap().remove(key);
            without.as_object_mut().unwrap().remove(key).unwrap_or_default()
        });
        let is_said = format!("{told:?}").contains("Without borrowed eyes, as asked: 1 vantage");
        assert_eq!(is_said, !is_nodes, "{told:?}");
        assert_eq!(without, before, "{line}");
        if !line.ends_with("count") {
            assert_eq!(with["borrowed"].as_array().unwrap().len(), 1, "{line}: {with}");
            assert!(without["borrowed"].as_array().is_none_or(Vec::is_empty), "{line}");
        }
        Borrowed::of(&context.store)
            .remove(
                &Removal {
                    platform: Platform::Atlas,
                    vantage: None,
                    measurement: None,
                },
                false,
            )
            .unwrap();
    }
}
