//! What is wrong with a trigger's rule, found when it is saved.

use domain::{Fault, MatchType, TriggerRule};

use crate::{
    limits::{KEYWORD_CHARS, KEYWORDS_PER_TRIGGER},
    pattern,
    triggers::{conditions, fold, schedule, webhook},
};

/// Every fault of a rule, with pointers such as `/keywords/2`.
pub fn check(rule: &TriggerRule) -> Vec<Fault> {
    match rule {
        TriggerRule::Keyword { keywords, match_type, case_sensitive } => {
            let mut faults = Vec::new();
            if keywords.is_empty() {
                faults.push(Fault::new("/keywords", "must have at least one keyword"));
            }
            if keywords.len() > KEYWORDS_PER_TRIGGER {
                faults.push(Fault::new("/keywords", format!("must have at most {KEYWORDS_PER_TRIGGER} keywords")));
            }
            for (index, keyword) in keywords.iter().enumerate().take(KEYWORDS_PER_TRIGGER) {
                if let Some(detail) = keyword_fault(keyword, *match_type, *case_sensitive) {
                    faults.push(Fault::new(format!("/keywords/{index}"), detail));
                }
            }
            faults
        }
        TriggerRule::Event { event_conditions, .. } => conditions::check(event_conditions),
        TriggerRule::Schedule(schedule) => schedule::check(schedule),
        TriggerRule::Webhook(rule) => webhook::Webhook::compile(rule).err().unwrap_or_default(),
        // Whether its settings fit is for whoever knows the plugin.
        TriggerRule::Plugin(_) => Vec::new(),
    }
}

fn keyword_fault(keyword: &str, match_type: MatchType, case_sensitive: bool) -> Option<String> {
    if fold::plain(keyword).is_empty() {
        return Some("must not be empty".to_owned());
    }
    if keyword.chars().nth(KEYWORD_CHARS).is_some() {
        return Some(format!("must have at most {KEYWORD_CHARS} characters"));
    }
    match match_type {
        MatchType::Regex => pattern::compile(keyword, case_sensitive).err(),
        MatchType::Exact | MatchType::Contains | MatchType::StartsWith | MatchType::EndsWith => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(keywords: &[&str], match_type: MatchType) -> Vec<(String, String)> {
        let keywords = keywords.iter().map(|&keyword| keyword.to_owned()).collect();
        let rule = TriggerRule::Keyword { keywords, match_type, case_sensitive: false };
        check(&rule).into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn every_keyword_is_looked_at() {
        assert_eq!(faults(&["hi", "hello"], MatchType::Exact), []);
        let long = "x".repeat(KEYWORD_CHARS + 1);
        let pointers: Vec<String> =
            faults(&["hi", " \u{200b}", &long], MatchType::Contains).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/keywords/1", "/keywords/2"]);
        assert_eq!(faults(&[&long[1..]], MatchType::Contains), []);
    }

    #[test]
    fn the_number_of_keywords_is_bounded() {
        assert_eq!(faults(&[], MatchType::Exact)[0].0, "/keywords");
        assert_eq!(faults(&vec!["x"; KEYWORDS_PER_TRIGGER], MatchType::Exact), []);
        assert_eq!(faults(&vec!["x"; KEYWORDS_PER_TRIGGER + 1], MatchType::Exact)[0].0, "/keywords");
    }

    #[test]
    fn a_broken_regular_expression_says_where() {
        let faults = faults(&["^ok$", "order (\\d+"], MatchType::Regex);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].0, "/keywords/1");
        assert!(faults[0].1.ends_with("(at character 7)"), "{}", faults[0].1);
        assert!(
            super::check(&TriggerRule::Keyword {
                keywords: vec!["(".into()],
                match_type: MatchType::Exact,
                case_sensitive: false
            })
            .is_empty()
        );
    }
}
