use std::collections::BTreeMap;
use std::sync::OnceLock;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_store::StoreOptions;
use tokio::time::Instant;

use super::*;
use crate::alert::SecretUrl;
use crate::alert::courier::Parcel;
use crate::alert::{Courier, DeliverError, Event, ReceiverKind, Whose};
use crate::incident::{Ending, EvidenceCell, Incident, IncidentCheck};
use crate::judge::{Telling, What};

const T0: UnixMillis = UnixMillis(1_795_316_283_000);

fn cell(vantage: &str, network: u32, error: &str) -> EvidenceCell {
    EvidenceCell {
        probe: ProbeId(u64::from(network)),
        vantage: vantage.into(),
        place: "Berlin, DE".into(),
        network: Some(network),
        kind: "status4".parse().unwrap(),
        phase: Phase::Connect,
        failure: FailureCause::Timeout,
        error: error.into(),
        slot: UnixMillis(T0.0 + 20_000),
        first_slot: T0,
        failures: 3,
    }
}

fn incident() -> Incident {
    let error = "timeout in connect, verbatim";
    Incident {
        id: Incident::id_of("tokyo", IncidentCheck::Status, T0),
        check: IncidentCheck::Status,
        noticed: UnixMillis(T0.0 + 22_000),
        evidence: vec![cell("berlin", 1, error), cell("paris", 2, error)],
        ..crate::incident::tests::incident(T0.0, None)
    }
}

fn telling(what: What, incidents: Vec<Incident>, at: UnixMillis) -> Alert {
    let telling = Telling {
        at,
        what,
        incidents,
        failing_too: vec![],
        still_down: vec![],
        up_for_now: vec![],
    };
    Alert::of_telling(&telling, "lead", (&|_| None, &|_| None, &|_| Whose::default()))
}

pub(in crate::alert) fn incident_alert() -> Alert {
    telling(What::Down, vec![incident()], UnixMillis(T0.0 + 22_000))
}

pub(in crate::alert) fn long_alert() -> Alert {
    let mut incident = incident();
    incident.target = "t\u{1f5fc}".repeat(400);
    incident.caveat = Some("c*".repeat(300));
    incident.evidence = (1..60)
        .map(|n| cell("vantage", n, &"long error ".repeat(30)))
        .collect();
    telling(What::Down, vec![incident], T0)
}

/// Of so many nodes, or probes, each with so many cells of evidence.
pub(in crate::alert) fn several_alert(check: IncidentCheck, incidents: usize, cells: u32) -> Alert {
    telling(
        if check.is_outage() {
            What::Down
        } else {
            What::Silent
        },
        (0..incidents)
            .map(|place| one_of_several(check, place, cells))
            .collect(),
        T0,
    )
}

fn one_of_several(check: IncidentCheck, place: usize, cells: u32) -> Incident {
    let mut incident = incident();
    incident.target = format!("node-{place}");
    (incident.id, incident.check) = (Incident::id_of(&incident.target, check, T0), check);
    let cell = |n: u32| EvidenceCell {
        kind: "connect4".parse().unwrap(),
        ..cell(&format!("vantage-{n}"), n + 1, "Connection refused")
    };
    incident.evidence = (0..cells).map(cell).collect();
    incident
}

fn ended_alert() -> Alert {
    let mut incident = incident();
    incident.end = Some(UnixMillis(T0.0 + 490_000));
    incident.ending = Some(Ending::Recovered);
    telling(What::Up, vec![incident], UnixMillis(T0.0 + 500_000))
}

/// Another node's.
fn other_alert() -> Alert {
    let mut incident = incident();
    incident.id = Incident::id_of("lima", IncidentCheck::Status, T0);
    telling(What::Down, vec![incident], UnixMillis(T0.0 + 23_000))
}

fn receivers() -> Vec<Receiver> {
    let url = |name: &str| SecretUrl::try_from(format!("https://{name}.example.org/x")).unwrap();
    vec![
        Receiver::new(ReceiverKind::Webhook, url("hook")),
        Receiver::new(ReceiverKind::Discord, url("discord")),
    ]
}

fn store() -> Store {
    Store::in_memory(StoreOptions::default()).unwrap()
}

