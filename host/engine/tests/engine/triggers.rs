//! Keyword triggers by the thousand.

use std::time::{Duration, Instant};

use crate::support::keyword::trigger;
use domain::Trigger;
use engine::triggers::KeywordIndex;
use serde_json::json;

/// Triggers of all kinds over a small alphabet, so that many match the same text.
fn many(count: usize, alphabet: &[&str]) -> Vec<Trigger> {
    let kinds = ["exact", "contains", "starts_with", "ends_with", "regex"];
    (0..count)
        .map(|n| {
            let word: String = (0..=n % 4).map(|place| alphabet[(n / (place * 3 + 1)) % alphabet.len()]).collect();
            let value = json!({
                "keywords": [word, format!("{n}x")], "match_type": kinds[n % 5], "case_sensitive": n % 3 == 0,
                "priority": (n * 7) % 11, "is_active": n % 13 != 0, "interrupt": n % 2 == 0,
            });
            trigger(n, &value)
        })
        .collect()
}

#[test]
fn the_index_agrees_with_looking_at_each() {
    let triggers = many(400, &["a", "B", "ß", "é", "E\u{301}"]);
    let index = KeywordIndex::build(&triggers);
    for text in ["a", "AB", "aßé", "bSSa", "ÉE\u{301}", "17x", " 30X ", "aaaa", "zzz", "", "Bé ßa"] {
        let explained = index.explain(text);
        assert_eq!(explained.len(), triggers.len());
        let first = explained.iter().find(|candidate| candidate.matched);
        let chosen = index.choose(text);
        let keyword = |candidate: &engine::triggers::Candidate| candidate.matched_keyword.clone().unwrap();
        assert_eq!(
            chosen.map(|chosen| (chosen.trigger_id, chosen.keyword)),
            first.map(|first| (first.trigger_id, keyword(first))),
            "{text}"
        );
        let interrupting = |id| triggers.iter().any(|trigger| trigger.id == id && trigger.interrupt);
        let first = explained.iter().find(|candidate| candidate.matched && interrupting(candidate.trigger_id));
        assert_eq!(
            index.choose_interrupting(text).map(|chosen| chosen.trigger_id),
            first.map(|first| first.trigger_id),
            "{text}"
        );
    }
}

#[test]
fn reasons_are_sentences() {
    let triggers = [
        trigger(0, &json!({"keywords": ["hi"], "priority": 3})),
        trigger(1, &json!({"keywords": ["h"], "match_type": "starts_with"})),
        trigger(2, &json!({"keywords": ["i"], "match_type": "ends_with", "is_active": false})),
        trigger(3, &json!({"keywords": ["bye"], "match_type": "contains"})),
    ];
    let index = KeywordIndex::build(&triggers);
    let reasons = |text| index.explain(text).into_iter().map(|candidate| candidate.reason).collect::<Vec<_>>();
    assert_eq!(
        reasons("Hi"),
        [
            "the text is `hi`",
            "the text starts with `h`, but trigger 1 goes first",
            "is switched off; otherwise the text ends with `i`",
            "the text contains none of its keywords",
        ]
    );
    assert_eq!(reasons(" "), ["the message has no text"; 4]);
}

#[test]
fn ten_thousand_triggers_cost_about_as_much_as_ten() {
    let kinds = ["exact", "contains", "starts_with", "ends_with"];
    let triggers: Vec<Trigger> = (0..10_000)
        .map(|n| trigger(n, &json!({"keywords": [format!("order number {n}")], "match_type": kinds[n % 4]})))
        .collect();
    let text = "please tell me something about order number 9999";
    let few = cost(&KeywordIndex::build(&triggers[..10]), text);
    let index = KeywordIndex::build(&triggers);
    assert_eq!(index.choose(text).map(|found| found.keyword), Some("order number 9".to_owned()));
    let many = cost(&index, text);
    // A look at each trigger would be about a thousand times as much.
    assert!(many < few * 30, "{few:?} with ten, {many:?} with ten thousand");
}

/// The least of some measurements: what disturbs them only ever adds.
fn cost(index: &KeywordIndex, text: &str) -> Duration {
    let measure = || {
        let start = Instant::now();
        for _ in 0..200 {
            std::hint::black_box(index.choose(std::hint::black_box(text)));
        }
        start.elapsed()
    };
    (0..10).map(|_| measure()).min().unwrap()
}

#[test]
fn very_many_regular_expressions_are_split_up_and_all_found() {
    let triggers: Vec<Trigger> = (0..600)
        .map(|n| {
            let pattern = format!(r"\b\w+-{n}\b");
            trigger(n, &json!({"keywords": [pattern], "match_type": "regex", "case_sensitive": n % 2 == 0}))
        })
        .collect();
    let index = KeywordIndex::build(&triggers);
    for n in [0, 1, 299, 599] {
        let found = index.choose(&format!("about item-{n} please")).map(|found| found.trigger_id.0);
        assert_eq!(found, Some(n + 1));
    }
    assert_eq!(index.choose("about item-600 please"), None);
}
