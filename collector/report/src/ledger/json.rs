//! `isochrone.ledger/1`.

use isochrone_base::words::rfc3339;
use isochrone_proto::units::UnixMillis;
use isochrone_store::SetAside;
use isochrone_store::ledger::{Audit, Ledger, RemovedLine, Row, Totals};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    source: &'static str,
    balanced: bool,
    rows: Vec<RowJson<'a>>,
    removed: Vec<RemovedJson<'a>>,
    quarantine: QuarantineJson<'a>,
    damage: DamageJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<AuditJson<'a>>,
}

#[derive(Serialize)]
struct AuditJson<'a> {
    sound: bool,
    batches: u64,
    measurements: u64,
    lost: u64,
    twice: u64,
    damaged: u64,
    accepted: u64,
    wrong_sums: u64,
    findings: &'a [String],
}

#[derive(Serialize)]
struct DamageJson<'a> {
    rows: u64,
    lost: u64,
    accepted: u64,
    measurements: u64,
    withheld: u64,
    set_aside: &'a [SetAside],
}

#[derive(Serialize)]
struct QuarantineJson<'a> {
    refused: u64,
    newest: Vec<RefusedJson<'a>>,
}

#[derive(Serialize)]
struct RefusedJson<'a> {
    probe: &'a str,
    probe_id: &'a str,
    epoch: &'a str,
    sequence: u64,
    item: &'a str,
    reason: &'a str,
    received: String,
}

/// What became of planned slots.
#[derive(Serialize)]
struct Counts {
    planned: u64,
    run: u64,
    skipped: u64,
    absent: u64,
    stored: u64,
    removed: u64,
    spooled: u64,
    dropped: u64,
    damaged: u64,
    refused: u64,
    forked: u64,
    revoked: u64,
}

impl Counts {
    const fn of(totals: &Totals) -> Self {
        Self {
            planned: totals.planned,
            run: totals.run,
            skipped: totals.skipped,
            absent: totals.absent,
            stored: totals.stored,
            removed: totals.removed,
            spooled: totals.spooled,
            dropped: totals.dropped,
            damaged: totals.damaged,
            refused: totals.refused,
            forked: totals.forked,
            revoked: totals.revoked,
        }
    }
}

#[derive(Serialize)]
struct RowJson<'a> {
    probe: &'a str,
    probe_id: String,
    epoch: String,
    hour: String,
    #[serde(flatten)]
    counts: Counts,
    balanced: bool,
}

/// The whole account as one line. `audit`: what counting the log again found.
///
/// # Panics
/// Never: numbers and texts always serialize.
#[must_use]
pub fn json(ledger: &Ledger, audit: Option<&Audit>) -> String {
    let newest = ledger.quarantine.iter().map(|refused| RefusedJson {
        probe: ledger.name_of(refused),
        probe_id: &refused.probe,
        epoch: &refused.epoch,
        sequence: refused.sequence,
        item: &refused.item,
        reason: &refused.reason,
        received: rfc3339(UnixMillis(refused.received_ms)),
    });
    let document = Document {
        schema: "isochrone.ledger/1",
        source: ledger.source,
        balanced: ledger.is_balanced(),
        rows: ledger.rows.iter().map(row).collect(),
        removed: ledger.removed.iter().map(removed).collect(),
        quarantine: QuarantineJson {
            refused: ledger.refused,
            newest: newest.collect(),
        },
        damage: DamageJson {
            rows: ledger.damage.rows,
            lost: ledger.damage.lost,
            accepted: ledger.damage.accepted,
            measurements: ledger.damage.measurements,
            withheld: ledger.damage.withheld,
            set_aside: &ledger.damage.set_aside,
        },
        audit: audit.map(|audit| AuditJson {
            sound: audit.is_sound(),
            batches: audit.batches,
            measurements: audit.measurements,
            lost: audit.lost,
            twice: audit.twice,
            damaged: audit.damaged,
            accepted: audit.accepted,
            wrong_sums: audit.wrong_sums,
            findings: &audit.findings,
        }),
    };
    serde_json::to_string(&document).expect("numbers and texts always serialize")
}

fn row(row: &Row) -> RowJson<'_> {
    RowJson {
        probe: &row.probe_name,
        probe_id: row.probe.to_string(),
        epoch: row.epoch.to_string(),
        hour: rfc3339(row.hour.start()),
        counts: Counts::of(&Totals::from(row)),
        balanced: row.balanced,
    }
}

