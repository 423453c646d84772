//! What must stand in a cluster before documents go there: found out, shown, and made.

mod queries;
mod role;

use serde_json::{Value, json};

pub use self::queries::queries;
pub use self::role::role;
use crate::index::{Family, Layout, Names, OWNER, PRIORITY};
use crate::server::{Server, ServerError};
use crate::{Client, Method, RequestError};

/// One thing that setup looks after.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is: `index template isochrone-echo`.
    pub what: String,
    /// What is done about it.
    pub change: Change,
    /// How it is made.
    path: String,
    body: Value,
}

/// What is done about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is made.
    Make,
    /// It is ours and of another form: it is made anew.
    Replace {
        /// What differs, in words.
        because: String,
    },
    /// It stands there as it should.
    Keep,
    /// It is somebody else's, or was changed by somebody: left alone.
    Leave {
        /// Whose it is, and what to do.
        because: String,
        /// Documents cannot go there so.
        blocks: bool,
    },
}

/// Everything that setup would do, found out from the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// What stands there.
    pub server: Server,
    /// Each thing, in the order in which they are made.
    pub items: Vec<Item>,
}

impl Setup {
    /// Looks at the server; changes nothing.
    ///
    /// # Errors
    /// When it does not answer, refuses to say what it has, or will not do.
    pub async fn look(client: &Client, names: &Names) -> Result<Self, ServerError> {
        let server = Server::ask(client).await?;
        let mut items = Vec::new();
        if server.can.lifecycle {
            items.push(policy(client, names).await?);
        }
        let found = client.fetch(Method::Get, "_index_template", None).await?;
        let found = found["index_templates"].as_array().cloned().unwrap_or_default();
        let of_family = |family| template(names, family, Layout::of(&server.can), &found);
        items.extend(Family::ALL.map(of_family));
        Ok(Self { server, items })
    }

    /// Whether nothing has to be done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.items
            .iter()
            .all(|item| !matches!(item.change, Change::Make | Change::Replace { .. }))
    }

    /// As `elastic setup --format json` prints it; `failed`: what could not be made, and why.
    #[must_use]
    pub fn json(&self, failed: &[(String, String)], is_dry: bool) -> Value {
        let items = self.items.iter().map(|item| {
            let (change, because) = match &item.change {
                Change::Make => ("make", None),
                Change::Replace { because } => ("replace", Some(because)),
                Change::Keep => ("keep", None),
                Change::Leave { because, .. } => ("leave", Some(because)),
            };
            let error = failed.iter().find(|(what, _)| *what == item.what);
            json!({
                "what": item.what,
                "change": change,
                "because": because,
                "error": error.map(|(_, why)| why),
            })
        });
        json!({
            "schema": "isochrone.elastic-setup/1",
            "server": self.server.to_string(),
            "lacks": self.server.lacks(),
            "clock_ahead_ms": self.server.ahead_ms,
            "dry_run": is_dry,
            "items": items.collect::<Vec<_>>(),
        })
    }

    /// What keeps documents from going there.
    pub fn blocked(&self) -> impl Iterator<Item = &Item> {
        let is_blocked = |item: &&Item| matches!(item.change, Change::Leave { blocks: true, .. });
        self.items.iter().filter(is_blocked)
    }

    /// Makes what is missing. What the server refuses is named, and the rest is made all the same.
    ///
    /// # Errors
    /// None of its own: each item's.
    pub async fn apply(&self, client: &Client) -> Vec<(String, RequestError)> {
        let mut failed = Vec::new();
        for item in &self.items {
            if !matches!(item.change, Change::Make | Change::Replace { .. }) {
                continue;
            }
            if let Err(error) = client.fetch(Method::Put, &item.path, Some(&item.body)).await {
                failed.push((item.what.clone(), error));
            }
        }
        failed
    }
}

/// The lifecycle of raw documents. It deletes nothing by itself: how long a group keeps its past is the group's to say.
async fn policy(client: &Client, names: &Names) -> Result<Item, RequestError> {
    let name = names.policy();
    let path = format!("_ilm/policy/{name}");
    let found = client.request(Method::Get, &path, None).await?;
    let change = match found.status {
        404 => Change::Make,
        200 => Change::Keep, // whoever added a phase to it meant it
        _ => return Err(found.refusal()),
    };
    Ok(Item {
        what: format!("lifecycle policy {name}"),
        change,
        path,
        body: json!({ "policy": {
            "_meta": { OWNER: { "note": "deletes nothing; add a delete phase to bound how long raw documents stay" } },
            "phases": { "hot": { "min_age": "0ms", "actions": { "set_priority": { "priority": 100 } } } },
        } }),
    })
}

