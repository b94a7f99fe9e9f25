//! Simulations of whole servers can be repeated. That nothing goes wrong in them is `tests/run`'s own step.

use std::process::Command;

fn run(seed: u64) -> String {
    let ran =
        Command::new(env!("CARGO_BIN_EXE_simulate")).args(["--seed", &seed.to_string(), "--trace"]).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{text}\n{}", String::from_utf8_lossy(&ran.stderr));
    text
}

#[test]
fn a_seed_takes_the_same_steps_each_time() {
    for seed in [1, 3, 6] {
        let (first, second) = (run(seed), run(seed));
        let other = first.lines().zip(second.lines()).find(|(first, second)| first != second);
        assert_eq!(other, None, "seed {seed} took another way");
        assert_eq!(first.lines().count(), second.lines().count(), "seed {seed} took longer");
        assert!(first.lines().count() > 300, "{first}");
    }
}
