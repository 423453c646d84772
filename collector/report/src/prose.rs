//! Sentences in which commands and keys stand between backticks, as each format shows them.

use maud::{Markup, html};

use crate::characters::{escape, shown};

/// A sentence on a page: what stands between backticks as code.
pub(crate) fn page(text: &str) -> Markup {
    let text = with_units(&shown(text));
    html! { @for (is_code, part) in parts(&text) { @if is_code { code { (part) } } @else { (part) } } }
}

/// The first thing on a page: what is wrong with the input, then the answer, whose first sentence leads.
pub(crate) fn answer_box(wrong: &[String], says: &[String]) -> Markup {
    html! {
        div.answer {
            @for sentence in wrong { p.wrong { (page(sentence)) } }
            @for (at, sentence) in says.iter().enumerate() { p.lead[at == 0] { (page(sentence)) } }
        }
    }
}

/// Each figure kept in one line with its unit.
fn with_units(text: &str) -> String {
    let mut words = text.split(' ');
    let mut held = words.next().unwrap_or_default().to_owned();
    let mut is_figure = held.ends_with(|last: char| last.is_ascii_digit());
    for word in words {
        let unit = ["%", "ms", "km", "M"].contains(&word.trim_end_matches([',', '.', ';', ':', ')']));
        held.push(if unit && is_figure { '\u{a0}' } else { ' ' });
        held.push_str(word);
        is_figure = word.ends_with(|last: char| last.is_ascii_digit());
    }
    held
}

/// The same in Markdown, all else escaped.
pub(crate) fn markdown(text: &str) -> String {
    let text = shown(text);
    let part = |(is_code, part): (bool, &str)| match is_code {
        true => format!("`{part}`"),
        false => escape(part),
    };
    parts(&text).into_iter().map(part).collect()
}

/// The parts of a sentence, and whether each is code. Backticks that are no pair, or touch each other, stand as they are.
fn parts(text: &str) -> Vec<(bool, &str)> {
    let split: Vec<&str> = text.split('`').collect();
    let inner = &split[1..split.len().max(2) - 1];
    let is_paired = split.len() % 2 == 1 && inner.iter().all(|part| !part.is_empty());
    match is_paired {
        true => split
            .iter()
            .enumerate()
            .map(|(at, part)| (at % 2 == 1, *part))
            .collect(),
        false => vec![(false, text)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_between_backticks_is_code_and_the_rest_is_text() {
        let text = "a_b: `locate --sure <X>` says why; see `gaps`.";
        assert_eq!(
            page(text).into_string(),
            "a_b: <code>locate --sure &lt;X&gt;</code> says why; see <code>gaps</code>."
        );
        assert_eq!(markdown(text), "a\\_b: `locate --sure <X>` says why; see `gaps`.");
        assert_eq!(page("plain").into_string(), "plain");
        assert_eq!(
            page("7.8 % of 12 ms (9 km); 3 M, a % b").into_string(),
            "7.8\u{a0}% of 12\u{a0}ms (9\u{a0}km); 3\u{a0}M, a % b"
        );
        assert_eq!(page("").into_string(), "");
    }

    #[test]
    fn backticks_of_a_hostile_name_open_no_code() {
        for name in ["a`b", "a``b", "``", "`"] {
            assert_eq!(page(name).into_string(), name);
            assert!(!markdown(name).replace("\\`", "").contains('`'), "{name}");
        }
        assert_eq!(page("`<b>`").into_string(), "<code>&lt;b&gt;</code>");
    }
}
