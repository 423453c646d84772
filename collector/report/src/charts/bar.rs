//! A bar that is parted by shares of a whole.

use maud::{Markup, html};

/// A part of a bar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Its class in the style sheet: `in`, `out`, `own`, `unknown`.
    pub(crate) class: &'static str,
    /// Its share of the whole, 0…1.
    pub(crate) share: f64,
}

/// `label` says the same in words.
#[must_use]
pub(crate) fn bar(label: &str, parts: &[Part]) -> Markup {
    html! {
        span.bar role="img" aria-label=(label) {
            @for part in parts {
                i class=(part.class) style=(format!("width:{:.2}%", part.share * 100.0)) {}
            }
        }
    }
}
