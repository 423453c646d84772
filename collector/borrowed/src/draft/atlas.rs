//! Requests to RIPE Atlas: one that measures all targets from the same probes.

use serde::Serialize;

use super::{Draft, DraftError, Wish};
use crate::family::Family;
use crate::measurement::Kind;

/// A request to `POST /api/v2/measurements/`: each target measured once.
///
/// # Errors
/// When the wish is none, or none that Atlas takes.
pub fn atlas(wish: &Wish) -> Result<Draft, DraftError> {
    let probes = wish.checked()?;
    if wish.kind == Kind::Http {
        return Err(DraftError::HttpOnAtlas);
    }
    Wish::check_at_most("nodes and candidates", wish.targets.len() as u64, TARGETS_MAX)?;
    Wish::check_at_most("probes", probes, PROBES_MAX)?;
    let results = probes * wish.targets.len() as u64;
    Wish::check_at_most("results", results, RESULTS_MAX)?;
    let credits = results * credits_per_result(wish.kind);
    Wish::check_at_most("credits", credits, CREDITS_MAX)?;
    let request = Request {
        definitions: wish
            .targets
            .iter()
            .map(|target| definition(wish, target))
            .collect(),
        probes: wish.eyes.iter().map(|eyes| source(wish, eyes)).collect(),
        is_oneoff: true,
    };
    Ok(Draft {
        url: URL,
        body: super::pretty(&request),
        command: format!(
            "curl -sS -H \"Authorization: Key $ATLAS_KEY\" -H 'Content-Type: application/json' -d @request.json {URL}"
        ),
        results,
        credits,
        says: says(wish),
    })
}

/// What one result costs. A ping costs a credit for each packet and for each 1,500 bytes of it, a certificate ten; what is
/// measured once costs twice that.
const fn credits_per_result(kind: Kind) -> u64 {
    let repeated = match kind {
        Kind::Ping => PACKETS as u64 * (SIZE as u64 / 1_500 + 1),
        Kind::Tls | Kind::Http => 10,
    };
    2 * repeated
}

#[derive(Serialize)]
struct Request {
    definitions: Vec<Definition>,
    probes: Vec<Source>,
    is_oneoff: bool,
}

#[derive(Serialize)]
struct Definition {
    #[serde(rename = "type")]
    kind: &'static str,
    af: u8,
    target: String,
    description: String,
    resolve_on_probe: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    packets: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
}

#[derive(Serialize)]
struct Source {
    #[serde(rename = "type")]
    kind: &'static str,
    value: Value,
    requested: u16,
    tags: Tags,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    Country(String),
    Network(u32),
}

