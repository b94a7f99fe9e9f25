//! Looking a text up in all keywords that are regular expressions at once, or nearly.

use domain::{MatchType, Trigger, TriggerRule};
use regex::{RegexSet, RegexSetBuilder};

use crate::{
    limits::PATTERN_BYTES,
    triggers::{keyword::Heard, lookup::Find},
};

/// Most memory one set may take, compiled, and again for what it remembers while searching.
const SET_BYTES: usize = 8 * PATTERN_BYTES;
/// Most regular expressions of one set: compiling takes more than twice as long for twice as many.
const SET_PATTERNS: usize = 250;

/// The regular expressions of some triggers, in as few sets as bounds allow.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    sets: Vec<(RegexSet, Vec<Find>)>,
}

impl Patterns {
    /// Takes triggers with their rank.
    pub(super) fn build<'t>(triggers: impl Iterator<Item = (usize, &'t Trigger)>) -> Self {
        let mut sensitive = Vec::new();
        let mut others = Vec::new();
        for (rank, trigger) in triggers {
            let TriggerRule::Keyword { keywords, match_type, case_sensitive } = &trigger.rule else { continue };
            if *match_type == MatchType::Regex {
                let patterns = if *case_sensitive { &mut sensitive } else { &mut others };
                patterns.extend(
                    keywords.iter().enumerate().map(|(keyword, pattern)| (pattern.as_str(), Find { rank, keyword })),
                );
            }
        }
        let mut built = Self::default();
        for (patterns, case_sensitive) in [(&sensitive, true), (&others, false)] {
            for part in patterns.chunks(SET_PATTERNS) {
                built.add(part, case_sensitive);
            }
        }
        built
    }

    /// The keyword that goes first among those that match and are of a trigger that is wanted.
    pub(super) fn first(&self, heard: &Heard, wanted: impl Fn(Find) -> bool) -> Option<Find> {
        let found = self.sets.iter().flat_map(|(set, finds)| {
            set.matches(&heard.plain).into_iter().filter_map(|index| finds.get(index).copied())
        });
        found.filter(|find| wanted(*find)).min()
    }

    /// Halves what takes too much memory until it fits. A pattern that does not even compile by itself was saved before
    /// today's checks and matches nothing.
    fn add(&mut self, patterns: &[(&str, Find)], case_sensitive: bool) {
        let built = RegexSetBuilder::new(patterns.iter().map(|(pattern, _)| pattern))
            .case_insensitive(!case_sensitive)
            .size_limit(SET_BYTES)
            .dfa_size_limit(SET_BYTES)
            .build();
        match built {
            Ok(set) => self.sets.push((set, patterns.iter().map(|(_, find)| *find).collect())),
            Err(_) if patterns.len() > 1 => {
                let (front, back) = patterns.split_at(patterns.len() / 2);
                self.add(front, case_sensitive);
                self.add(back, case_sensitive);
            }
            Err(_) => {}
        }
    }
}
