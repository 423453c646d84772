//! Where in the file something stands.

use toml_edit::{Document, Item};

/// The line, from 1, of `key` in the `index`-th table of an array (`node`, `candidate`); where it is not set, that of the table.
pub(super) fn of(text: &str, (array, index): (&str, usize), key: &str) -> usize {
    let offset = Document::parse(text).ok().and_then(|document| {
        let tables = document.get(array)?;
        let of_key = |(name, value): (&toml_edit::Key, &Item)| name.span().or_else(|| value.span());
        let span = match tables {
            Item::ArrayOfTables(tables) => {
                let table = tables.get(index)?;
                table.get_key_value(key).and_then(of_key).or_else(|| table.span())
            }
            _ => tables.span(), // node = [{ … }]
        };
        Some(span?.start)
    });
    let before = offset.and_then(|offset| text.get(..offset)).unwrap_or_default();
    1 + before.matches('\n').count()
}