#[derive(Serialize)]
struct Tags {
    include: [&'static str; 1],
    exclude: [&'static str; 2],
}

fn definition(wish: &Wish, target: &super::WishedTarget) -> Definition {
    let is_ping = wish.kind == Kind::Ping;
    let is_name = target.host.parse::<std::net::IpAddr>().is_err();
    Definition {
        kind: if is_ping { "ping" } else { "sslcert" },
        af: wish.family.number(),
        target: target.host.clone(),
        description: format!("isochrone: {}", target.name),
        resolve_on_probe: is_name,
        packets: is_ping.then_some(PACKETS),
        size: is_ping.then_some(SIZE),
        port: (!is_ping).then_some(443),
        hostname: (!is_ping && is_name).then(|| target.host.clone()),
    }
}

fn source(wish: &Wish, eyes: &super::Eyes) -> Source {
    let works = match wish.family {
        Family::V4 => "system-ipv4-works",
        Family::V6 => "system-ipv6-works",
    };
    let (kind, value) = match eyes.network {
        Some(network) => ("asn", Value::Network(network)),
        None => ("country", Value::Country(eyes.country.to_ascii_uppercase())),
    };
    Source {
        kind,
        value,
        requested: eyes.count,
        tags: Tags {
            include: [works],
            exclude: ["system-anchor", "datacentre"],
        },
    }
}

fn says(wish: &Wish) -> Vec<String> {
    let mut says = vec![
        "ATLAS_KEY is an API key with the permission to create measurements; hosts of a probe earn 21,600 credits a day.".to_owned(),
        "Anybody can see the measurement, its targets and its results.".to_owned(),
        "Fetch the results some minutes later, of each id in the answer: curl -sS https://atlas.ripe.net/api/v2/measurements/ID/results/".to_owned(),
    ];
    if wish.eyes.iter().any(|eyes| eyes.network.is_some()) {
        says.push("Atlas is asked for a network or a country, not for both: a network's probes may stand elsewhere.".to_owned());
    }
    if wish
        .eyes
        .iter()
        .any(|eyes| eyes.network.is_none() && eyes.city.is_some())
    {
        says.push(
            "Atlas cannot be asked for a city: the probes may stand anywhere in the country.".to_owned(),
        );
    }
    says
}

const URL: &str = "https://atlas.ripe.net/api/v2/measurements/";
const PACKETS: u16 = 3;
/// Bytes; what Atlas sends unless it is told otherwise.
const SIZE: u16 = 48;
/// Of one measurement.
const PROBES_MAX: u64 = 1_000;
/// A day.
const RESULTS_MAX: u64 = 100_000;
/// One user may run 100 measurements at a time.
const TARGETS_MAX: u64 = 100;
/// A day.
const CREDITS_MAX: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::tests::wish;
    use super::*;

    #[test]
    fn ping_of_two_targets_from_five_probes_costs_sixty_credits() {
        let draft = atlas(&wish(Kind::Ping)).unwrap();
        assert_eq!((draft.results, draft.credits), (10, 60)); // 3 packets, once: 3 × 2 each
        let body: Json = serde_json::from_str(&draft.body).unwrap();
        let tags = json!({"include": ["system-ipv4-works"], "exclude": ["system-anchor", "datacentre"]});
        let expected = json!({
            "definitions": [
                {"type": "ping", "af": 4, "target": "node.example.org", "description": "isochrone: berlin",
                 "resolve_on_probe": true, "packets": 3, "size": 48},
                {"type": "ping", "af": 4, "target": "test.example.net", "description": "isochrone: nairobi-provider",
                 "resolve_on_probe": true, "packets": 3, "size": 48},
            ],
            "probes": [
                {"type": "country", "value": "KE", "requested": 2, "tags": tags},
                {"type": "asn", "value": 64500, "requested": 3, "tags": tags},
            ],
            "is_oneoff": true,
        });
        assert_eq!(body, expected);
        assert_eq!(draft.says.len(), 5, "{:?}", draft.says);
    }

    #[test]
    fn certificate_is_asked_for_by_name_and_costs_twenty_a_result() {
        let mut wish = wish(Kind::Tls);
        wish.family = Family::V6;
        wish.targets[1].host = "2001:db8::1".to_owned();
        let draft = atlas(&wish).unwrap();
        assert_eq!((draft.results, draft.credits), (10, 200));
        let body: Json = serde_json::from_str(&draft.body).unwrap();
        assert_eq!(body["definitions"][0]["hostname"], "node.example.org");
        assert_eq!(body["definitions"][0]["type"], "sslcert");
        assert_eq!(body["definitions"][1].get("hostname"), None);
        assert_eq!(body["definitions"][1]["resolve_on_probe"], false);
        assert_eq!(body["probes"][0]["tags"]["include"][0], "system-ipv6-works");
    }

    #[test]
    fn what_atlas_does_not_take_is_refused() {
        assert_eq!(atlas(&wish(Kind::Http)), Err(DraftError::HttpOnAtlas));
        let mut many = wish(Kind::Ping);
        many.eyes[0].count = 998;
        assert!(matches!(
            atlas(&many),
            Err(DraftError::TooMany {
                what: "probes",
                given: 1_001,
                most: 1_000
            })
        ));
        many.eyes[0].count = 997;
        assert_eq!(atlas(&many).unwrap().credits, 12_000);
        many.targets = vec![many.targets[0].clone(); 100];
        assert_eq!(atlas(&many).unwrap().results, 100_000);
        many.kind = Kind::Tls;
        assert!(matches!(
            atlas(&many),
            Err(DraftError::TooMany { what: "credits", .. })
        ));
        many.targets = vec![many.targets[0].clone(); 101];
        assert_eq!(
            atlas(&many).unwrap_err().to_string(),
            "101 nodes and candidates, and the platform takes 100 in one request: ask for fewer"
        );
    }
}