/// An instant by both clocks, as long as nobody sets one.
fn both(now: UnixMillis) -> (UnixMillis, Instant) {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let first = *FIRST.get_or_init(isochrone_base::clock::monotonic);
    (now, first + now.since(T0))
}

/// Takes what is due and settles it as `verdict` says; counts deliveries by receiver and alert id.
fn round(
    courier: &mut Courier,
    now: UnixMillis,
    verdict: impl Fn(&Parcel) -> Result<(), DeliverError>,
    log: &mut Vec<(String, String)>,
) {
    for parcel in courier.due(both(now)) {
        let result = verdict(&parcel);
        if result.is_ok() {
            log.push((parcel.request.receiver.to_owned(), parcel.request.id.clone()));
        }
        courier.settle(&parcel, result, both(now), 1.0).unwrap();
    }
}

fn unreachable() -> Result<(), DeliverError> {
    Err(DeliverError::Socket(std::io::ErrorKind::ConnectionRefused.into()))
}

#[test]
fn alert_reads_as_the_documented_json() {
    let json = serde_json::to_string_pretty(&ended_alert()).unwrap();
    let id = &incident().id;
    let expected = format!(
        r#"{{
  "schema": "isochrone.alert/1",
  "id": "{id}-ended",
  "source": "store",
  "event": "ended",
  "pages": false,
  "at": "2026-11-22T03:06:23Z",
  "collector": "lead",
  "summary": "tokyo: status is up again after 8 min 10 s, 2026-11-22 02:58:03 to 2026-11-22 03:06:13 UTC.",
  "incident": {{
    "id": "{id}",
    "target": "tokyo",
    "worker": null,
    "place": null,
    "check": "status",
    "checks": [
      "status"
    ],
    "cause": "node",
    "start": "2026-11-22T02:58:03Z",
    "end": "2026-11-22T03:06:13Z",
    "duration_s": 490,
    "ending": "recovered",
    "caveat": null,
    "vantages": 2,
    "networks": 2,
    "evidence": [
      {{
        "vantage": "berlin",
        "place": "Berlin, DE",
        "network": 1,
        "kind": "status4",
        "phase": "connect",
        "cause": "timeout",
        "error": "timeout in connect, verbatim",
        "first": "2026-11-22T02:58:03Z",
        "last": "2026-11-22T02:58:23Z",
        "failures": 3
      }},"#
    );
    assert!(json.starts_with(&expected), "{json}");
    assert_eq!(
        incident_alert().summary,
        "tokyo: status is down since 2026-11-22 02:58:03 UTC, seen by 2 vantages in 2 networks. Error, in connect: \
         timeout in connect, verbatim."
    );
    assert_eq!(incident_alert().event, Event::Opened);
}

#[test]
fn node_that_fails_as_well_is_named_for_programs_too() {
    let node = TargetId::of_node("oslo");
    let telling = Telling {
        at: T0,
        what: What::Down,
        incidents: vec![incident()],
        failing_too: vec![node],
        still_down: vec![],
        up_for_now: vec![],
    };
    let name = |of: TargetId| (of == node).then(|| "oslo".to_owned());
    let alert = Alert::of_telling(&telling, "lead", (&name, &|_| None, &|_| Whose::default()));
    assert!(
        alert.summary.contains("Failing as well: oslo."),
        "{}",
        alert.summary
    );
    let json = serde_json::to_value(&alert).unwrap();
    assert_eq!(json["failing_too"], serde_json::json!(["oslo"]));
    assert_eq!(serde_json::from_value::<Alert>(json).unwrap(), alert);
}

#[test]
fn restart_between_commit_and_delivery_loses_nothing() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    outbox.add(&incident_alert(), T0).unwrap();
    drop(outbox); // nobody had a chance to deliver
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let mut log = Vec::new();
    round(&mut Courier::new(outbox.clone()), T0, |_| Ok(()), &mut log);
    assert_eq!(log.len(), 2);
    assert!(outbox.board().pending.is_empty());
    assert_eq!(outbox.board().of_incident(&incident().id), (2, 0));
}

#[test]
fn crash_between_delivery_and_its_note_repeats_it_under_the_same_id() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    outbox.add(&incident_alert(), T0).unwrap();
    let first: Vec<_> = Courier::new(outbox).due(both(T0)); // delivered, then the process dies
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let again = Courier::new(outbox).due(both(T0));
    let ids = |parcels: &[Parcel]| -> Vec<_> {
        parcels
            .iter()
            .map(|parcel| (parcel.request.receiver, parcel.request.id.clone()))
            .collect()
    };
    assert_eq!(ids(&first), ids(&again));
    assert_eq!(first.len(), 2);
    let body = again[0].request.body.as_ref().unwrap();
    assert_eq!(body["id"], again[0].request.id.as_str(), "the receiver can tell");
}

#[test]
fn alert_from_the_demo_says_so_to_programs_and_to_people() {
    let store = store();
    store.mark_demo().unwrap();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    outbox.add(&incident_alert(), T0).unwrap();
    for pending in &outbox.board().pending {
        assert_eq!(pending.alert.source, "demo");
        assert!(
            pending.alert.summary.starts_with("DEMO "),
            "{}",
            pending.alert.summary
        );
        let discord = crate::alert::discord::body(&pending.alert);
        assert!(discord["content"].as_str().unwrap().contains("DEMO"), "{discord}");
    }
}

#[test]
fn alert_is_never_queued_twice() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    outbox.add(&incident_alert(), T0).unwrap();
    outbox.add(&incident_alert(), UnixMillis(T0.0 + 5)).unwrap();
    assert_eq!(outbox.board().pending.len(), 2, "one for each receiver");
    let mut courier = Courier::new(outbox.clone());
    round(&mut courier, UnixMillis(T0.0 + 10), |_| Ok(()), &mut Vec::new());
    outbox.add(&incident_alert(), UnixMillis(T0.0 + 20)).unwrap();
    assert!(outbox.board().pending.is_empty(), "nor after it was delivered");
}

