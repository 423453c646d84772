use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{HOST, NOW, targets};

/// A result as the API gives it.
fn item(city: &str, asn: u32, tags: &[&str], result: &Value) -> Value {
    json!({
        "probe": {
            "continent": "AF", "region": "Eastern Africa", "country": "KE", "state": null, "city": city, "asn": asn,
            "longitude": 36.82, "latitude": -1.29, "network": "Example Networks", "tags": tags, "resolvers": ["private"],
        },
        "result": result,
    })
}

fn measurement(kind: &str, results: &[Value]) -> Value {
    json!({
        "id": "nzGzfAGL7sZfUs3c", "type": kind, "status": "finished", "createdAt": "2026-11-28T10:25:52.414Z",
        "updatedAt": "2026-11-28T10:25:53.207Z", "target": HOST, "probesCount": results.len(),
        "measurementOptions": {"packets": 3}, "results": results,
    })
}

fn ping() -> Value {
    json!({
        "status": "finished", "rawOutput": "PING node.example.org (192.0.2.1) …\nrtt min/avg/max = 24.174/24.3/24.5 ms",
        "resolvedAddress": "192.0.2.1", "resolvedHostname": "node.example.org",
        "timings": [{"ttl": 59, "rtt": 24.2}, {"ttl": 59, "rtt": 24.5}, {"ttl": 59, "rtt": 24.3}],
        "stats": {"min": 24.174, "max": 24.5, "avg": 24.3, "total": 3, "loss": 0, "rcv": 3, "drop": 0},
    })
}

fn http() -> Value {
    json!({
        "status": "finished", "resolvedAddress": "192.0.2.1", "headers": {"server": "x"}, "rawHeaders": "server: x",
        "rawBody": null, "truncated": false, "statusCode": 200, "statusCodeName": "OK", "rawOutput": "HTTP/1.1 200",
        "timings": {"total": 143, "dns": 20, "tcp": 39, "tls": 41, "firstByte": 42, "download": 1},
        "tls": {"authorized": true, "protocol": "TLSv1.3"},
    })
}

fn mtr(last: &str) -> Value {
    let hop = |address: &str, min: f64| {
        json!({
            "resolvedAddress": address, "resolvedHostname": address, "asn": [64500],
            "stats": {"min": min, "max": 30.0, "avg": 25.0, "stDev": 1.0, "jMin": 0, "jAvg": 0, "jMax": 0, "total": 3,
                      "rcv": 3, "drop": 0, "loss": 0},
            "timings": [{"rtt": min}, {"rtt": 25.0}, {"rtt": 26.0}],
        })
    };
    json!({
        "status": "finished", "rawOutput": "Host …", "resolvedAddress": "192.0.2.1", "resolvedHostname": "node.example.org",
        "hops": [hop("198.51.100.1", 1.0), hop(last, 24.0)],
    })
}

type Taken = (Vantage, String, Kind, Option<Family>, UnixMillis, u16, Outcome);

fn read(file: impl AsRef<[u8]>) -> (Vec<Taken>, Refusals) {
    let targets = targets();
    let mut results = GlobalpingResults::new(file.as_ref(), &targets, NOW);
    let mut taken = Vec::new();
    let mut each = |_: Where, measured: &Measured<'_>| {
        assert_eq!(measured.target, "berlin");
        taken.push((
            measured.vantage.clone(),
            measured.measurement.to_string(),
            measured.kind,
            measured.family,
            measured.at,
            measured.part,
            measured.outcome.clone(),
        ));
    };
    while results.read(3, &mut each).unwrap() {}
    (taken, results.refusals().clone())
}

fn us(millis: f64) -> Micros {
    Micros::of_millis(millis).unwrap()
}

#[test]
fn ping_becomes_a_vantage_and_its_round_trips() {
    let file = measurement("ping", &[item("Nairobi", 64_500, &["eyeball-network"], &ping())]).to_string();
    let (taken, refusals) = read(file);
    assert_eq!(refusals.listed(), []);
    let (vantage, id, kind, family, at, part, outcome) = &taken[0];
    assert_eq!(vantage.id, "Nairobi, KE, AS64500, eyeball");
    assert_eq!(
        (vantage.platform, vantage.access),
        (Platform::Globalping, Access::Eyeball)
    );
    assert_eq!((vantage.place.latitude, vantage.place.longitude), (-1.29, 36.82));
    assert_eq!(vantage.network(Family::V6), Some(64_500));
    assert_eq!(
        (&**id, *kind, *family, *part),
        ("nzGzfAGL7sZfUs3c", Kind::Ping, Some(Family::V4), 0)
    );
    assert_eq!(at.0, 1_795_861_552_414);
    let echoes = Echoes {
        min: us(24.174),
        median: Some(us(24.3)),
        sent: 3,
        received: 3,
    };
    assert_eq!(*outcome, Outcome::Answered(Answer::Ping(echoes)));
}

