//! Names in a sentence: the first of them, and how many more.

/// Names that a sentence holds; a receiver cuts long ones without a word.
const NAMES_MAX: usize = 12;

/// `tokyo, lima, oslo`, or the first of many `and 988 more`.
pub(super) fn listed(names: impl IntoIterator<Item = String>, between: &str) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(NAMES_MAX).collect();
    let first = first.join(between);
    match names.count() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_twelve_are_counted() {
        let names = |count: usize| (1..=count).map(|place| format!("n{place}"));
        assert_eq!(listed(names(3), ", "), "n1, n2, n3");
        assert!(listed(names(12), ", ").ends_with(", n12"));
        assert!(listed(names(1_000), "; ").ends_with("; n12 and 988 more"));
        assert_eq!(listed(names(0), ", "), "");
    }
}