#[test]
fn fall_of_what_comes_and_goes_says_when_it_was_so_where_it_comes_late() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let mut courier = Courier::new(outbox.clone());
    outbox
        .add(&telling(What::Flapping, vec![incident()], T0), T0)
        .unwrap();
    let body = |courier: &mut Courier, second: u64| {
        let now = UnixMillis(T0.0 + second * 1_000);
        let mut parcels = courier.due(both(now));
        assert_eq!(parcels.len(), 2);
        for parcel in &parcels {
            courier.settle(parcel, unreachable(), both(now), 1.0).unwrap();
        }
        parcels.remove(0).request.body.unwrap().to_string()
    };
    let late = "Told late: so it was at 2026-11-22 02:58:03 UTC; `status` says how it is now.";
    assert!(!body(&mut courier, 0).contains("Told late"));
    assert!(!body(&mut courier, 60).contains("Told late"));
    let told = body(&mut courier, 400);
    assert!(told.contains(late), "{told}");
}

#[test]
fn dead_receiver_blocks_no_other_and_loses_nothing() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let mut courier = Courier::new(outbox.clone());
    outbox.add(&incident_alert(), T0).unwrap();
    outbox.add(&other_alert(), UnixMillis(T0.0 + 1)).unwrap();
    let mut log = Vec::new();
    let mut tries = BTreeMap::new();
    for second in 0..86_400 {
        let now = UnixMillis(T0.0 + second * 1_000);
        for parcel in courier.due(both(now)) {
            *tries.entry(parcel.request.receiver).or_insert(0) += 1;
            let result = if parcel.request.receiver == "discord" {
                unreachable()
            } else {
                Ok(())
            };
            if result.is_ok() {
                log.push(parcel.request.id.clone());
            }
            courier.settle(&parcel, result, both(now), 1.0).unwrap();
        }
    }
    assert_eq!(
        log,
        [incident_alert().id, other_alert().id],
        "the webhook, in order"
    );
    assert!(
        (90..120).contains(&tries["discord"]),
        "{tries:?}: a quarter of an hour apart"
    );
    let board = outbox.board();
    assert_eq!(board.pending.len(), 2);
    assert_eq!(board.oldest(), Some(T0));
    let error = board.pending[0].last_error.clone().unwrap();
    assert!(error.contains("connection refused"), "{error}");
    let end = UnixMillis(T0.0 + 90_000_000);
    let mut log = Vec::new();
    for second in 0..10 {
        round(
            &mut courier,
            UnixMillis(end.0 + second * 1_000),
            |_| Ok(()),
            &mut log,
        );
    }
    assert_eq!(log.len(), 2, "it came back and got both");
    assert_eq!(log[0].1, other_alert().id, "the newest state first");
}

