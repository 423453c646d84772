//! `[[candidate]]`: places that might get a node.

use isochrone_base::names::composed;
use isochrone_base::roster::CandidateEntry;
use isochrone_proto::ids::TargetId;
use serde::Deserialize;
use url::Url;

use super::NodeKind;
use super::check::{NodeError, check_name, endpoint, position};

/// A place that might get a node, with a server there that answers. It has no verdict and no alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Unique name, among nodes too.
    pub name: String,
    /// A page of a server there.
    pub url: Url,
    /// City, as written; empty if coordinates were given.
    pub place: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code, if the place says it.
    pub country: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCandidate {
    pub(super) name: String,
    url: String,
    place: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl TryFrom<RawCandidate> for Candidate {
    type Error = NodeError;

    fn try_from(raw: RawCandidate) -> Result<Self, NodeError> {
        let name = composed(&raw.name);
        check_name("name", &name)?;
        let (url, _) = endpoint(NodeKind::Http, &raw.url).map_err(|wrong| NodeError::Url {
            url: raw.url.clone(),
            wrong,
        })?;
        let place = raw.place.as_deref().map(composed);
        let (latitude, longitude, country) = position(raw.latitude, raw.longitude, place.as_deref())?;
        Ok(Self {
            name,
            url,
            place: place.unwrap_or_default(),
            latitude,
            longitude,
            country,
        })
    }
}

impl From<&Candidate> for CandidateEntry {
    fn from(candidate: &Candidate) -> Self {
        Self {
            id: TargetId::of_candidate(&candidate.name),
            name: candidate.name.clone(),
            url: candidate.url.to_string(),
            place: candidate.place.clone(),
            latitude: candidate.latitude,
            longitude: candidate.longitude,
            country: candidate.country.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Targets;

    const BOTH: &str = r#"
[[node]]
node = "berlin"
kind = "http"
url = "https://node.example.org/"
worker = "ada"
place = "Berlin, DE"

[[candidate]]
name = "nairobi-provider"
url = "https://test.example.org/"
place = "Nairobi, KE"
"#;

    fn parse(text: &str) -> Result<Targets, String> {
        Targets::parse(text, Path::new("targets.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn candidate_has_name_place_and_host_and_is_no_node() {
        let targets = parse(BOTH).unwrap();
        assert_eq!(targets.nodes.len(), 1);
        let candidate = &targets.candidates[0];
        assert_eq!(candidate.name, "nairobi-provider");
        assert_eq!(candidate.url.host_str(), Some("test.example.org"));
        assert_eq!(candidate.country.as_deref(), Some("KE"));
        assert!((candidate.latitude + 1.28).abs() < 0.1 && (candidate.longitude - 36.8).abs() < 0.1);
        assert_eq!(
            targets.difference(&Targets::default()),
            "added berlin; added candidate nairobi-provider"
        );
        let mut other = targets.clone();
        other.candidates[0].latitude = 1.0;
        assert_eq!(other.difference(&targets), "changed candidate nairobi-provider");
    }

    #[test]
    fn wrong_value_of_a_candidate_names_file_line_candidate_and_key() {
        for (from, to, said) in [
            (
                "https://test.example.org/",
                "test.example.org",
                "line 11: candidate \"nairobi-provider\": url = ",
            ),
            (
                "https://test.example.org/",
                "https://Node.example.org:8443/",
                "line 11: candidate \"nairobi-provider\": url = \"https://node.example.org:8443/\": \"berlin\" answers",
            ),
            (
                "Nairobi, KE",
                "Atlantis, XX",
                "line 12: candidate \"nairobi-provider\": place = ",
            ),
            (
                "\"nairobi-provider\"",
                "\"berlin\"",
                "line 10: candidate \"berlin\": name = ",
            ),
            (
                "\"nairobi-provider\"",
                "\"a b\"",
                "line 10: candidate \"a b\": name = ",
            ),
        ] {
            let error = parse(&BOTH.replace(from, to)).unwrap_err();
            assert!(error.contains("targets.toml") && error.contains(said), "{error}");
        }
        let twice = format!("{BOTH}{}", &BOTH[BOTH.find("[[candidate]]").unwrap()..]);
        let error = parse(&twice).unwrap_err();
        assert!(
            error.contains("line 14") && error.contains("names are unique"),
            "{error}"
        );
        let error = parse(&BOTH.replace("name =", "nam =")).unwrap_err();
        assert!(error.contains("nam"), "{error}");
    }
}
