use std::io::Read as _;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::fixture::{HOST, NOW, Rows, atlas_http, atlas_ping, atlas_probes, atlas_tls, targets};
use crate::measurement::{Answer, Cause, Echoes, Failure, Micros, Outcome};

/// What was given, without what it was lent.
#[derive(Debug, PartialEq)]
struct Taken {
    probe: String,
    measurement: String,
    at: UnixMillis,
    kind: Kind,
    family: Option<Family>,
    address: Option<String>,
    outcome: Outcome,
}

/// Twenty probes; the 13th is private.
fn probes() -> Probes {
    let mut list: Value = serde_json::from_str(&atlas_probes(20)).unwrap();
    list["results"][12]["is_public"] = Value::Bool(false);
    let mut probes = Probes::default();
    probes
        .read(list.to_string().as_bytes(), &mut Refusals::default())
        .unwrap();
    probes
}

fn read(file: impl AsRef<[u8]>) -> (Vec<Taken>, Refusals) {
    let (probes, targets) = (probes(), targets());
    let mut results = AtlasResults::new(file.as_ref(), &probes, &targets, NOW);
    let mut taken = Vec::new();
    let mut each = |_: Where, measured: &Measured<'_>| {
        assert_eq!(measured.target, "berlin");
        taken.push(Taken {
            probe: measured.vantage.id.clone(),
            measurement: measured.measurement.to_string(),
            at: measured.at,
            kind: measured.kind,
            family: measured.family,
            address: measured.address.map(|address| address.to_string()),
            outcome: measured.outcome.clone(),
        });
    };
    while results.read(7, &mut each).unwrap() {}
    (taken, results.refusals().clone())
}

/// The one row of `file`, which refuses nothing.
fn one(file: &str) -> Taken {
    let (mut taken, refusals) = read(file);
    assert_eq!(refusals.listed(), [], "{file}");
    assert_eq!(taken.len(), 1, "{file}");
    taken.remove(0)
}

/// Why the one row of `file` is not taken.
fn why(file: &str) -> String {
    let (taken, refusals) = read(file);
    assert_eq!(
        (taken.len(), refusals.total()),
        (0, 1),
        "{file} {:?}",
        refusals.listed()
    );
    refusals.listed()[0].why.clone()
}

fn us(millis: f64) -> Micros {
    Micros::of_millis(millis).unwrap()
}

#[test]
fn ping_gives_its_shortest_and_middle_round_trip() {
    let taken = one(&atlas_ping(4, 20));
    assert_eq!((&*taken.probe, &*taken.measurement), ("5", "90000001"));
    assert_eq!(taken.at, UnixMillis(NOW.0 - 86_400_000 + 4_000));
    assert_eq!((taken.kind, taken.family), (Kind::Ping, Some(Family::V4)));
    assert_eq!(taken.address.as_deref(), Some("192.0.2.1"));
    let echoes = Echoes {
        min: us(36.799_456),
        median: Some(us(37.211_833)),
        sent: 3,
        received: 3,
    };
    assert_eq!(taken.outcome, Outcome::Answered(Answer::Ping(echoes)));
}

#[test]
fn shortest_time_that_was_rounded_is_not_longer_than_the_middle_one() {
    let one_packet = atlas_ping(4, 20)
        .replace(
            "{\"rtt\":37.211833},{\"rtt\":36.799456},{\"rtt\":38.704570}",
            "{\"rtt\":36.7612}",
        )
        .replace("\"rcvd\":3", "\"rcvd\":1")
        .replace("\"min\":36.799456", "\"min\":36.8");
    let Outcome::Answered(Answer::Ping(echoes)) = one(&one_packet).outcome else {
        panic!("{one_packet}");
    };
    assert_eq!((echoes.min, echoes.median), (us(36.7612), Some(us(36.7612))));
}