#[test]
fn board_that_is_asked_for_each_second_is_not_copied_and_forgets_deliveries_without_a_restart() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let mut courier = Courier::new(outbox.clone());
    outbox.add(&incident_alert(), T0).unwrap();
    round(&mut courier, T0, |_| Ok(()), &mut Vec::new());
    assert!(std::sync::Arc::ptr_eq(&outbox.board(), &outbox.board()));
    let day = Duration::from_secs(86_400);
    let id = incident().id;
    outbox.prune(T0.plus(89 * day)).unwrap();
    assert_eq!(outbox.board().of_incident(&id), (2, 0));
    let held = outbox.board();
    outbox.prune(T0.plus(91 * day)).unwrap();
    assert_eq!(outbox.board().of_incident(&id), (0, 0));
    assert_eq!(
        held.of_incident(&id),
        (2, 0),
        "whoever holds it keeps what it was"
    );
}

#[test]
fn refused_alert_steps_aside_for_the_next_and_stays_pending() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let mut courier = Courier::new(outbox.clone());
    outbox.add(&incident_alert(), T0).unwrap();
    outbox.add(&other_alert(), UnixMillis(T0.0 + 1)).unwrap();
    let refused = incident_alert().id;
    let mut log = Vec::new();
    let verdict = |parcel: &Parcel| {
        if parcel.request.id == refused {
            let text = "no".to_owned();
            return Err(DeliverError::Rejected { status: 400, text });
        }
        Ok(())
    };
    for second in 0..3_600 {
        round(&mut courier, UnixMillis(T0.0 + second * 1_000), verdict, &mut log);
    }
    assert_eq!(log.len(), 2, "the later alert reached both");
    let board = outbox.board();
    assert_eq!(board.pending.len(), 2);
    assert!(
        board.pending.iter().all(|pending| pending.attempts >= 5),
        "{board:?}"
    );
    let mut after_restart = Courier::new(Outbox::open(&store, receivers(), T0).unwrap());
    assert_eq!(
        after_restart.due(both(T0)).len(),
        2,
        "and is tried again after a restart"
    );
}

#[test]
fn outage_that_is_over_before_its_receiver_came_back_is_one_line() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let mut courier = Courier::new(outbox.clone());
    outbox.add(&incident_alert(), T0).unwrap();
    round(&mut courier, T0, |_| unreachable(), &mut Vec::new());
    outbox.add(&ended_alert(), UnixMillis(T0.0 + 500_000)).unwrap();
    let mut log = Vec::new();
    for second in 500..1_500 {
        let now = UnixMillis(T0.0 + second * 1_000);
        round(&mut courier, now, |_| Ok(()), &mut log);
    }
    let ids: Vec<_> = log.iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(
        ids,
        [ended_alert().id, ended_alert().id],
        "once to each, and it says how long it lasted"
    );
    outbox
        .add(&incident_alert(), UnixMillis(T0.0 + 1_600_000))
        .unwrap();
    assert!(
        outbox.board().pending.is_empty(),
        "the beginning is never told after its end"
    );
}

#[test]
fn receiver_that_asked_to_wait_hears_nothing_of_what_is_over_before() {
    let patient = |seconds| {
        let mut receivers = receivers();
        receivers.truncate(1);
        receivers[0].after = Duration::from_secs(seconds);
        receivers
    };
    for (after, expected) in [(60, vec!["opened", "ended"]), (600, vec![])] {
        let outbox = Outbox::open(&store(), patient(after), T0).unwrap();
        let mut courier = Courier::new(outbox.clone());
        outbox.add(&incident_alert(), T0).unwrap();
        assert!(courier.due(both(UnixMillis(T0.0 + 59_000))).is_empty());
        assert_eq!(courier.next_due(both(T0)), Some(Duration::from_secs(after)));
        let mut log = Vec::new();
        for second in 60..1_000 {
            let now = UnixMillis(T0.0 + second * 1_000);
            if second == 500 {
                outbox.add(&ended_alert(), now).unwrap();
            }
            round(&mut courier, now, |_| Ok(()), &mut log);
        }
        let words: Vec<_> = log
            .iter()
            .map(|(_, id)| id.rsplit('-').next().unwrap().to_owned())
            .collect();
        assert_eq!(words, expected, "after {after} s");
        assert!(outbox.board().pending.is_empty());
    }
}

