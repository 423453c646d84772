//! Requests to a platform for the eyes that tell most: a script for a shell, or JSON. Nothing here sends one.

use std::collections::BTreeSet;

use isochrone_base::words::count;
use isochrone_borrowed::draft::{Draft, Eyes, Wish, WishedTarget, atlas, globalping, is_public};
use isochrone_borrowed::{Family, Kind, host_as_kept};
use isochrone_coverage::cities::fold;
use isochrone_coverage::report::gaps::{Gaps, WantedEye};
use isochrone_planner::targets::Targets;
use isochrone_report::Printed as _;
use isochrone_report::gaps::GapsReport;
use serde_json::{Value, json};

use crate::cli::DraftArg;
use crate::commands::CommandError;

/// Requests, and what they are.
#[derive(Debug)]
pub(super) struct Drafted {
    platform: DraftArg,
    drafts: Vec<Draft>,
    eyes: u64,
    targets: usize,
    candidates: usize,
    /// Nodes and candidates that no platform can measure.
    left_out: Vec<String>,
}

/// For all eyes, to all nodes and candidates that have public hosts.
///
/// # Errors
/// There is nothing to draft, or the platform takes no such request.
pub(super) fn drafted(targets: &Targets, gaps: &Gaps, platform: DraftArg) -> Result<Drafted, CommandError> {
    if gaps.eyes.is_empty() {
        return Err(CommandError::NoEyes);
    }
    let nodes = targets.nodes.iter().filter(|node| !node.paused);
    let nodes = nodes.map(|node| (&node.name, &node.url, false));
    let candidates = targets.candidates.iter();
    let all = nodes.chain(candidates.map(|site| (&site.name, &site.url, true)));
    let (mut wished, mut left_out, mut hosts, mut places) = (Vec::new(), Vec::new(), BTreeSet::new(), 0);
    for (name, url, is_candidate) in all {
        let host = host_as_kept(url.as_str()).filter(|host| is_public(host));
        match host {
            None => left_out.push(name.clone()),
            Some(host) if hosts.insert(host.clone()) => {
                places += usize::from(is_candidate);
                wished.push(WishedTarget {
                    name: name.clone(),
                    host,
                });
            }
            Some(_) => {} // what stands there is measured with it
        }
    }
    if wished.is_empty() {
        return Err(CommandError::NothingPublic);
    }
    let wish = Wish {
        targets: wished,
        eyes: eyes(&gaps.eyes, platform),
        kind: Kind::Ping,
        family: Family::V4,
    };
    let drafts = match platform {
        DraftArg::Atlas => vec![atlas(&wish)?],
        DraftArg::Globalping => globalping(&wish)?,
    };
    Ok(Drafted {
        platform,
        drafts,
        eyes: wish.eyes.iter().map(|eyes| u64::from(eyes.count)).sum(),
        targets: wish.targets.len(),
        candidates: places,
        left_out,
    })
}

/// Atlas is asked for networks where they are known, else for countries: two cities of one country are two of its probes then.
fn eyes(wanted: &[WantedEye], platform: DraftArg) -> Vec<Eyes> {
    let mut all: Vec<Eyes> = Vec::new();
    for eye in wanted {
        let country = eye.country.to_string();
        let there = eye.networks.first().filter(|_| platform == DraftArg::Atlas);
        let network = there.map(|there| there.network.0);
        let known = all
            .iter_mut()
            .find(|known| known.country == country && known.network == network);
        match (platform, known) {
            (DraftArg::Atlas, Some(known)) => known.count += 1,
            _ => all.push(Eyes {
                city: (platform == DraftArg::Globalping).then(|| plain(&eye.city)),
                country,
                network,
                count: 1,
            }),
        }
    }
    all
}

/// A city as it is typed, without accents: `Sao Paulo`.
fn plain(city: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let folded = fold(city);
    let words: Vec<String> = folded.split(' ').map(capital).collect();
    words.join(" ")
}

impl Drafted {
    fn credits(&self) -> u64 {
        self.drafts.iter().map(|draft| draft.credits).sum()
    }

    /// What it is, what it costs, and what is missing: a sentence each.
    fn says(&self) -> Vec<String> {
        let cost = match self.platform {
            DraftArg::Atlas => format!("{} of RIPE Atlas", count(self.credits() as usize, "credit")),
            DraftArg::Globalping => format!("{} of Globalping", count(self.credits() as usize, "test")),
        };
        let mut says = vec![format!(
            "{} to {} ({} of them {}): {cost}. Nothing was sent.",
            count(self.eyes as usize, "eye"),
            count(self.targets, "host"),
            self.candidates,
            if self.candidates == 1 {
                "a candidate"
            } else {
                "candidates"
            },
        )];
        if self.candidates == 0 {
            says.push(
                "No candidate is in targets.toml, so that only one end of the question is measured: name servers in the cities that \
                 gaps names as [[candidate]] first."
                    .to_owned(),
            );
        }
        if self.candidates == self.targets {
            says.push(
                "No node has a public host, and what an eye measured of candidates alone counts nowhere: it has to measure a node \
                 too."
                    .to_owned(),
            );
        }
        if !self.left_out.is_empty() {
            says.push(format!(
                "Left out, for their hosts are not public: {}.",
                self.left_out.join(", ")
            ));
        }
        for sentence in self.drafts.iter().flat_map(|draft| &draft.says) {
            if !says.contains(sentence) {
                says.push(sentence.clone());
            }
        }
        says
    }

    /// A script for a shell: a person reads it, fills in what it names, and sends it.
    pub(super) fn script(&self) -> String {
        let mut script = String::new();
        for sentence in self.says() {
            script += &format!("# {sentence}\n");
        }
        for draft in &self.drafts {
            let command = draft.command.replace("@request.json", "@-");
            script += &format!("\n{command} <<'REQUEST'\n{}\nREQUEST\n", draft.body);
        }
        script
    }

