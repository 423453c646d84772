//! What becomes of a text's characters before it is printed.

use isochrone_proto::text::cleaned;

/// Text as it may be printed, see [`cleaned`]: whatever came past the door, from a file or a command line, ends here.
pub(crate) fn shown(text: &str) -> String {
    cleaned(text).into_owned()
}

/// Text that Markdown shows as it is, in a table's cell too.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => escaped.extend(['\\', character]),
            other => escaped.push(other),
        }
    }
    escaped
}

/// With a capital letter.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