/// The oldest hours of a probe, which are kept no longer one by one.
#[derive(Serialize)]
struct RemovedJson<'a> {
    probe: &'a str,
    probe_id: String,
    from: String,
    to: String,
    #[serde(flatten)]
    counts: Counts,
    balanced: bool,
}

fn removed(line: &RemovedLine) -> RemovedJson<'_> {
    RemovedJson {
        probe: &line.probe_name,
        probe_id: line.probe.to_string(),
        from: rfc3339(line.from.start()),
        to: rfc3339(line.until.start()),
        counts: Counts::of(&line.totals),
        balanced: line.unbalanced == 0,
    }
}

#[cfg(test)]
mod tests {
    use isochrone_proto::batch::Batch;
    use isochrone_proto::ids::Digest;
    use isochrone_store::ingest::Ingested;
    use isochrone_store::ingest::fixture::*;
    use isochrone_store::ledger::read;

    use super::*;

    #[test]
    fn json_says_what_the_contract_says() {
        let (_, store) = store_with_plan();
        store_honest(&inline(&store), EPOCH, 1);
        let json = json(&read(&store, cut_of(1)).unwrap(), None);
        let expected = concat!(
            r#"{"schema":"isochrone.ledger/1","source":"store","balanced":true,"rows":[{"probe":"ada-1","#,
            r#""probe_id":"0000000000000ada","epoch":"07070707070707070707070707070707","#,
            r#""hour":"2026-11-22T10:00:00Z","planned":13,"run":12,"skipped":1,"absent":0,"stored":12,"#,
            r#""removed":0,"spooled":0,"dropped":0,"damaged":0,"refused":0,"forked":0,"revoked":0,"balanced":true}],"removed":[],"#,
            r#""quarantine":{"refused":0,"newest":[]},"#,
            r#""damage":{"rows":0,"lost":0,"accepted":0,"measurements":0,"withheld":0,"set_aside":[]}}"#
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn refused_batch_is_listed_with_its_reason() {
        let (_, store) = store_with_plan();
        let ingest = inline(&store);
        store_honest(&ingest, EPOCH, 1);
        let header = header(LATER_EPOCH, 1, Digest::ZERO);
        let batch = Batch::pack(header, &measurements(1, 0)).unwrap();
        let answer = submit(&ingest, incoming_at(&batch, UnixMillis(START.0 - 600_000)));
        assert!(matches!(answer, Ingested::Refused { .. }), "{answer:?}");

        let ledger = read(&store, cut_of(2)).unwrap();
        assert_eq!((ledger.refused, ledger.quarantine.len()), (1, 1));
        let json: serde_json::Value = serde_json::from_str(&json(&ledger, None)).unwrap();
        assert_eq!(json["quarantine"]["refused"], 1);
        assert_eq!(json["quarantine"]["newest"][0]["probe"], "ada-1");
        assert_eq!(
            json["quarantine"]["newest"][0]["reason"],
            ledger.quarantine[0].reason
        );
    }

    #[test]
    fn damaged_batch_is_named_and_no_longer_stored() {
        let (_, store) = store_with_plan();
        store_honest(&inline(&store), EPOCH, 3);
        store
            .flip_bit("log", 1, isochrone_store::Part::Value, 900)
            .unwrap();
        isochrone_store::ledger::verify(&store).unwrap();
        let ledger = read(&store, cut_of(3)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json(&ledger, None)).unwrap();
        let row = &json["rows"][0];
        assert_eq!(
            (&row["stored"], &row["dropped"], &row["damaged"]),
            (&24.into(), &12.into(), &12.into())
        );
        assert_eq!(row["balanced"], true);
        let damage = &json["damage"];
        assert_eq!(
            (&damage["rows"], &damage["measurements"]),
            (&1.into(), &12.into())
        );
        let named = &damage["set_aside"][0];
        assert_eq!(
            (&named["table"], &named["commit"], &named["sequence"]),
            (&"log".into(), &2.into(), &2.into())
        );
        let text = super::super::text(&ledger, None, 100);
        let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("batch 2 of epoch 0707") && said.contains("1 rows of the store were damaged"),
            "{text}"
        );
    }
}
