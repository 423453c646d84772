//! Edits of `targets.toml` by command: comments and order of the file stay.

use std::fs;
use std::path::{Path, PathBuf};

use isochrone_base::files::replace_alike;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{Targets, TargetsError};

/// Appends a node. `keys` are TOML keys and values in the order they shall stand in.
///
/// # Errors
/// When the file cannot be read, the node is not valid or its name is taken; the file then stays as it was.
pub fn add(path: &Path, keys: Vec<(&'static str, toml_edit::Value)>) -> Result<Targets, EditError> {
    edit(path, |nodes| {
        let mut table = Table::new();
        for (key, set) in keys {
            table.insert(key, value(set));
        }
        nodes.push(table);
        Ok(())
    })
}

/// Changes keys of a node: those of `set` are written over, those of `unset` are taken out.
///
/// # Errors
/// When there is no such node, what it would become is not valid, or the file cannot be written; it then stays as it
/// was.
pub fn set(
    path: &Path,
    name: &str,
    set: Vec<(&'static str, toml_edit::Value)>,
    unset: &[&str],
) -> Result<Targets, EditError> {
    edit(path, |nodes| {
        let place = place_of(nodes, name)?;
        if let Some(table) = nodes.get_mut(place) {
            for (key, new) in set {
                table.insert(key, value(new));
            }
            for key in unset {
                table.remove(key);
            }
        }
        Ok(())
    })
}

/// Takes a node out; its history stays in the store.
///
/// # Errors
/// When there is no such node, or the file cannot be written.
pub fn remove(path: &Path, name: &str) -> Result<Targets, EditError> {
    edit(path, |nodes| {
        let place = place_of(nodes, name)?;
        nodes.remove(place);
        Ok(())
    })
}

/// Stops or resumes the checks of a node.
///
/// # Errors
/// When there is no such node, or the file cannot be written.
pub fn set_paused(path: &Path, name: &str, paused: bool) -> Result<Targets, EditError> {
    edit(path, |nodes| {
        let place = place_of(nodes, name)?;
        if let Some(table) = nodes.get_mut(place) {
            if paused {
                table.insert("paused", value(true));
            } else {
                table.remove("paused");
            }
        }
        Ok(())
    })
}

fn place_of(nodes: &ArrayOfTables, name: &str) -> Result<usize, EditError> {
    let found = nodes
        .iter()
        .position(|table| table.get("node").and_then(Item::as_str) == Some(name));
    found.ok_or_else(|| {
        let known = nodes.iter().filter_map(|table| table.get("node")?.as_str());
        let known: Vec<_> = known.collect();
        EditError::NoSuchNode {
            name: name.to_owned(),
            hint: if known.is_empty() {
                "there are none yet; `target add` adds one".to_owned()
            } else {
                format!("known are: {}", known.join(", "))
            },
        }
    })
}

fn edit(
    path: &Path,
    change: impl FnOnce(&mut ArrayOfTables) -> Result<(), EditError>,
) -> Result<Targets, EditError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(TargetsError::Unreadable {
                path: path.to_owned(),
                source,
            }
            .into());
        }
    };
    Targets::parse(&text, path)?; // an edit never hides an older fault
    let mut document: DocumentMut =
        text.parse()
            .map_err(|error: toml_edit::TomlError| TargetsError::Syntax {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
    let nodes = document
        .entry("node")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(nodes) = nodes.as_array_of_tables_mut() else {
        return Err(EditError::Inline {
            path: path.to_owned(),
        });
    };
    change(nodes)?;
    let text = document.to_string();
    let targets = Targets::parse(&text, path)?;
    write(path, &text).map_err(|source| EditError::Write {
        path: path.to_owned(),
        source,
    })?;
    Ok(targets)
}

/// As it was readable before, and for whom, so it stays: a collector that is not root must read it again.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    replace_alike(path, text.as_bytes(), 0o644)
}

/// Why an edit was not made. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file, or what it would become, is not valid.
    #[error(transparent)]
    Targets(#[from] TargetsError),
    /// A name that is not in the file.
    #[error("no node is called {name:?}; {hint}")]
    NoSuchNode {
        /// The name asked for.
        name: String,
        /// The names there are, or that there are none.
        hint: String,
    },
    /// `node = [ … ]` instead of `[[node]]`.
    #[error("{}: write the nodes as [[node]] tables, so that they can be edited", path.display())]
    Inline {
        /// The file.
        path: PathBuf,
    },
    /// Not writable.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
