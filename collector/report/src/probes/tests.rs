use serde_json::Value;

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_316_283_250);

fn seat() -> Seat {
    Seat {
        worker: "ada".to_owned(),
        site: "Paris, FR".to_owned(),
        network: Some(64_501),
    }
}

fn probe(name: &str) -> ProbeLine {
    ProbeLine {
        name: name.to_owned(),
        id: "0000000000000ada".to_owned(),
        seat: seat(),
        latitude: 48.85,
        longitude: 2.35,
        country: Some("FR".to_owned()),
        access: "data-centre",
        active: true,
        joined: NOW,
        session: None,
        away_since: None,
        unread: Vec::new(),
        left_out: None,
        echo: [None, None],
    }
}

fn echo(address: &str, answered: Option<UnixMillis>) -> Option<EchoLine> {
    Some(EchoLine {
        address: address.parse().unwrap(),
        answered,
        asked: NOW,
        refused: None,
    })
}

fn session() -> SessionLine {
    SessionLine {
        since: NOW.minus(Duration::from_secs(490)),
        remote: "192.0.2.1:4000".parse().unwrap(),
        software: "0.1.0".to_owned(),
        plan: Some("7".to_owned()),
        spool_bytes: 4_096,
        spool_unstored: 12,
        rtt: Some(Duration::from_micros(12_500)),
        clock_offset_ms: Some(-3),
    }
}

fn report(probes: Vec<ProbeLine>) -> ProbesReport {
    ProbesReport {
        probes,
        invitations: vec![OpenInvitation {
            name: "bob-1".to_owned(),
            seat: seat(),
            until: NOW,
        }],
        clocks: vec!["The clock of ada-1 is wrong.".to_owned()],
        running: true,
        now: NOW,
    }
}

#[test]
fn each_probe_says_its_state_and_its_echo_port() {
    let mut connected = probe("connected");
    connected.session = Some(session());
    connected.echo = [
        echo("192.0.2.1:7472", Some(NOW)),
        echo("[2001:db8::1]:7472", None),
    ];
    let revoked = ProbeLine {
        active: false,
        echo: [echo("192.0.2.2:7472", None), None],
        ..probe("revoked")
    };
    let closed = ProbeLine {
        echo: revoked.echo.clone(),
        ..probe("shut")
    };
    let gone = ProbeLine {
        away_since: Some(NOW.minus(Duration::from_secs(160))),
        ..probe("gone")
    };
    let mut report = report(vec![connected, revoked, closed, probe("away"), gone]);
    let text = report.text(160);
    assert!(text.contains("The clock of ada-1 is wrong."), "{text}");
    let row = |text: &str, name: &str| {
        let row = text.lines().find(|line| line.trim_start().starts_with(name));
        row.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let place = "ada Paris, FR AS 64501";
    for (name, rest) in [
        ("connected", "connected for 8 min 10 s v4 12"),
        ("revoked", "revoked closed"),
        ("shut", "away closed"),
        ("away", "away not asked yet"),
        ("gone", "away for 2 min 40 s not asked yet"),
        ("bob-1", "invited, until 2026-11-22 02:58 UTC"),
    ] {
        assert_eq!(row(&text, name), format!("{name} {place} {rest}"), "{text}");
    }
    assert!(text.contains("Echo port closed: shut. Peers"), "{text}");
    assert!(!text.contains("Not given"), "{text}");
    report.probes[3].unread = vec!["connect4".to_owned(), "connect6".to_owned()];
    let said = "Not given to away: connect4, connect6. Its release does not know them; update it.";
    assert!(report.text(160).contains(said), "{}", report.text(160));
    report.running = false;
    assert!(row(&report.text(160), "away").contains("collector not running"));
}

#[test]
fn no_probe_says_how_to_invite_one() {
    let none = ProbesReport {
        invitations: Vec::new(),
        ..report(Vec::new())
    };
    assert_eq!(
        none.text(100),
        "No probes yet. `probe invite --worker NAME --site 'City, CC'` prints what a worker pastes.\n"
    );
    assert!(!report(Vec::new()).text(100).contains("ECHO:"));
}

#[test]
fn json_says_what_the_contract_says() {
    let mut connected = probe("ada-1");
    connected.session = Some(session());
    connected.unread = vec!["connect4".to_owned()];
    connected.echo[0] = echo("192.0.2.1:7472", Some(NOW));
    let expected = concat!(
        r#"{"schema":"isochrone.probes/1","probes":[{"probe":"ada-1","id":"0000000000000ada","worker":"ada","#,
        r#""site":"Paris, FR","latitude":48.85,"longitude":2.35,"country":"FR","network":64501,"#,
        r#""access":"data-centre","state":"active","joined":"2026-11-22T02:58:03Z","connected":true,"#,
        r#""since":"2026-11-22T02:49:53Z","away_since":null,"remote":"192.0.2.1:4000","software":"0.1.0","plan":"7","#,
        r#""spool_bytes":4096,"spool_unstored":12,"rtt_ms":12.5,"clock_offset_ms":-3,"unread":["connect4"],"left_out":null,"#,
        r#""echo4":{"address":"192.0.2.1:7472","answered":"2026-11-22T02:58:03Z","#,
        r#""asked":"2026-11-22T02:58:03Z","refused":null},"echo6":null}],"#,
        r#""invitations":[{"probe":"bob-1","worker":"ada","site":"Paris, FR","until":"2026-11-22T02:58:03Z"}],"clocks":["The clock of ada-1 is wrong."]}"#
    );
    let expected: Value = serde_json::from_str(expected).unwrap();
    assert_eq!(report(vec![connected]).json(), expected);
}

#[test]
fn invitation_carries_its_warning_and_the_mark_of_a_demo() {
    let real = FreshInvitation {
        token: "t".to_owned(),
        script: "curl\n".to_owned(),
        expires: "2026-11-22T02:58:03Z".to_owned(),
        name: "bob-1".to_owned(),
        warning: Some("nobody can reach it".to_owned()),
        notes: vec!["which Springfield?".to_owned()],
        demo: false,
    };
    let expected = concat!(
        r#"{"token":"t","script":"curl\n","expires":"2026-11-22T02:58:03Z","name":"bob-1","#,
        r#""warnings":["nobody can reach it","which Springfield?"]}"#
    );
    assert_eq!(real.json(), serde_json::from_str::<Value>(expected).unwrap());
    assert_eq!(real.text(), "curl\n");
    let demo = FreshInvitation {
        warning: None,
        notes: Vec::new(),
        demo: true,
        ..real
    };
    assert_eq!(demo.text(), format!(": '{}'\ncurl\n", crate::frame::DEMO));
    assert_eq!(demo.json()["warnings"], serde_json::json!([]));
}

#[test]
fn probe_whose_plan_is_full_is_told_with_what_to_do() {
    let mut full = probe("full");
    full.left_out = Some(LeftOutLine {
        nodes: 7,
        candidates: 1,
        checks: 42,
    });
    let report = report(vec![probe("other"), full]);
    let text = report.text(100).replace('\n', " ");
    assert!(
        text.contains(
            "The plan of full is full: it does not check 7 nodes and 1 candidate (42 checks). Remove nodes"
        ),
        "{text}"
    );
    let json = report.json();
    assert_eq!(json["probes"][1]["left_out"]["checks"], 42);
    assert_eq!(json["probes"][1]["left_out"]["candidates"], 1);
    assert_eq!(json["probes"][0]["left_out"], Value::Null);
}