#[test]
fn request_of_http_and_last_hop_of_mtr_give_one_round_trip() {
    let (taken, refusals) = read(measurement("http", &[item("Nairobi", 64_500, &[], &http())]).to_string());
    assert_eq!(refusals.total(), 0);
    let (vantage, _, kind, .., outcome) = &taken[0];
    assert_eq!((*kind, vantage.access), (Kind::Http, Access::Unknown));
    let exchange = Exchange {
        connect: Some(us(39.0)),
        tls: Some(us(41.0)),
        first_byte: Some(us(42.0)),
        whole: us(143.0),
        status: 200,
    };
    assert_eq!(*outcome, Outcome::Answered(Answer::Http(exchange)));
    let (taken, _) = read(measurement("mtr", &[item("Nairobi", 64_500, &[], &mtr("192.0.2.1"))]).to_string());
    assert_eq!(taken[0].2, Kind::Ping);
    let Outcome::Answered(answer) = &taken[0].6 else {
        panic!("{taken:?}");
    };
    assert_eq!(answer.round_trip(), Some(us(24.0)));
    let (taken, _) =
        read(measurement("mtr", &[item("Nairobi", 64_500, &[], &mtr("198.51.100.9"))]).to_string());
    assert_eq!(
        taken[0].6,
        failure(Cause::NoReply, 0),
        "the last hop is somebody else"
    );
}

#[test]
fn failure_has_no_time_and_what_was_not_measured_is_named() {
    let lost = json!({
        "status": "finished", "rawOutput": "", "resolvedAddress": "192.0.2.1", "timings": [],
        "stats": {"min": null, "max": null, "avg": null, "total": 3, "loss": 100, "rcv": 0, "drop": 3},
    });
    let state = |status: &str| json!({"status": status, "rawOutput": "…"});
    let results: Vec<_> = [
        lost,
        state("failed"),
        state("in-progress"),
        state("offline"),
        state("new"),
        json!({}),
    ]
    .iter()
    .map(|result| item("Nairobi", 64_500, &["datacenter-network"], result))
    .collect();
    let (taken, refusals) = read(measurement("ping", &results).to_string());
    let outcomes: Vec<_> = taken.iter().map(|taken| taken.6.clone()).collect();
    assert_eq!(outcomes, [failure(Cause::NoReply, 3), failure(Cause::Other, 0)]);
    let why: Vec<_> = refusals.listed().iter().map(|refused| &*refused.why).collect();
    assert_eq!(
        why,
        [
            "not measured yet: fetch the measurement again",
            "its vantage was offline",
            "status: finished, failed, offline or in-progress is wanted",
            "it has no status",
        ]
    );
}

#[test]
fn vantages_of_one_city_and_network_are_told_apart_by_their_part() {
    let results = [
        item("Nairobi", 64_500, &[], &ping()),
        item("Nairobi", 64_500, &[], &ping()),
    ];
    let (taken, _) = read(measurement("ping", &results).to_string());
    assert_eq!((taken[0].5, taken[1].5), (0, 1));
    assert_eq!(taken[0].0, taken[1].0);
}

#[test]
fn order_of_keys_and_wrapping_change_nothing() {
    let plain = measurement("ping", &[item("Nairobi", 64_500, &[], &ping())]);
    let (expected, _) = read(plain.to_string());
    let Value::Object(fields) = plain.clone() else {
        panic!("{plain}");
    };
    let backwards: Vec<String> = fields
        .iter()
        .rev()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    let backwards = format!("{{{}}}", backwards.join(","));
    let pretty = serde_json::to_string_pretty(&plain).unwrap();
    for file in [backwards, pretty, format!("[{plain}]"), format!("{plain}\n")] {
        let (taken, refusals) = read(&file);
        assert_eq!((&taken, refusals.total()), (&expected, 0), "{file}");
    }
    let (twice, _) = read(format!("{plain}\n{plain}\n"));
    assert_eq!(twice.len(), 2);
}