#[test]
fn busy_receiver_is_left_alone_as_long_as_it_asked() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let mut courier = Courier::new(outbox.clone());
    outbox.add(&incident_alert(), T0).unwrap();
    let busy = |_: &Parcel| {
        Err(DeliverError::Busy {
            status: 429,
            retry_after: Some(Duration::from_secs(100)),
        })
    };
    round(&mut courier, T0, busy, &mut Vec::new());
    assert!(courier.due(both(UnixMillis(T0.0 + 99_999))).is_empty());
    assert_eq!(courier.next_due(both(T0)), Some(Duration::from_secs(100)));
    assert_eq!(courier.due(both(UnixMillis(T0.0 + 100_000))).len(), 2);
}

#[test]
fn alerts_of_a_receiver_that_left_the_configuration_are_dropped() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    outbox.add(&incident_alert(), T0).unwrap();
    let only_webhook = receivers().into_iter().take(1).collect();
    let outbox = Outbox::open(&store, only_webhook, T0).unwrap();
    let board = outbox.board();
    let names: Vec<_> = board
        .pending
        .iter()
        .map(|pending| pending.receiver.as_str())
        .collect();
    assert_eq!(names, ["webhook"]);
}

#[tokio::test(start_paused = true)]
async fn courier_delivers_what_is_added_while_it_runs() {
    use std::sync::Mutex;

    use isochrone_base::clock::Clock;
    use rand::SeedableRng;
    use tokio_util::sync::CancellationToken;

    use crate::alert::{Deliver, Request};

    /// Refuses every first delivery.
    #[derive(Default)]
    struct Flaky(Mutex<Vec<String>>);
    impl Deliver for Flaky {
        fn deliver(&self, request: &Request) -> Result<(), DeliverError> {
            let mut seen = self.0.lock().unwrap();
            let line = format!("{} {}", request.receiver, request.id);
            seen.push(line.clone());
            match seen.iter().filter(|known| **known == line).count() {
                1 => unreachable(),
                _ => Ok(()),
            }
        }
    }

    let outbox = Outbox::open(&store(), receivers(), T0).unwrap();
    let flaky = Arc::new(Flaky::default());
    let stop = CancellationToken::new();
    let random = rand::rngs::StdRng::seed_from_u64(1);
    let run = Courier::new(outbox.clone()).run(flaky.clone(), Clock::virtual_from(T0), random, stop.clone());
    let script = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        outbox.add(&incident_alert(), T0).unwrap();
        while !outbox.board().pending.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        stop.cancel();
    };
    tokio::join!(run, script);
    assert_eq!(flaky.0.lock().unwrap().len(), 4, "each twice");
}

#[test]
fn outage_of_a_thousand_nodes_is_a_message_that_every_receiver_takes() {
    let mut incidents: Vec<Incident> = (0..1_000)
        .map(|place| one_of_several(IncidentCheck::Connect, place, 20))
        .collect();
    for cell in incidents.iter_mut().flat_map(|incident| &mut incident.evidence) {
        cell.error = "e".repeat(512); // the longest text of the wire
    }
    let alert = telling(What::Down, incidents, T0);
    let outbox = Outbox::open(&store(), receivers(), T0).unwrap();
    outbox.add(&alert, T0).unwrap();
    for waiting in &outbox.board().pending {
        let stored = serde_json::to_vec(waiting).unwrap().len();
        assert!(stored <= 160_000, "{} stores {stored} bytes", waiting.receiver);
    }
    for receiver in receivers() {
        let sent = receiver.request(&alert).unwrap().body.unwrap().to_string().len();
        assert!(sent <= 160_000, "{} gets {sent} bytes", receiver.name());
    }
    assert!(
        alert.summary.contains("node-11 and 988 more."),
        "{}",
        alert.summary
    );
    assert!(alert.summary.len() < 1_000, "{}", alert.summary.len());
    let ids: std::collections::BTreeSet<_> = alert.ids().collect();
    assert_eq!(ids.len(), 1_000, "each can be told from the next by its id");
    let first = alert.incident.as_ref().unwrap();
    assert_eq!(
        (first.vantages, first.evidence.len(), first.evidence_left_out),
        (20, 16, 4)
    );
    let last = alert.others.last().unwrap();
    assert_eq!(
        (last.vantages, last.evidence.len(), last.evidence_left_out),
        (20, 0, 20)
    );
}