#[test]
fn handshake_and_request_give_one_round_trip_and_the_whole() {
    let tls = one(&atlas_tls(4, 20));
    assert_eq!((tls.kind, tls.family), (Kind::Tls, Some(Family::V6)));
    let Outcome::Answered(Answer::Tls(handshake)) = tls.outcome else {
        panic!("{:?}", tls.outcome);
    };
    assert_eq!(handshake.connect, Some(us(36.676)));
    assert_eq!(handshake.whole, us(36.676 * 2.1));
    let http = one(&atlas_http(4, 20));
    assert_eq!(
        (http.kind, http.address.as_deref()),
        (Kind::Http, Some("192.0.2.1"))
    );
    let Outcome::Answered(answer @ Answer::Http(exchange)) = http.outcome else {
        panic!("{:?}", http.outcome);
    };
    assert_eq!(
        (exchange.status, exchange.first_byte),
        (200, Some(us(36.676 * 2.0)))
    );
    assert_eq!(answer.round_trip(), Some(us(36.676)));
}

#[test]
fn older_firmware_says_the_same_in_its_own_fields() {
    let of_4400 = format!(
        r#"{{"addr":"192.0.2.1","avg":21.5,"dup":0,"from":"198.51.100.7","fw":4400,"max":22.0,"min":21.0,"mode":"ICMP4","msm_id":90000004,"name":"{HOST}","prb_id":5,"rcvd":2,"result":[{{"rtt":21.0}},{{"rtt":22.0}},{{"rtt":22.0,"dup":1}},{{"x":"*"}}],"sent":3,"size":20,"srcaddr":"198.51.100.7","timestamp":1332938930,"ttl":53,"type":"ping"}}"#
    );
    let taken = one(&of_4400);
    let Outcome::Answered(Answer::Ping(echoes)) = taken.outcome else {
        panic!("{:?}", taken.outcome);
    };
    assert_eq!(
        (echoes.min, echoes.median),
        (us(21.0), Some(us(21.5))),
        "a duplicate is none"
    );
    assert_eq!((echoes.sent, echoes.received), (3, 2));
    let of_1 = format!(
        r#"{{"addr":"192.0.2.1","avg":20.1,"dup":0,"from":"198.51.100.7","fw":1,"max":20.3,"min":19.9,"msm_id":90000005,"name":"{HOST}","prb_id":5,"rcvd":3,"sent":3,"size":56,"timestamp":1332938930,"msm_name":"Ping"}}"#
    );
    let Outcome::Answered(Answer::Ping(echoes)) = one(&of_1).outcome else {
        panic!("{of_1}");
    };
    assert_eq!(echoes.median, None, "only the shortest is told");
    let http_of_1 = format!(
        r#"{{"from":"198.51.100.7","fw":1,"msm_id":90000006,"prb_id":5,"result":"GET4 192.0.2.1 0.02 200 263 1406","timestamp":1332938930,"type":"http","uri":"http://{HOST}/"}}"#
    );
    assert_eq!(why(&http_of_1), "in the form of a firmware before 2012: 1");
}

#[test]
fn firmware_nobody_knows_is_read_as_far_as_it_says_what_is_asked() {
    let newer = atlas_ping(4, 20).replace("\"fw\":5080", "\"fw\":9990,\"new\":{\"deep\":[[{}]]}");
    assert_eq!(one(&newer).outcome, one(&atlas_ping(4, 20)).outcome);
    let other = atlas_ping(4, 20).replace("\"min\":", "\"rtt_min\":");
    assert_eq!(why(&other), "it has no min");
    let texts = atlas_ping(4, 20).replace("\"min\":36.799456", "\"min\":\"36.8 ms\"");
    assert_eq!(
        why(&texts),
        "min: milliseconds are wanted, above 0 and ten minutes at most"
    );
}

