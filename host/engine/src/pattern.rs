//! Regular expressions, bounded in memory and with faults that say where.

use regex::{Regex, RegexBuilder};

use crate::limits::PATTERN_BYTES;

/// Compiles a regular expression.
///
/// # Errors
/// A sentence for people, with the position in the pattern where there is one.
pub(crate) fn compile(pattern: &str, case_sensitive: bool) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(pattern)
        .case_insensitive(!case_sensitive)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "is a regular expression that would take too much memory".to_owned(),
        other => syntax_fault(pattern).unwrap_or_else(|| format!("is no valid regular expression: {other}")),
    })
}

/// What is wrong with a pattern, and at which character, counted from 1.
fn syntax_fault(pattern: &str) -> Option<String> {
    let (problem, offset) = match regex_syntax::parse(pattern).err()? {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.offset),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.offset),
        _ => return None,
    };
    let character = pattern.get(..offset)?.chars().count() + 1;
    Some(format!("is no valid regular expression: {problem} (at character {character})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_say_where_they_are() {
        for (pattern, character) in [("(", 1), ("ab[", 3), ("é(?P<x", 7), ("a**{", 4), ("x{2,1}", 2), (r"é\q", 2)] {
            let fault = compile(pattern, false).unwrap_err();
            assert!(fault.ends_with(&format!("(at character {character})")), "{pattern}: {fault}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        assert_eq!(
            compile(r"\w{1000}{1000}", true).unwrap_err(),
            "is a regular expression that would take too much memory"
        );
    }
}