#[test]
fn opening_of_six_that_waits_until_five_are_up_again_is_about_the_sixth() {
    let outbox = Outbox::open(&store(), receivers()[..1].to_vec(), T0).unwrap();
    let six: Vec<Incident> = (0..6)
        .map(|place| one_of_several(IncidentCheck::Connect, place, 2))
        .collect();
    outbox.add(&telling(What::Down, six.clone(), T0), T0).unwrap();
    let mut courier = Courier::new(outbox.clone());
    let mut log = Vec::new();
    round(&mut courier, T0, |_| unreachable(), &mut log);
    let later = UnixMillis(T0.0 + 600_000);
    let five = six[..5].iter().cloned().map(|mut incident| {
        (incident.end, incident.ending) = (Some(later), Some(Ending::Recovered));
        incident
    });
    outbox
        .add(&telling(What::Up, five.collect(), later), later)
        .unwrap();
    let said = std::cell::RefCell::new(Vec::new());
    for second in 0..3 {
        let now = UnixMillis(later.0 + 1_000_000 + second * 1_000);
        let take = |parcel: &Parcel| {
            let summary = parcel.request.body.as_ref().unwrap()["summary"].clone();
            said.borrow_mut().push(summary.as_str().unwrap().to_owned());
            Ok(())
        };
        round(&mut courier, now, take, &mut log);
    }
    let said = said.into_inner();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("5 nodes are up again"), "{said:?}");
    assert_eq!(
        said[1],
        "node-5 is down since 2026-11-22 02:58:03 UTC. 5 more that began with it are over."
    );
    assert_eq!(outbox.board().of_incident(&six[5].id), (1, 0));
    assert_eq!(outbox.board().of_incident(&six[0].id), (1, 0), "by its end");
}

/// The lead hears that the collector's clock is ten minutes ahead, sets it, and hears of what comes then, and of what was
/// found before, at once.
#[test]
fn clock_that_is_set_back_holds_no_alert_up() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let mut courier = Courier::new(outbox.clone());
    let (ahead, moment) = (UnixMillis(T0.0 + 600_000), both(T0).1);
    outbox.add(&incident_alert(), ahead).unwrap();
    for parcel in courier.due((ahead, moment)) {
        courier.settle(&parcel, Ok(()), (ahead, moment), 1.0).unwrap();
    }
    outbox.add(&other_alert(), ahead).unwrap();
    assert_eq!(courier.next_due((T0, moment)), Some(Duration::ZERO));
    assert_eq!(
        courier.due((T0, moment)).len(),
        2,
        "found before the clock was set"
    );
}

/// A receiver that is away is tried again after the same pause, whatever happens to the clock.
#[test]
fn pause_of_a_receiver_is_as_long_when_the_clock_is_set() {
    let store = store();
    let outbox = Outbox::open(&store, receivers(), T0).unwrap();
    let mut courier = Courier::new(outbox.clone());
    let moment = both(T0).1;
    outbox.add(&incident_alert(), T0).unwrap();
    for parcel in courier.due((T0, moment)) {
        courier.settle(&parcel, unreachable(), (T0, moment), 1.0).unwrap();
    }
    for wall in [UnixMillis(T0.0 - 600_000), UnixMillis(T0.0 + 600_000)] {
        let soon = moment + Duration::from_millis(4_900);
        assert!(courier.due((wall, soon)).is_empty());
        assert_eq!(courier.next_due((wall, soon)), Some(Duration::from_millis(100)));
    }
    let back = UnixMillis(T0.0 - 600_000);
    assert_eq!(courier.due((back, moment + Duration::from_secs(5))).len(), 2);
}
