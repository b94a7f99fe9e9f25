//! What the README shows is what happens.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

const README: &str = include_str!("../../README.md");

#[test]
fn the_demo_says_what_the_readme_shows() {
    let (_, rest) = README.split_once("```console\n$ cargo run --release -- ").expect("a transcript of the demo");
    let (command, rest) = rest.split_once('\n').unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    // `demo --say "hi" --say "Ada"`: none of the texts has a quote or a space of its own.
    let arguments: Vec<String> = command.split(' ').map(|word| word.trim_matches('"').to_owned()).collect();
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_chatboost-under-test"))
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), shown);
}

/// Every command of the transcript but the first, which builds what is under test here.
#[test]
fn a_node_of_ones_own_answers_as_the_readme_shows() {
    let (_, rest) = README.split_once("```console\n$ cargo build --release && ").expect("a transcript of a plugin");
    let (transcript, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut place = folder.path().to_owned();
    for part in transcript.split("\n$ ").skip(1) {
        let (command, shown) = part.split_once('\n').unwrap_or((part, ""));
        let words = words(command);
        match words[0].as_str() {
            "cd" => place.push(&words[1]),
            "chatboost" => {
                let said = chatboost(&place, &words[1..]);
                assert_eq!(said.trim_end(), shown.trim_end(), "{command}");
            }
            other => panic!("the README runs {other}"),
        }
    }
}

fn chatboost(place: &Path, arguments: &[String]) -> String {
    let guests = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from)
        .join("guests");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatboost-under-test"));
    command.args(arguments).current_dir(place);
    // Kept from run to run: where rustup has no target, the standard library is built as well.
    command.env("CARGO_TARGET_DIR", guests.join("cli"));
    let unpacked = guests.join("debian/root");
    if unpacked.is_dir() {
        command.env("CHATBOOST_WASM_ROOT", unpacked);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The words of a command, some of them in single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in command.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