fn template(names: &Names, family: Family, layout: Layout, found: &[Value]) -> Item {
    let (name, body) = (names.template(family), names.template_body(family, layout));
    let named = |template: &&Value| template["name"] == name.as_str();
    let own = found.iter().find(named).map(|found| &found["index_template"]);
    let others = found.iter().filter(|template| !named(template));
    let pattern = names.pattern(family);
    let in_the_way = others.into_iter().find_map(|other| shadows(other, &pattern));
    let change = match (own, in_the_way) {
        (_, Some(because)) => Change::Leave {
            because,
            blocks: true,
        },
        (None, None) => Change::Make,
        (Some(own), None) => of_own(own, &body),
    };
    Item {
        what: format!("index template {name}"),
        change,
        path: format!("_index_template/{name}"),
        body,
    }
}

/// What is to be done about a template that has our name.
fn of_own(found: &Value, wanted: &Value) -> Change {
    let Some(meta) = found["_meta"].get(OWNER) else {
        return Change::Leave {
            because: "it has our name and is not ours: rename it, or choose another elasticsearch.prefix"
                .to_owned(),
            blocks: true,
        };
    };
    let (had, wants) = (meta["period"].as_str(), wanted["_meta"][OWNER]["period"].as_str());
    if had != wants {
        let (had, wants) = (had.unwrap_or("another"), wants.unwrap_or_default());
        return Change::Leave {
            because: format!(
                "it was set up with period = \"{had}\" and elasticsearch.period says \"{wants}\": documents would lie \
                 twice; set the key back, or choose another prefix"
            ),
            blocks: true,
        };
    }
    match differs(wanted, found, &mut String::new()) {
        None => Change::Keep,
        Some(where_) => Change::Replace { because: where_ },
    }
}

/// The first place where what is wanted is not what is found; servers write numbers and booleans as text.
fn differs(wanted: &Value, found: &Value, path: &mut String) -> Option<String> {
    match wanted {
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let length = path.len();
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key);
            let other = found.get(key).unwrap_or(&Value::Null);
            let found = differs(value, other, path);
            path.truncate(length);
            found
        }),
        Value::Array(items) => {
            let others = found.as_array().cloned().unwrap_or_default();
            let is_same = items.len() == others.len()
                && items
                    .iter()
                    .zip(&others)
                    .all(|(item, other)| plain(item) == plain(other));
            (!is_same).then(|| path.clone())
        }
        _ if *found == Value::Null && wanted_by_default(path, wanted) => None,
        scalar => (plain(scalar) != plain(found)).then(|| path.clone()),
    }
}

/// Servers leave out of their answer what is so by default.
fn wanted_by_default(path: &str, wanted: &Value) -> bool {
    (path.ends_with(".index") || path.ends_with(".doc_values")) && *wanted == Value::Bool(true)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Why another template would be applied to our indices instead of ours; `None`: it would not.
fn shadows(other: &Value, pattern: &str) -> Option<String> {
    let name = other["name"].as_str().unwrap_or_default();
    let template = &other["index_template"];
    let priority = template["priority"].as_u64().unwrap_or(0);
    if priority < u64::from(PRIORITY) {
        return None;
    }
    let patterns = template["index_patterns"].as_array()?;
    let overlapping = patterns
        .iter()
        .filter_map(Value::as_str)
        .find(|theirs| overlap(theirs, pattern))?;
    Some(format!(
        "the template {name} (patterns {overlapping}, priority {priority}) stands before it; it is left alone: lower \
         its priority below {PRIORITY}, narrow its patterns, or choose another elasticsearch.prefix"
    ))
}

/// Whether some name fits both patterns; `*` stands for anything.
fn overlap(one: &str, other: &str) -> bool {
    fn fits(one: &[u8], other: &[u8]) -> bool {
        match (one.split_first(), other.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                fits(rest, other) || other.split_first().is_some_and(|(_, tail)| fits(one, tail))
            }
            (_, Some((b'*', _))) => fits(other, one),
            (Some((a, rest)), Some((b, tail))) => a == b && fits(rest, tail),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
    fits(one.as_bytes(), other.as_bytes())
}

#[cfg(test)]
mod tests;
