//! Bringing texts into a form in which those that read the same are the same.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Trims a text and brings it into Unicode's composed form (NFC). Invisible characters at the ends count as space.
pub(super) fn plain(text: &str) -> String {
    let text = trimmed(text);
    // What most people write is in that form already, and to see that is quicker than to compose it again.
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text.to_owned(),
        _ => text.nfc().collect(),
    }
}

/// Like [`plain`], and without the difference between upper and lower case, by Unicode's full case folding: `STRASSE`
/// and `straße` are the same. Folded in decomposed form, as Unicode defines caseless matching, and then composed again,
/// so that `e` is not found in `é`.
pub(crate) fn folded(text: &str) -> String {
    let text = trimmed(text);
    // Of ASCII nothing is composed, and folding is lower case.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let decomposed: String = text.nfd().collect();
    caseless::default_case_fold_str(&decomposed).nfc().collect()
}

/// Phones put invisible characters around what was typed or pasted.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\0')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_read_the_same_are_the_same() {
        for (one, other) in [
            (" Hi\n", "hi"),
            ("\u{200b}HI\u{feff}", "hi"),
            ("STRASSE", "straße"),
            ("CAFE\u{301}", "café"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ПРИВЕТ", "привет"),
            ("İ", "i\u{307}"),
            ("ﬁ", "FI"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
    }

    #[test]
    fn the_short_way_leads_where_the_long_one_does() {
        let ascii: String = (0..128_u8).map(char::from).collect();
        for text in
            [ascii.as_str(), "Grüße", "CAFE\u{301}", "e\u{323}\u{307}", "\u{1100}\u{1161}", "ﬁ ΣΊΣΥΦΟΣ", "👩‍👩‍👧‍👦", ""]
        {
            assert_eq!(plain(text), trimmed(text).nfc().collect::<String>(), "{text}");
            let decomposed: String = trimmed(text).nfd().collect();
            let long: String = caseless::default_case_fold_str(&decomposed).nfc().collect();
            assert_eq!(folded(text), long, "{text}");
        }
    }

    #[test]
    fn texts_that_read_differently_are_not() {
        assert_ne!(folded("é"), folded("e"));
        assert!(!folded("CAFÉ").contains("cafe"));
        assert_ne!(plain("Hi"), plain("hi"));
        assert_eq!(plain(" a b "), "a b");
    }
}
