//! Where in the file something stands.

use toml_edit::{Document, Item};

/// The line, from 1, of `key` in the `index`-th `[[node]]`; where it is not set, that of the node.
pub(super) fn of(text: &str, index: usize, key: &str) -> usize {
    let offset = Document::parse(text).ok().and_then(|document| {
        let nodes = document.get("node")?;
        let of_key = |(name, value): (&toml_edit::Key, &Item)| name.span().or_else(|| value.span());
        let span = match nodes {
            Item::ArrayOfTables(tables) => {
                let table = tables.get(index)?;
                table.get_key_value(key).and_then(of_key).or_else(|| table.span())
            }
            _ => nodes.span(), // node = [{ … }]
        };
        Some(span?.start)
    });
    let before = offset.and_then(|offset| text.get(..offset)).unwrap_or_default();
    1 + before.matches('\n').count()
}
