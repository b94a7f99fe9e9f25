//! Stop and start words, as clients write them: lists of words by language.

use domain::Fault;
use engine::consent::{WORD_CHARS, WORDS};
use serde_json::{Map, Value};
use storage::WordLists;

use crate::http::{
    body::{Body, escape},
    contacts::input::is_language,
};

/// Reads lists of words; null means the words that come along, and so does saying them all.
pub(super) fn read(body: &mut Body, name: &'static str, usual: &WordLists, target: &mut Option<WordLists>) {
    let mut faults = Vec::new();
    let lists = body.object(name).map(|object| lists(name, &object, &mut faults)).patch();
    body.faults(faults);
    if let Some(lists) = lists {
        *target = lists.filter(|lists| lists != usual);
    }
}

fn lists(name: &str, object: &Map<String, Value>, faults: &mut Vec<Fault>) -> WordLists {
    let mut lists = WordLists::new();
    for (language, words) in object {
        let pointer = format!("/{name}/{}", escape(language));
        if let Err(detail) = is_language(language) {
            faults.push(Fault::new(pointer.clone(), detail));
        }
        let Value::Array(words) = words else {
            faults.push(Fault::new(pointer, "must be a list of texts"));
            continue;
        };
        let read = words.iter().enumerate().filter_map(|(n, text)| match word(text) {
            Ok(text) => Some(text),
            Err(detail) => {
                faults.push(Fault::new(format!("{pointer}/{n}"), detail));
                None
            }
        });
        lists.insert(language.clone(), read.collect());
    }
    if lists.values().map(Vec::len).sum::<usize>() > WORDS {
        faults.push(Fault::new(format!("/{name}"), format!("must have at most {WORDS} words")));
    }
    lists
}

fn word(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("must be a text")?.trim();
    if text.is_empty() {
        return Err("must not be empty".into());
    }
    if text.chars().count() > WORD_CHARS {
        return Err(format!("must have at most {WORD_CHARS} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".into());
    }
    Ok(text.to_owned())
}
