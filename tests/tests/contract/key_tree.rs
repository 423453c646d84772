//! The keys of a JSON document as a sorted list of `path: type`, and the files that hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::book;

/// Paths (`nodes[].asset.since`) with the types seen there.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct KeyTree(BTreeMap<String, BTreeSet<String>>);

impl KeyTree {
    /// Keys and types of all `documents` together.
    pub(crate) fn of<'a>(documents: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut tree = Self::default();
        for document in documents {
            tree.add("", document);
        }
        tree
    }

    fn add(&mut self, path: &str, value: &Value) {
        let word = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(items) => {
                items.iter().for_each(|item| self.add(&format!("{path}[]"), item));
                "list"
            }
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.add(format!("{path}.{key}").trim_start_matches('.'), value);
                }
                "object"
            }
        };
        if !path.is_empty() {
            self.0.entry(path.to_owned()).or_default().insert(word.to_owned());
        }
    }

    fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let (path, types) = line.split_once(": ").expect("path: type");
            (path.to_owned(), types.split('|').map(str::to_owned).collect())
        };
        Self(text.lines().map(entry).collect())
    }

    fn print(&self) -> String {
        let line = |(path, types): (&String, &BTreeSet<String>)| {
            let types: Vec<&str> = types.iter().map(String::as_str).collect();
            format!("{path}: {}\n", types.join("|"))
        };
        self.0.iter().map(line).collect()
    }

    /// What differs from the agreed tree. A type that is agreed and was not seen does not: not every run meets a null.
    fn differences(&self, agreed: &Self) -> Vec<String> {
        let gone = agreed.0.keys().filter(|path| !self.0.contains_key(*path));
        let mut differences: Vec<String> = gone.map(|path| format!("gone: {path}")).collect();
        for (path, types) in &self.0 {
            match agreed.0.get(path) {
                None => differences.push(format!("new: {path}")),
                Some(agreed) if !types.is_subset(agreed) => {
                    differences.push(format!("other type: {path} is {types:?}, agreed is {agreed:?}"));
                }
                Some(_) => {}
            }
        }
        differences
    }
}

/// Holds the keys of `documents` against the file `NAME.keys`; with UPDATE_KEYS set, writes that file: the keys of now,
/// with the types of then.
pub(crate) fn compare(name: &str, documents: &[Value]) {
    assert!(!documents.is_empty(), "there is no {name} to compare");
    let mut found = KeyTree::of(documents);
    let path = path(name);
    let agreed = std::fs::read_to_string(&path).map(|text| KeyTree::parse(&text));
    if std::env::var_os("UPDATE_KEYS").is_some() {
        for (path, types) in agreed.unwrap_or_default().0 {
            if let Some(now) = found.0.get_mut(&path) {
                now.extend(types);
            }
        }
        std::fs::write(path, found.print()).unwrap();
        return;
    }
    let agreed = agreed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let differences = found.differences(&agreed);
    assert!(
        differences.is_empty(),
        "{name}: others rely on these keys; what is new goes into {name}.keys (UPDATE_KEYS=1), and nothing else may \
         change:\n{}\nthe keys now:\n{}",
        differences.join("\n"),
        found.print()
    );
}

/// Where the keys of `name` are agreed.
pub(crate) fn path(name: &str) -> PathBuf {
    book::root()
        .join("tests/tests/contract")
        .join(format!("{name}.keys"))
}

#[test]
fn key_that_is_renamed_gone_or_of_another_type_is_a_difference() {
    let agreed =
        KeyTree::parse("nodes: list\nnodes[]: object\nnodes[].name: text\nnodes[].rtt_ms: null|number\n");
    let differences = |json: Value| KeyTree::of([&json]).differences(&agreed);
    let node = |node: Value| serde_json::json!({ "nodes": [node] });
    let same = node(serde_json::json!({ "name": "berlin", "rtt_ms": 1.5 }));
    assert!(differences(same.clone()).is_empty());
    assert_eq!(
        KeyTree::parse(&KeyTree::of([&same]).print()),
        KeyTree::of([&same])
    );
    let renamed = node(serde_json::json!({ "name": "berlin", "rtt": 1.5 }));
    assert_eq!(differences(renamed), ["gone: nodes[].rtt_ms", "new: nodes[].rtt"]);
    let other = node(serde_json::json!({ "name": "berlin", "rtt_ms": "1.5" }));
    assert_eq!(differences(other).len(), 1);
    assert_eq!(differences(serde_json::json!({ "nodes": [] })).len(), 3);
}