    /// The report, with the requests beside.
    pub(super) fn json(&self, report: &GapsReport) -> Value {
        let mut document = report.json();
        let draft = |draft: &Draft| {
            json!({
                "url": draft.url,
                "body": draft.body,
                "command": draft.command,
                "results": draft.results,
                "cost": draft.credits,
                "says": draft.says,
            })
        };
        document["draft"] = json!({
            "platform": match self.platform {
                DraftArg::Atlas => "atlas",
                DraftArg::Globalping => "globalping",
            },
            "cost": self.credits(),
            "cost_is": match self.platform {
                DraftArg::Atlas => "credits",
                DraftArg::Globalping => "tests",
            },
            "left_out": self.left_out,
            "says": self.says(),
            "requests": self.drafts.iter().map(draft).collect::<Vec<_>>(),
        });
        document
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use isochrone_coverage::country::Country;
    use isochrone_coverage::geo::Position;
    use isochrone_coverage::report::Interval;

    use super::*;

    pub(in super::super) fn eye(city: &str, country: &str) -> WantedEye {
        WantedEye {
            place: format!("{city}, {country}"),
            city: city.to_owned(),
            position: Position::new(6.5, 3.4).unwrap(),
            country: Country::code(country).unwrap(),
            share: 0.02,
            worth_ms: 0.3,
            between: ["Johannesburg, ZA".to_owned(), "Lagos, NG".to_owned()],
            toward: 0,
            now: Interval { low: 1.0, high: 9.0 },
            known_networks: Vec::new(),
            networks: Vec::new(),
        }
    }

    pub(in super::super) fn gaps(eyes: Vec<WantedEye>) -> Gaps {
        Gaps {
            nodes: 2,
            vantages: 3,
            known_eyes: 0,
            contenders: Vec::new(),
            eyes,
            unseen: Vec::new(),
            why_not: None,
        }
    }

    fn targets(candidate: &str) -> Targets {
        let text = format!(
            r#"
            node = [
                {{ node = "berlin", kind = "http", url = "https://node.example.org/", worker = "ada", place = "Berlin, DE" }},
                {{ node = "beside", kind = "http", url = "https://node.example.org:8443/", worker = "ada", place = "Berlin, DE" }},
                {{ node = "inside", kind = "http", url = "http://10.0.0.1/", worker = "ada", place = "Berlin, DE" }},
            ]
            {candidate}
        "#
        );
        Targets::parse(&text, Path::new("targets.toml")).unwrap()
    }

    const CANDIDATE: &str = r#"candidate = [{ name = "lagos-provider", url = "https://test.example.net/", place = "Lagos, NG" }]"#;

    #[test]
    fn requests_go_to_public_hosts_of_nodes_and_candidates_once_and_say_what_they_cost() {
        let eyes = vec![
            eye("São Paulo", "BR"),
            eye("Rio de Janeiro", "BR"),
            eye("Nairobi", "KE"),
        ];
        let drafted = drafted(&targets(CANDIDATE), &gaps(eyes.clone()), DraftArg::Globalping).unwrap();
        let script = drafted.script();
        assert!(script.starts_with(
            "# 3 eyes to 2 hosts (1 of them a candidate): 6 tests of Globalping. Nothing was sent.\n"
        ));
        assert!(script.contains("# Left out, for their hosts are not public: inside.\n"));
        assert!(script.contains("\"Sao Paulo\"") && script.contains("test.example.net"));
        assert_eq!(script.matches("<<'REQUEST'").count(), 2);
        let atlas = super::drafted(&targets(CANDIDATE), &gaps(eyes), DraftArg::Atlas).unwrap();
        assert_eq!((atlas.drafts.len(), atlas.eyes, atlas.credits()), (1, 3, 36));
        let body: Value = serde_json::from_str(&atlas.drafts[0].body).unwrap();
        assert_eq!(body["probes"][0]["requested"], 2, "two probes of Brazil: {body}");
    }

    #[test]
    fn without_a_candidate_the_script_says_that_half_of_the_question_is_missing() {
        let drafted = drafted(&targets(""), &gaps(vec![eye("Nairobi", "KE")]), DraftArg::Atlas).unwrap();
        assert!(drafted.script().contains("# No candidate is in targets.toml"));
    }

    #[test]
    fn candidates_alone_are_said_to_count_nowhere() {
        let text = format!(
            r#"
            node = [{{ node = "inside", kind = "http", url = "http://10.0.0.1/", worker = "ada", place = "Berlin, DE" }}]
            {CANDIDATE}
        "#
        );
        let targets = Targets::parse(&text, Path::new("targets.toml")).unwrap();
        let drafted = drafted(&targets, &gaps(vec![eye("Nairobi", "KE")]), DraftArg::Globalping).unwrap();
        assert!(drafted.script().contains("# No node has a public host"));
    }

    #[test]
    fn nothing_to_ask_or_nobody_to_ask_is_a_sentence() {
        let none = drafted(&targets(CANDIDATE), &gaps(Vec::new()), DraftArg::Atlas).unwrap_err();
        assert!(none.to_string().contains("`gaps` says why"), "{none}");
        let private = Targets::parse(
            r#"node = [{ node = "inside", kind = "http", url = "http://10.0.0.1/", worker = "ada", place = "Berlin, DE" }]"#,
            Path::new("targets.toml"),
        )
        .unwrap();
        let none = drafted(&private, &gaps(vec![eye("Nairobi", "KE")]), DraftArg::Globalping).unwrap_err();
        assert!(none.to_string().contains("public name or address"), "{none}");
    }
}
