//! The indices: which there are, how they are named, and how their documents are mapped.

mod layout;
mod mapping;

use isochrone_base::words;
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::units::UnixMillis;
use serde_json::{Value, json};

pub use self::layout::{Histograms, Layout};
pub(crate) use self::layout::{PACKED_COLUMNS, PLAIN_SEQUENCE_NUMBERS, Setting};
use crate::{Period, Prefix};

/// What an index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Echoes between probes.
    Echo,
    /// Checks of nodes: connections and requests.
    Endpoint,
    /// What an hour or a day adds up to.
    Rollup,
    /// Outages, with their evidence.
    Incident,
    /// The account of every planned slot.
    Ledger,
}

impl Family {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Echo,
        Self::Endpoint,
        Self::Rollup,
        Self::Incident,
        Self::Ledger,
    ];

    /// Those whose documents may be revised.
    pub const REVISED: [Self; 3] = [Self::Rollup, Self::Incident, Self::Ledger];

    /// Those that hold single measurements.
    pub const RAW: [Self; 2] = [Self::Echo, Self::Endpoint];

    /// Where the measurements of a kind go.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        match kind.check {
            Check::Echo => Self::Echo,
            Check::Status
            | Check::AssetHead
            | Check::AssetGet
            | Check::Http
            | Check::Connect
            | Check::Throughput => Self::Endpoint,
        }
    }

    /// The word in names.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Endpoint => "endpoint",
            Self::Rollup => "rollup",
            Self::Incident => "incident",
            Self::Ledger => "ledger",
        }
    }

    /// Whether its documents are written once and never again.
    #[must_use]
    pub const fn is_raw(self) -> bool {
        matches!(self, Self::Echo | Self::Endpoint)
    }

    /// In which order documents lie on disk: what is alike lies together.
    const fn order(self) -> &'static [&'static str] {
        match self {
            Self::Echo | Self::Endpoint => &["probe", "target", "slot"],
            Self::Rollup => &["probe", "target", "start"],
            Self::Incident => &["start"],
            Self::Ledger => &["probe", "hour"],
        }
    }
}

/// How the indices of one prefix are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: Prefix,
    period: Period,
}

impl Names {
    /// Those of the settings.
    #[must_use]
    pub const fn new(prefix: Prefix, period: Period) -> Self {
        Self { prefix, period }
    }

    /// What they begin with.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// How much time one of raw documents spans.
    #[must_use]
    pub const fn period(&self) -> Period {
        self.period
    }

    /// The index that holds the raw documents of `at`: `isochrone-echo-2026.11`.
    #[must_use]
    pub fn index(&self, family: Family, at: UnixMillis) -> String {
        let date = words::date(at).replace('-', ".");
        let period = match self.period {
            Period::Month => &date[..date.len().saturating_sub(3)],
            Period::Day => &date[..],
        };
        format!("{}-{}-{period}", self.prefix, family.word())
    }

    /// Every index of a family: `isochrone-echo-*`.
    #[must_use]
    pub fn pattern(&self, family: Family) -> String {
        format!("{}-{}-*", self.prefix, family.word())
    }

    /// The name of a family's template.
    #[must_use]
    pub fn template(&self, family: Family) -> String {
        format!("{}-{}", self.prefix, family.word())
    }

    /// The name of the lifecycle policy of raw documents.
    #[must_use]
    pub fn policy(&self) -> String {
        format!("{}-raw", self.prefix)
    }

    /// Settings and mappings of an index of that family, as an index is made with them.
    #[must_use]
    pub fn body(&self, family: Family, layout: Layout) -> Value {
        let mut settings = json!({
            "number_of_shards": 1,
            "codec": "best_compression",
            "refresh_interval": "15s",
            "mapping": { "ignore_malformed": false, "coerce": false },
            "sort": {
                "field": family.order(),
                "order": vec!["asc"; family.order().len()],
            },
        });
        if layout.has_lifecycle && family.is_raw() {
            settings["lifecycle"] = json!({ "name": self.policy() });
        }
        if family.is_raw() {
            for (path, value) in layout.cheaper() {
                match path.split_once('.') {
                    Some((group, name)) => settings[group][name] = json!(value),
                    None => settings[path] = json!(value),
                }
            }
        }
        json!({
            "settings": { "index": settings },
            "mappings": {
                "dynamic": "strict",
                "_meta": { OWNER: { "mapping": VERSION, "period": self.period.to_string() } },
                "properties": mapping::properties(family, layout.histograms),
            },
        })
    }

    /// The template of a family.
    #[must_use]
    pub fn template_body(&self, family: Family, layout: Layout) -> Value {
        json!({
            "index_patterns": [self.pattern(family)],
            "priority": PRIORITY,
            "template": self.body(family, layout),
            "_meta": {
                OWNER: { "mapping": VERSION, "period": self.period.to_string() },
                "description": format!("Isochrone: {}", family.word()),
            },
        })
    }
}

