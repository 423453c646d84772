//! Text from elsewhere: the one door that it passes on its way in.
//!
//! Whatever a probe, a node, a resolver, a receiver of alerts or a file says is shown one day: on a terminal, in a log,
//! on a page, in a message. Characters that such a place would obey instead of showing are replaced on the way in: by
//! the decoder of every message (`serializer`), and in the probe where bytes of a node become text.

use std::borrow::Cow;

/// What stands in the place of a character that is not let through: one byte, so that no text grows above its bound.
const REPLACEMENT: char = '?';

/// Text as it may be shown anywhere: on one line, and of characters that are seen. White space becomes a blank; what moves a
/// cursor, turns the direction of writing, hides what stands beside it or piles up over other lines becomes `?`. Never
/// longer than `text`, and the same when it is cleaned again.
#[must_use]
pub fn cleaned(text: &str) -> Cow<'_, str> {
    shown(text, clean)
}

/// A document of ours that quotes others, as a terminal may be given it: its lines stay lines.
#[must_use]
pub fn cleaned_lines(text: &str) -> Cow<'_, str> {
    shown(text, |character| match character {
        '\n' => '\n',
        other => clean(other),
    })
}

/// Whether [`cleaned`] leaves it as it is: what a name must be.
#[must_use]
pub fn is_clean(text: &str) -> bool {
    matches!(cleaned(text), Cow::Borrowed(_))
}

fn shown(text: &str, clean: impl Fn(char) -> char) -> Cow<'_, str> {
    let cleaned = || {
        let (mut marks, clean) = (0, &clean);
        text.chars().map(move |character| {
            marks = if is_mark(character) { marks + 1 } else { 0 };
            match marks > MARKS_MAX {
                true => REPLACEMENT,
                false => clean(character),
            }
        })
    };
    match cleaned().eq(text.chars()) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(cleaned().collect()),
    }
}

/// So many marks stand on one letter at most: no script needs more.
const MARKS_MAX: usize = 4;

/// Marks of all scripts that are set over, under or around what stands before, and joiners.
fn is_mark(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{6d6}'..='\u{6ed}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}'
        | '\u{eb4}'..='\u{ebc}' | '\u{ec8}'..='\u{ece}' | '\u{f71}'..='\u{f84}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{200c}' | '\u{200d}' | '\u{20d0}'..='\u{20ff}' | '\u{302a}'..='\u{302f}'
        | '\u{3099}' | '\u{309a}' | '\u{fe0e}' | '\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}

fn clean(character: char) -> char {
    match character {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{ad}' | '\u{61c}' | '\u{180e}' => REPLACEMENT, // unseen: soft hyphen, Arabic mark, Mongolian separator
        '\u{200b}' | '\u{200e}' | '\u{200f}' => REPLACEMENT, // unseen or turning; joiners stay: scripts and emoji need them
        '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => REPLACEMENT, // turning, isolating, invisible operators
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => REPLACEMENT, // marks, notes, hidden tags
        '\u{fe00}'..='\u{fe0d}' | '\u{e0100}'..='\u{e01ef}' => REPLACEMENT, // variants that hide data; text and emoji stay
        '\u{2800}' | '\u{3164}' | '\u{115f}' | '\u{1160}' | '\u{ffa0}' => REPLACEMENT, // letters without ink
        '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180d}' | '\u{180f}' => REPLACEMENT, // marks without ink
        control if control.is_control() => REPLACEMENT,
        shown => shown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_every_script_come_through_as_they_are() {
        for text in [
            "",
            "Frankfurt (Main) – 120,5 ms \"<b>\" | = % \\ é ß 東京 Москва",
            "שלום عليكم", // written from the right, without marks that turn
            "می\u{200c}خواهم 👩\u{200d}🚀 e\u{301} ☎\u{fe0f}", // joiners, accents, variants
            "🏳\u{fe0f}\u{200d}🌈 1\u{fe0f}\u{20e3} ที่นี่ नमस्ते שָׁ֑לוֹם 한국어",
        ] {
            assert!(is_clean(text), "{text:?}");
            assert!(
                matches!(cleaned(text), Cow::Borrowed(same) if same == text),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_a_terminal_or_a_page_would_obey_is_replaced() {
        for (hostile, shown) in [
            ("\u{1b}[2J\u{7}\u{8}\0\u{7f}", "?[2J????"),
            ("\u{9b}31m\u{90}", "?31m?"),
            ("a\nb\r\nc\td\u{85}e\u{2028}f\u{2029}g\u{b}h", "a b  c d e f g h"),
            (
                "\u{202e}evil\u{202c}\u{2066}x\u{2069}\u{200e}\u{200f}\u{61c}",
                "?evil??x????",
            ),
            ("ad\u{200b}mi\u{2060}n\u{feff}\u{ad}", "ad?mi?n??"),
            ("x\u{e0041}\u{fff9}", "x??"),
            ("a\u{e0100}b\u{e01ef}c\u{fe00}d\u{fe0d}", "a?b?c?d?"),
            (
                "\u{2800}\u{3164}\u{115f}\u{1160}\u{ffa0}\u{34f}\u{17b4}",
                "???????",
            ),
            (
                "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{489}\u{20dd}o\u{301}",
                "e\u{301}\u{302}\u{303}\u{304}???o\u{301}",
            ),
            (
                "a\u{200d}\u{200d}\u{200c}\u{200d}\u{200d}\u{200d}",
                "a\u{200d}\u{200d}\u{200c}\u{200d}??",
            ),
        ] {
            assert_eq!(cleaned(hostile), shown);
            assert!(!is_clean(hostile), "{hostile:?}");
        }
    }

    #[test]
    fn document_keeps_its_lines_and_nothing_else_that_moves() {
        assert_eq!(
            cleaned_lines("one\n  two\u{1b}[1A\rthree\n"),
            "one\n  two?[1A three\n"
        );
        assert!(matches!(cleaned_lines("one\n  two\n"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn cleaned_text_is_clean_and_no_longer(text in "\\PC*|.*|[\\x00-\\x9f\u{2000}-\u{206f}]*|[a\u{300}-\u{310}\u{200d}]*") {
            let once = cleaned(&text);
            prop_assert!(is_clean(&once) && once.len() <= text.len());
            prop_assert_eq!(once.chars().count(), text.chars().count());
            prop_assert_eq!(cleaned(&once), once.clone());
            prop_assert!(!once.chars().any(char::is_control));
        }
    }
}
