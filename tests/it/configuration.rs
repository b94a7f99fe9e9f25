//! `.env.example` and the program know the same variables.

use std::collections::BTreeMap;

use server::config::{Config, variables::VARIABLES};

fn example() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../.env.example")).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("{line} has no value")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_example_has_every_variable_and_no_other() {
    let known: BTreeMap<_, _> =
        VARIABLES.iter().map(|variable| (variable.name.to_owned(), variable.example.to_owned())).collect();
    assert_eq!(example(), known);
}

#[test]
fn the_example_is_a_valid_configuration() {
    let example = example();
    let config = Config::from_vars(|name| example.get(name).cloned()).unwrap();
    assert_eq!(config.database_url.reveal(), "sqlite:./chatboost.db");
    assert!(config.debug && config.auth.secret_key.is_some());
}

#[test]
fn every_variable_that_is_read_is_declared() {
    let read = std::cell::RefCell::new(Vec::new());
    Config::from_vars(|name| {
        read.borrow_mut().push(name.to_owned());
        None
    })
    .unwrap();
    for name in read.into_inner() {
        assert!(VARIABLES.iter().any(|variable| variable.name == name), "{name} is read and not declared");
    }
}
