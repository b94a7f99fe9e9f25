//! A released folder of the contract never changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use sha2::{Digest, Sha256};

use super::wit;

/// Files of released folders, each with its SHA-256, as `sha256sum` writes them.
fn released() -> BTreeMap<String, String> {
    let text = fs::read_to_string(wit().join("released.sha256")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_once("  ").map(|(hash, file)| (file.to_owned(), hash.to_owned())).unwrap()).collect()
}

#[test]
fn every_file_of_a_released_folder_is_as_it_was() {
    let released = released();
    assert!(!released.is_empty());
    let mut folders = BTreeSet::new();
    for (file, hash) in &released {
        folders.insert(file.split_once('/').unwrap().0);
        let bytes = fs::read(wit().join(file)).unwrap_or_else(|error| panic!("{file} was released: {error}"));
        let found = hex::encode(Sha256::digest(bytes));
        assert_eq!(found, *hash, "{file} was released and must stay as it was; changes go into a folder of their own");
    }
    for folder in folders {
        for entry in fs::read_dir(wit().join(folder)).unwrap() {
            let file = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
            assert!(released.contains_key(&file), "{folder} was released without {file}");
        }
    }
}

#[test]
fn every_folder_of_the_contract_is_released_or_new() {
    let released = released();
    let mut unreleased = vec![];
    for entry in fs::read_dir(wit()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let folder = entry.file_name().into_string().unwrap();
        let version = folder.strip_prefix("chatboost-plugin@").unwrap_or_else(|| panic!("wit/{folder} has no version"));
        assert_eq!(version.split('.').count(), 3, "{folder}");
        if !released.keys().any(|file| file.starts_with(&format!("{folder}/"))) {
            unreleased.push(folder);
        }
    }
    assert!(unreleased.len() <= 1, "only one version is worked on at a time: {unreleased:?}");
}
