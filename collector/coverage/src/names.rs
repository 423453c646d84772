//! Names as people's files and keyboards hold them.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The text in Unicode's composed form (NFC): `ü` is one letter, also where a file or a keyboard made it of two. Two
/// spellings that look the same are the same then.
#[must_use]
pub fn composed(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc()
        .normalize(text)
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_look_the_same_are_the_same() {
        assert_eq!(composed("Zu\u{308}rich"), "Zürich");
        assert_eq!(composed("Zürich"), "Zürich");
        assert_eq!(composed("plain"), "plain");
    }
}
