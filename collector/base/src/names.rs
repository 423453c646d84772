//! Names of nodes, workers and probes: what they are made of, and when two of them are one.

use isochrone_coverage::cities;
pub use isochrone_coverage::names::composed;

/// Whether two spellings name one worker: case does not matter, nor whether accents are letters of their own.
#[must_use]
pub fn is_one_worker(one: &str, other: &str) -> bool {
    composed(one).to_lowercase() == composed(other).to_lowercase()
}

/// What names of nodes and workers are made of, for messages.
pub const NAME_FORM: &str = "use 1 to 64 letters, digits, '-', '_' or '.'";

/// Whether `name` can name a node or a worker: the same here and there, for a worker's probe is told from others
/// by the name alone.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Lower-case letters without accents, digits, and single hyphens between them.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in cities::fold(text).chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_is_one_in_either_form_of_unicode() {
        assert!(is_one_worker("Jürgen", "ju\u{308}rgen"));
        assert!(!is_one_worker("Jürgen", "Jurgen"));
        assert!(is_name(&composed("ju\u{308}rgen")));
    }
}
