//! Requests to Globalping: one for each target; the later ones reuse the first one's vantages.

use serde::Serialize;

use super::{Draft, DraftError, Eyes, Wish, WishedTarget};
use crate::measurement::Kind;

/// Requests to `POST /v1/measurements`, a target each. All but the first have [`FIRST_ID`] where the id of the first answer
/// goes, so that the same vantages measure every target.
///
/// # Errors
/// When the wish is none, or none that Globalping takes.
pub fn globalping(wish: &Wish) -> Result<Vec<Draft>, DraftError> {
    let probes = wish.checked()?;
    if wish.kind == Kind::Tls {
        return Err(DraftError::TlsOnGlobalping);
    }
    Wish::check_at_most("vantages", probes, PROBES_MAX)?;
    for eyes in &wish.eyes {
        Wish::check_at_most("vantages of one place", eyes.count.into(), PROBES_OF_A_PLACE)?;
    }
    let drafts = wish.targets.iter().enumerate();
    Ok(drafts
        .map(|(place, target)| draft(wish, target, probes, place == 0))
        .collect())
}

fn draft(wish: &Wish, target: &WishedTarget, probes: u64, is_first: bool) -> Draft {
    let is_name = target.host.parse::<std::net::IpAddr>().is_err();
    let request = Request {
        kind: wish.kind.word(),
        target: target.host.clone(),
        locations: match is_first {
            true => Locations::Of(wish.eyes.iter().map(location).collect()),
            false => Locations::SameAs(FIRST_ID),
        },
        measurement_options: Options {
            packets: (wish.kind == Kind::Ping).then_some(PACKETS),
            ip_version: is_name.then(|| wish.family.number()),
        },
    };
    let mut says = Vec::new();
    if is_first {
        says.push("Without a token the allowance of an hour is small: curl -sS https://api.globalping.io/v1/limits says how much of it is left.".to_owned());
        says.push(
            "Fetch each answer's id within a week: curl -sS https://api.globalping.io/v1/measurements/ID"
                .to_owned(),
        );
        says.push(
            "A city in which nobody stands is passed over: probesCount of the first answer says how many vantages there are, and \
             each costs a test."
                .to_owned(),
        );
    } else {
        says.push(format!(
            "Write the id of the first answer in place of {FIRST_ID}: the same vantages measure again."
        ));
    }
    Draft {
        url: URL,
        body: super::pretty(&request),
        command: format!("curl -sS -H 'Content-Type: application/json' -d @request.json {URL}"),
        results: probes,
        credits: probes, // a test each
        says,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(rename = "type")]
    kind: &'static str,
    target: String,
    locations: Locations,
    measurement_options: Options,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Locations {
    Of(Vec<Location>),
    SameAs(&'static str),
}

#[derive(Serialize)]
struct Location {
    country: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u32>,
    tags: [&'static str; 1],
    limit: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    packets: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_version: Option<u8>,
}

fn location(eyes: &Eyes) -> Location {
    Location {
        country: eyes.country.to_ascii_uppercase(),
        city: eyes.city.clone(),
        asn: eyes.network,
        tags: ["eyeball-network"],
        limit: eyes.count,
    }
}

/// Stands where the id of the first answer goes.
pub const FIRST_ID: &str = "ID-OF-THE-FIRST-ANSWER";
const URL: &str = "https://api.globalping.io/v1/measurements";
/// A test costs the same whatever it sends, and the shortest of six round trips is nearer to the line's than that of three.
const PACKETS: u16 = 6;
const PROBES_MAX: u64 = 500;
const PROBES_OF_A_PLACE: u64 = 200;

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::tests::wish;
    use super::*;

    #[test]
    fn each_target_is_a_request_and_the_same_vantages_measure_all() {
        let drafts = globalping(&wish(Kind::Ping)).unwrap();
        let bodies: Vec<Json> = drafts
            .iter()
            .map(|draft| serde_json::from_str(&draft.body).unwrap())
            .collect();
        let first = json!({
            "type": "ping", "target": "node.example.org",
            "locations": [
                {"country": "KE", "city": "Nairobi", "tags": ["eyeball-network"], "limit": 2},
                {"country": "BR", "asn": 64500, "tags": ["eyeball-network"], "limit": 3},
            ],
            "measurementOptions": {"packets": 6, "ipVersion": 4},
        });
        assert_eq!(bodies[0], first);
        assert_eq!(bodies[1]["target"], "test.example.net");
        assert_eq!(bodies[1]["locations"], FIRST_ID);
        assert!(drafts[1].says[0].contains(FIRST_ID));
        assert!(drafts[0].says.iter().any(|said| said.contains("passed over")));
        assert!(
            drafts
                .iter()
                .all(|draft| (draft.results, draft.credits) == (5, 5))
        );
    }

    #[test]
    fn family_is_asked_for_where_there_is_a_choice() {
        let mut wish = wish(Kind::Http);
        wish.targets[0].host = "192.0.2.1".to_owned();
        let draft = &globalping(&wish).unwrap()[0];
        let body: Json = serde_json::from_str(&draft.body).unwrap();
        assert_eq!(body["measurementOptions"], json!({}));
    }

    #[test]
    fn what_globalping_does_not_take_is_refused() {
        assert_eq!(globalping(&wish(Kind::Tls)), Err(DraftError::TlsOnGlobalping));
        let mut many = wish(Kind::Ping);
        many.eyes[0].count = 201;
        assert!(matches!(
            globalping(&many),
            Err(DraftError::TooMany {
                given: 201,
                most: 200,
                ..
            })
        ));
        let mut wide = wish(Kind::Ping);
        wide.targets = vec![wide.targets[0].clone(); 101];
        assert_eq!(
            globalping(&wide).unwrap().len(),
            101,
            "each target is a request of its own"
        );
        many.eyes = vec![many.eyes[1].clone(); 167];
        assert!(matches!(
            globalping(&many),
            Err(DraftError::TooMany {
                given: 501,
                most: 500,
                ..
            })
        ));
    }
}