/// The key under `_meta` that says whose something is.
pub(crate) const OWNER: &str = "isochrone";
/// The version of the mappings.
pub(crate) const VERSION: u32 = 2;
/// Above those that come with the server (at most 200), below what an operator puts above all.
pub(crate) const PRIORITY: u32 = 300;

/// The first field that `found` maps otherwise than `wanted`, in words; `None`: none of ours does. Further fields of
/// `found` count: nothing of ours could have made them.
pub(crate) fn difference(wanted: &Value, found: &Value) -> Option<String> {
    if found.get("dynamic").and_then(Value::as_str) != Some("strict") {
        return Some("dynamic is no longer \"strict\"".to_owned());
    }
    let is_on = |flag: Option<&Value>| flag.is_some_and(|flag| flag == true || flag == "true");
    let runtime = found.get("runtime").and_then(Value::as_object);
    if let Some(name) = runtime.and_then(|fields| fields.keys().next()) {
        return Some(format!("somebody added the runtime field {name}"));
    }
    let empty = serde_json::Map::new();
    let fields = |of: &Value| of.get("properties").and_then(Value::as_object).cloned();
    let (wanted, found) = (
        fields(wanted).unwrap_or_else(|| empty.clone()),
        fields(found).unwrap_or(empty),
    );
    for (name, field) in &wanted {
        let kind = |of: &Value| of.get("type").and_then(Value::as_str).map(str::to_owned);
        match found.get(name) {
            None => return Some(format!("the field {name} is missing")),
            Some(other) if is_on(other.get("ignore_malformed")) => {
                return Some(format!("the field {name} ignores what is malformed"));
            }
            Some(other) if kind(other) != kind(field) => {
                return Some(format!(
                    "the field {name} is {} and not {}",
                    kind(other).unwrap_or_else(|| "an object".to_owned()),
                    kind(field).unwrap_or_else(|| "an object".to_owned())
                ));
            }
            Some(_) => {}
        }
    }
    // a template of a server that learned another form of histograms may have added it
    let is_ours = |name: &str| wanted.contains_key(name) || Histograms::is_field(name);
    let extra = found.keys().find(|name| !is_ours(name));
    extra.map(|name| format!("somebody added the field {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH_ALL: Layout = Layout {
        has_lifecycle: true,
        histograms: Histograms::Exponential,
        packed_columns: true,
        plain_sequence_numbers: true,
    };

    fn names(period: Period) -> Names {
        Names::new(Prefix::default(), period)
    }

    #[test]
    fn index_is_named_by_the_slots_month_or_day() {
        let at = UnixMillis(1_795_305_600_000 - 1); // the last millisecond of 2026-11-21
        assert_eq!(
            names(Period::Month).index(Family::Echo, at),
            "isochrone-echo-2026.11"
        );
        assert_eq!(
            names(Period::Day).index(Family::Endpoint, at),
            "isochrone-endpoint-2026.11.21"
        );
        let next = UnixMillis(at.0 + 1);
        assert_eq!(
            names(Period::Day).index(Family::Endpoint, next),
            "isochrone-endpoint-2026.11.22"
        );
    }

    #[test]
    fn mappings_are_strict_and_sorted_by_fields_that_they_have() {
        for family in Family::ALL {
            let body = names(Period::Month).body(family, WITH_ALL);
            assert_eq!(body["mappings"]["dynamic"], "strict");
            let fields = &body["mappings"]["properties"];
            for field in family.order() {
                assert!(fields.get(field).is_some(), "{family:?} {field}");
            }
            assert_eq!(difference(&body["mappings"], &body["mappings"]), None);
        }
    }

    #[test]
    fn changed_mapping_is_named_by_its_field() {
        let wanted = names(Period::Month).body(Family::Echo, Layout::default())["mappings"].clone();
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut found = wanted.clone();
            change(&mut found);
            difference(&wanted, &found).unwrap()
        };
        let text = changed(&|found| found["properties"]["rtt_us"] = json!({"type": "text"}));
        assert_eq!(text, "the field rtt_us is text and not long");
        let text = changed(&|found| found["dynamic"] = json!("true"));
        assert!(text.contains("strict"), "{text}");
        let text = changed(&|found| found["properties"]["mine"] = json!({"type": "long"}));
        assert!(text.contains("mine"), "{text}");
        let text = changed(&|found| found["properties"]["rtt_us"]["ignore_malformed"] = json!(true));
        assert!(text.contains("rtt_us ignores"), "{text}");
        let text = changed(&|found| found["runtime"] = json!({"rtt_us": {"type": "long"}}));
        assert!(text.contains("runtime field rtt_us"), "{text}");
        let text = changed(&|found| drop(found["properties"].as_object_mut().unwrap().remove("slot")));
        assert!(text.contains("slot is missing"), "{text}");
    }
}