#[test]
fn measurement_that_cannot_be_taken_is_named_once() {
    let plain = measurement(
        "ping",
        &[
            item("Nairobi", 64_500, &[], &ping()),
            item("Mombasa", 64_501, &[], &ping()),
        ],
    );
    for (field, instead, expected) in [
        (
            "target",
            json!("other.example.com"),
            "of another target than the nodes and candidates: \"other.example.com\"",
        ),
        ("target", Value::Null, "it has no target"),
        (
            "type",
            json!("dns"),
            "another kind of measurement than ping, TLS and HTTP: \"dns\"",
        ),
        ("id", json!(7), "it has no id"),
        (
            "id",
            json!("two words"),
            "id: 1 to 64 letters and digits are wanted",
        ),
        (
            "createdAt",
            json!("yesterday"),
            "createdAt: a time such as 2026-11-29T12:00:00.000Z is wanted",
        ),
        (
            "createdAt",
            json!("2027-11-28T10:25:52.414Z"),
            "its time is later than this machine's clock by more than five minutes: 2027-11-28T10:25:52.414Z",
        ),
        (
            "createdAt",
            json!("1969-11-28T10:25:52.414Z"),
            "createdAt: a time such as 2026-11-29T12:00:00.000Z is wanted",
        ),
    ] {
        let mut file = plain.clone();
        file[field] = instead;
        let (taken, refusals) = read(file.to_string());
        assert_eq!((taken.len(), refusals.total()), (0, 1), "{field}");
        assert_eq!(refusals.listed()[0].why, expected);
    }
}

#[test]
fn file_that_holds_something_else_is_called_what_it_is() {
    for (file, expected) in [
        (
            r#"{"error":{"type":"not_found","message":"Couldn't find the requested item."}}"#,
            "from another kind of file: an error that Globalping answered: is the id right, and not older than a week?",
        ),
        (
            r#"{"id":"AbCdEfGh","probesCount":2}"#,
            "from another kind of file: the answer to a request: fetch the measurement, \
             https://api.globalping.io/v1/measurements/ID",
        ),
        (
            r#"[{"msm_id":90000001,"prb_id":60001,"type":"ping","min":12.5}]"#,
            "from another kind of file: a result of RIPE Atlas, which `import atlas` takes in",
        ),
        (r#"{"status":"finished"}"#, "it has no id"),
    ] {
        let (taken, refusals) = read(file);
        assert_eq!((taken.len(), refusals.total()), (0, 1), "{file}");
        assert_eq!(refusals.listed()[0].why, expected);
    }
}

#[test]
fn vantage_that_stands_nowhere_is_left_out_and_the_rest_is_taken() {
    let mut nowhere = item("Nairobi", 64_500, &[], &ping());
    nowhere["probe"]["latitude"] = Value::Null;
    let (taken, refusals) =
        read(measurement("ping", &[nowhere, item("Mombasa", 0, &[], &ping())]).to_string());
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].0.id, "Mombasa, KE, unknown");
    assert_eq!(
        refusals.listed()[0].why,
        "its vantage stands nowhere: no latitude and longitude"
    );
}

#[test]
fn more_results_than_a_measurement_has_are_bounded_and_named() {
    let one = item("Nairobi", 64_500, &[], &ping());
    let (taken, refusals) = read(measurement("ping", &vec![one; RESULTS_MAX + 5]).to_string());
    assert_eq!((taken.len(), refusals.total()), (RESULTS_MAX, 5));
}

proptest! {
    #[test]
    fn file_cut_anywhere_gives_whole_results_alone(cut in 0.0..1.0_f64) {
        let results: Vec<_> = ["Nairobi", "Mombasa", "Kisumu"].map(|city| item(city, 64_500, &[], &ping())).to_vec();
        let Value::Object(fields) = measurement("ping", &results) else {
            panic!("an object");
        };
        let mut pairs: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        pairs.sort_by_key(|pair| pair.starts_with("\"results\"")); // last, as the API gives it
        let file = format!("{{{}}}", pairs.join(","));
        let cut = (file.len() as f64 * cut) as usize;
        let (whole, _) = read(&file);
        let (part, refusals) = read(&file.as_bytes()[..cut]);
        let expected = results.iter().filter(|result| {
            let text = result.to_string();
            file.find(&text).is_some_and(|from| from + text.len() <= cut)
        }).count();
        prop_assert_eq!(&part[..], &whole[..expected]);
        prop_assert!(cut == 0 || refusals.total() > 0);
    }
}
