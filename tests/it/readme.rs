//! What the README shows is what happens.

use std::process::Command;

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