#[test]
fn failure_has_its_cause_and_no_time() {
    let ping = |result: &str| {
        format!(
            r#"{{"fw":5080,"lts":1,"dst_name":"{HOST}","af":4,"dst_addr":"192.0.2.1","proto":"ICMP","size":48,"result":[{result}],"dup":0,"rcvd":0,"sent":3,"min":-1,"max":-1,"avg":-1,"msm_id":1,"prb_id":5,"timestamp":1795950000,"msm_name":"Ping","type":"ping"}}"#
        )
    };
    let tls = |what: &str| {
        format!(
            r#"{{"fw":5080,"dst_name":"{HOST}","af":4,"method":"TLS",{what},"rt":12.5,"ttc":5.5,"msm_id":1,"prb_id":5,"timestamp":1795950000,"type":"sslcert"}}"#
        )
    };
    let http = |what: &str| {
        format!(
            r#"{{"fw":5080,"uri":"https://{HOST}/","result":[{{"af":6,"dst_addr":"2001:db8::1","method":"GET",{what}}}],"msm_id":1,"prb_id":5,"timestamp":1795950000,"type":"http"}}"#
        )
    };
    for (file, cause, sent, words) in [
        (ping(r#"{"x":"*"},{"x":"*"},{"x":"*"}"#), Cause::NoReply, 3, ""),
        (
            ping(r#"{"error":"connect failed: Network is unreachable"}"#),
            Cause::Connect,
            3,
            "connect failed: Network is unreachable",
        ),
        (
            ping("").replace(
                "\"af\":4",
                "\"dnserr\":\"name resolution failed: NXDOMAIN\",\"af\":4",
            ),
            Cause::Resolve,
            0,
            "name resolution failed: NXDOMAIN",
        ),
        (
            ping("").replace("\"af\":4", "\"error\":{\"dns\":\"nameserver lookup failed\"}"),
            Cause::Resolve,
            0,
            "nameserver lookup failed",
        ),
        (
            tls(r#""err":"connect: Connection refused""#),
            Cause::Connect,
            0,
            "connect: Connection refused",
        ),
        (
            tls(r#""err":"timeout reading hello""#),
            Cause::Tls,
            0,
            "timeout reading hello",
        ),
        (
            tls(r#""alert":{"level":2,"description":40}"#),
            Cause::Tls,
            0,
            "an alert of TLS",
        ),
        (
            http(r#""err":"timeout reading chunk: state 6","rt":12.5,"res":200"#),
            Cause::NoReply,
            0,
            "timeout reading chunk: state 6",
        ),
        (
            http(r#""dnserr":"Temporary failure""#),
            Cause::Resolve,
            0,
            "Temporary failure",
        ),
        (
            http(r#""err":"\u001b[31mred\nlines""#),
            Cause::Other,
            0,
            "?[31mred lines",
        ),
    ] {
        let words = words.to_owned();
        let failure = Failure { cause, sent, words };
        assert_eq!(one(&file).outcome, Outcome::Failed(failure), "{file}");
    }
}

#[test]
fn status_that_is_no_success_is_an_answer_all_the_same() {
    let taken = one(&atlas_http(4, 20).replace("\"res\":200", "\"res\":503"));
    let Outcome::Answered(Answer::Http(exchange)) = taken.outcome else {
        panic!("{:?}", taken.outcome);
    };
    assert_eq!(exchange.status, 503);
}

#[test]
fn what_is_not_taken_says_why() {
    let ping = atlas_ping(4, 20);
    for (given, instead, expected) in [
        (
            "\"type\":\"ping\"",
            "\"type\":\"traceroute\"",
            "another kind of measurement than ping, TLS and HTTP: \"traceroute\"",
        ),
        (
            "node.example.org",
            "other.example.com",
            "of another target than the nodes and candidates: \"other.example.com\"",
        ),
        (
            "\"prb_id\":5",
            "\"prb_id\":77",
            "its probe is in no list of probes that was given: 77",
        ),
        (
            "\"prb_id\":5",
            "\"prb_id\":13",
            "its probe 13 is left out: private",
        ),
        (
            "\"prb_id\":5",
            "\"prb_id\":50000000000",
            "prb_id: a probe's number is wanted",
        ),
        ("\"prb_id\":5", "\"prb_id\":null", "it has no prb_id"),
        (
            "\"msm_id\":90000001",
            "\"msm_id\":-1",
            "msm_id: a whole number is wanted",
        ),
        (
            "\"rcvd\":3",
            "\"rcvd\":4",
            "rcvd: no more packets come back than were sent",
        ),
        (
            "\"rcvd\":3",
            "\"rcvd\":70000",
            "rcvd: a number of packets is wanted",
        ),
        (
            "\"min\":36.799456",
            "\"min\":99",
            "min: the shortest of its packets' times is wanted",
        ),
        (
            "\"min\":36.799456",
            "\"min\":700000",
            "min: milliseconds are wanted, above 0 and ten minutes at most",
        ),
        (
            "{\"rtt\":37.211833}",
            "{\"rtt\":\"fast\"}",
            "rtt: milliseconds are wanted",
        ),
    ] {
        assert!(ping.contains(given), "{given}");
        assert_eq!(why(&ping.replace(given, instead)), expected, "{instead}");
    }
    let next_year = ping.replace("\"timestamp\":17", "\"timestamp\":18");
    assert_eq!(
        why(&next_year),
        "its time is later than this machine's clock by more than five minutes: 2030-01-28T21:46:44Z"
    );
    assert!(why(&ping.replace("\"timestamp\":1", "\"timestamp\":")).starts_with("its time is before 2010: "));
    assert_eq!(
        why(&atlas_probes(1)),
        "from another kind of file: a list of probes or of measurements, where results are wanted"
    );
    assert_eq!(
        why(r#"{"measurements":[90000001,90000002]}"#),
        "from another kind of file: the answer to a request: fetch the results of each id in it, \
         https://atlas.ripe.net/api/v2/measurements/ID/results/"
    );
    assert_eq!(
        why(
            r#"{"id":"AbCdEfGh","type":"ping","status":"finished","target":"node.example.org","results":[{"probe":{}}]}"#
        ),
        "from another kind of file: a measurement of Globalping, which `import globalping` takes in"
    );
}

#[test]
fn array_lines_and_stream_hold_the_same() {
    let rows: Vec<String> = (0..9).map(|number| atlas_ping(number, 20)).collect();
    let array = format!("[{}]", rows.join(","));
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&array).unwrap()).unwrap();
    let stream: String = rows
        .iter()
        .map(|row| format!("[\"atlas_result\",{row}]\n"))
        .collect();
    let stream = format!("[\"atlas_subscribed\",{{\"streamType\":\"result\",\"msm\":90000001}}]\n{stream}");
    let (lines, refusals) = read(rows.join("\n"));
    assert_eq!((lines.len(), refusals.total()), (9, 0));
    for other in [array, pretty, stream] {
        let (taken, refusals) = read(&other);
        assert_eq!(refusals.total(), 0, "{:?}", refusals.listed());
        assert_eq!(taken, lines, "{other}");
    }
}

#[test]
fn broken_rows_are_listed_with_line_and_reason_and_the_rest_is_taken() {
    let mut rows: Vec<String> = (0..6).map(|number| atlas_ping(number, 20)).collect();
    rows[1].truncate(200);
    rows[3] = "<html>".to_owned();
    rows[4] = rows[4].replace(HOST, "other.example.com");
    let (taken, refusals) = read(rows.join("\n"));
    assert_eq!(taken.len(), 3);
    let listed: Vec<_> = refusals
        .listed()
        .iter()
        .map(|refused| (refused.at.line, &*refused.why))
        .collect();
    assert!(
        listed[0].0 == 2 && listed[0].1.starts_with("not JSON: "),
        "{listed:?}"
    );
    assert_eq!(
        listed[1],
        (4, "no result: a JSON object is wanted; this begins \"<html>\"")
    );
    assert_eq!(listed[2].0, 5);
    assert_eq!(listed.len(), 3);
}

#[test]
fn packed_file_that_is_cut_gives_what_was_whole_and_says_so() {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let rows = 20_000;
    let mut plain = Vec::new();
    Rows::new(rows, true, |number| atlas_ping(number * 31, 20))
        .read_to_end(&mut plain)
        .unwrap();
    packer.write_all(&plain).unwrap();
    let packed = packer.finish().unwrap();
    let (probes, targets) = (probes(), targets());
    let count = |file: &[u8]| {
        let file = crate::open(file).unwrap();
        let mut results = AtlasResults::new(file, &probes, &targets, NOW);
        let mut count = 0_u64;
        while results.read(5_000, |_, _| count += 1).unwrap() {}
        let left_out = results
            .refusals()
            .counts()
            .map(|(_, count)| count)
            .max()
            .unwrap_or_default();
        (count, left_out, results.refusals().total())
    };
    let (whole, left_out, refused) = count(&packed);
    assert_eq!(
        (whole + left_out, refused),
        (rows, rows / 20),
        "one of 20 probes is private"
    );
    let (part, _, refused) = count(&packed[..packed.len() / 2]);
    assert!(part > rows / 4 && part < rows, "{part}");
    assert!(refused > 0);
}

#[test]
fn million_rows_are_read_in_the_memory_of_a_few() {
    let rows = 1_000_000;
    let (probes, targets) = (probes(), targets());
    let ready: Vec<String> = (0..1_000).map(|number| atlas_ping(number * 31, 12)).collect();
    let file = Rows::new(rows, true, |number| ready[number as usize % ready.len()].clone());
    let mut results = AtlasResults::new(file, &probes, &targets, NOW);
    let (mut count, mut sum) = (0_u64, 0_u64);
    let each = |_: Where, measured: &Measured<'_>| {
        let Outcome::Answered(answer) = &measured.outcome else {
            panic!("{measured:?}");
        };
        count += 1;
        sum += u64::from(answer.round_trip().unwrap().get());
    };
    let mut each = each;
    while results.read(5_000, &mut each).unwrap() {}
    let expected: u64 = ready
        .iter()
        .map(|row| {
            let row: Value = serde_json::from_str(row).unwrap();
            u64::from(us(row["min"].as_f64().unwrap()).get())
        })
        .sum();
    assert_eq!((count, sum), (rows, expected * 1_000));
    assert_eq!(results.refusals().total(), 0);
}

proptest! {
    #[test]
    fn file_cut_anywhere_gives_the_rows_before_the_cut_and_no_other(cut in 0.0..1.0_f64, layout in 0..2) {
        let rows: Vec<String> = (0..5).map(|number| match number % 3 {
            0 => atlas_ping(number, 12),
            1 => atlas_tls(number, 12),
            _ => atlas_http(number, 12),
        }).collect();
        let file = match layout {
            0 => format!("[{}]", rows.join(",")),
            _ => rows.join("\n"),
        };
        let at = (file.len() as f64 * cut) as usize;
        let (whole, _) = read(&file);
        let (part, refusals) = read(&file[..at]);
        prop_assert_eq!(&whole[..part.len()], &part[..]);
        let ends = rows.iter().filter(|row| file.find(row.as_str()).is_some_and(|from| from + row.len() <= at)).count();
        prop_assert_eq!(part.len(), ends);
        prop_assert!(refusals.total() <= 1);
    }

    #[test]
    fn row_with_any_bytes_changed_never_panics_and_never_gives_a_failure_a_time(
        number in 0_u64..9, place in 0.0..1.0_f64, byte: u8, kind in 0..3,
    ) {
        let mut row = match kind {
            0 => atlas_ping(number, 12),
            1 => atlas_tls(number, 12),
            _ => atlas_http(number, 12),
        }.into_bytes();
        let place = (row.len() as f64 * place) as usize;
        row[place] = byte;
        let file = [&row[..], b"\n", atlas_ping(3, 12).as_bytes()].concat();
        let (taken, _) = read(&file);
        prop_assert!((1..=2).contains(&taken.len()), "the row behind it is always taken");
    }
}
