//! Looking a text up in all keywords that are plain texts at once.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use domain::{MatchType, Trigger, TriggerRule};

use crate::triggers::keyword::{Heard, Needle};

/// A keyword of a trigger. The lower one goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Find {
    /// The trigger's place in the order in which they go.
    pub(super) rank: usize,
    /// The keyword's place in the trigger.
    pub(super) keyword: usize,
}

/// Some triggers' keywords, regular expressions left out.
#[derive(Debug)]
pub(super) struct Lookup {
    sensitive: Texts,
    folded: Texts,
}

/// Keywords that are texts and compared in one form.
#[derive(Debug, Default)]
struct Texts {
    exact: HashMap<String, Find>,
    /// Finds every text below wherever it is.
    finder: Option<AhoCorasick>,
    places: Vec<Places>,
}

/// What a text that was found stands for, by where it was found.
#[derive(Debug, Default, Clone, Copy)]
struct Places {
    anywhere: Option<Find>,
    at_start: Option<Find>,
    at_end: Option<Find>,
}

impl Lookup {
    /// Takes triggers with their rank.
    pub(super) fn build<'t>(triggers: impl Iterator<Item = (usize, &'t Trigger)>) -> Self {
        let mut sensitive = Collected::default();
        let mut folded = Collected::default();
        for (rank, trigger) in triggers {
            let TriggerRule::Keyword { keywords, match_type, case_sensitive } = &trigger.rule else { continue };
            if *match_type == MatchType::Regex {
                continue;
            }
            for (keyword, text) in keywords.iter().enumerate() {
                let find = Find { rank, keyword };
                if let Some(Needle::Text(text)) = Needle::new(text, *match_type, *case_sensitive) {
                    let texts = if *case_sensitive { &mut sensitive } else { &mut folded };
                    texts.add(text, *match_type, find);
                }
            }
        }
        Self { sensitive: sensitive.finish(), folded: folded.finish() }
    }

    /// The keyword that goes first among those that match.
    pub(super) fn first(&self, heard: &Heard) -> Option<Find> {
        let texts = [(&self.sensitive, true), (&self.folded, false)];
        texts.into_iter().filter_map(|(texts, sensitive)| texts.first(heard.form(sensitive))).min()
    }
}

impl Texts {
    fn first(&self, text: &str) -> Option<Find> {
        let exact = self.exact.get(text).copied();
        let found = self.finder.iter().flat_map(|finder| finder.find_overlapping_iter(text)).filter_map(|hit| {
            let places = self.places.get(hit.pattern().as_usize())?;
            let at_start = places.at_start.filter(|_| hit.start() == 0);
            let at_end = places.at_end.filter(|_| hit.end() == text.len());
            [places.anywhere, at_start, at_end].into_iter().flatten().min()
        });
        exact.into_iter().chain(found).min()
    }
}

/// Keywords on their way into [`Texts`]: each text once, however many triggers have it.
#[derive(Default)]
struct Collected {
    exact: HashMap<String, Find>,
    parts: HashMap<String, Places>,
}

impl Collected {
    fn add(&mut self, text: String, match_type: MatchType, find: Find) {
        let place = match match_type {
            MatchType::Exact => {
                self.exact.entry(text).and_modify(|known| *known = find.min(*known)).or_insert(find);
                return;
            }
            MatchType::Contains => &mut self.parts.entry(text).or_default().anywhere,
            MatchType::StartsWith => &mut self.parts.entry(text).or_default().at_start,
            MatchType::EndsWith => &mut self.parts.entry(text).or_default().at_end,
            MatchType::Regex => return,
        };
        *place = Some(place.map_or(find, |known| find.min(known)));
    }

    fn finish(self) -> Texts {
        let (texts, places): (Vec<String>, Vec<Places>) = self.parts.into_iter().unzip();
        // Building fails only beyond four billion keywords.
        let finder = (!texts.is_empty()).then(|| AhoCorasick::new(&texts).ok()).flatten();
        Texts { exact: self.exact, finder, places }
    }
}
