//! One keyword trigger by itself: the plain definition of what matches, which the index must agree with.

use domain::{MatchType, TriggerRule};
use regex::Regex;

use crate::{pattern, triggers::fold};

/// A message's text in the forms that keywords are compared with.
#[derive(Debug)]
pub(super) struct Heard {
    /// For case-sensitive keywords and regular expressions.
    pub(super) plain: String,
    /// For the others.
    pub(super) folded: String,
}

impl Heard {
    /// None when there is nothing but space in the text.
    pub(super) fn new(text: &str) -> Option<Self> {
        let plain = fold::plain(text);
        (!plain.is_empty()).then(|| Self { folded: fold::folded(text), plain })
    }

    /// The form for a trigger.
    pub(super) fn form(&self, case_sensitive: bool) -> &str {
        if case_sensitive { &self.plain } else { &self.folded }
    }
}

/// A keyword in the form in which it is compared.
#[derive(Debug)]
pub(super) enum Needle {
    /// A text.
    Text(String),
    /// A regular expression.
    Pattern(Regex),
}

impl Needle {
    /// None when it can match nothing: empty, or no valid regular expression.
    pub(super) fn new(keyword: &str, match_type: MatchType, case_sensitive: bool) -> Option<Self> {
        if match_type == MatchType::Regex {
            return pattern::compile(keyword, case_sensitive).ok().map(Self::Pattern);
        }
        let text = if case_sensitive { fold::plain(keyword) } else { fold::folded(keyword) };
        (!text.is_empty()).then_some(Self::Text(text))
    }

    /// Whether it matches.
    pub(super) fn matches(&self, heard: &Heard, match_type: MatchType, case_sensitive: bool) -> bool {
        let form = heard.form(case_sensitive);
        match (self, match_type) {
            // The expression itself is told to overlook case; folding could change what a class of characters matches.
            (Self::Pattern(pattern), _) => pattern.is_match(&heard.plain),
            (Self::Text(text), MatchType::Exact) => form == text,
            (Self::Text(text), MatchType::Contains) => form.contains(text.as_str()),
            (Self::Text(text), MatchType::StartsWith) => form.starts_with(text.as_str()),
            (Self::Text(text), MatchType::EndsWith) => form.ends_with(text.as_str()),
            (Self::Text(_), MatchType::Regex) => false,
        }
    }
}

/// The first keyword of a rule that matches.
pub(super) fn first_match<'r>(rule: &'r TriggerRule, heard: &Heard) -> Option<&'r str> {
    let TriggerRule::Keyword { keywords, match_type, case_sensitive } = rule else { return None };
    keywords
        .iter()
        .find(|keyword| {
            Needle::new(keyword, *match_type, *case_sensitive)
                .is_some_and(|needle| needle.matches(heard, *match_type, *case_sensitive))
        })
        .map(String::as_str)
}

/// What matching means, for people: `the text contains`.
pub(super) fn verb(match_type: MatchType) -> &'static str {
    match match_type {
        MatchType::Exact => "the text is",
        MatchType::Contains => "the text contains",
        MatchType::StartsWith => "the text starts with",
        MatchType::EndsWith => "the text ends with",
        MatchType::Regex => "the text matches",
    }
}
