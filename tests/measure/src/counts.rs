//! Instructions and allocations, by valgrind's callgrind.

use std::{collections::HashMap, path::Path, process::Command};

use crate::{
    Bench, Operation,
    numbers::{Number, Numbers},
};

/// How often an operation is done before it is counted: caches fill, what is made lazily is made.
const WARM_UP: u64 = 10;
/// How often it is counted; what is reported is one of these. Hash maps are seeded anew in every process, so that a single
/// one is off by a little.
const TIMES: u64 = 50;
/// More than so many times the committed number is a failure.
const WORSE_MAX: f64 = 1.1;
/// What asks the system's allocator for memory.
const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// What one time of an operation takes.
#[derive(Debug, PartialEq, Eq)]
struct Count {
    instructions: u64,
    allocations: u64,
}

/// Counts all operations and compares them.
pub(crate) fn check(bench: &Bench, numbers: &Numbers) -> Result<(), String> {
    let mut faults = Vec::new();
    println!("{:<28} {:>12} {:>10} {:>8} {:>10}", bench.name, "instructions", "committed", "allocs", "committed");
    for operation in counted(bench) {
        let name = operation.name;
        let count = count(name)?;
        let Some(Number { instructions: Some(instructions), allocations: Some(allocations), .. }) = numbers.0.get(name)
        else {
            faults.push(format!("{name}: no count is committed; `-- counts accept` writes them"));
            continue;
        };
        println!("{name:<28} {:>12} {instructions:>10} {:>8} {allocations:>10}", count.instructions, count.allocations);
        for (what, now, before) in
            [("instructions", count.instructions, *instructions), ("allocations", count.allocations, *allocations)]
        {
            if now as f64 > before as f64 * WORSE_MAX {
                faults.push(format!("{name} takes {now} {what}; {before} are committed"));
            } else if (now as f64) * WORSE_MAX < before as f64 {
                println!("  {name} takes {now} {what} instead of {before}: accept that, so that it stays so");
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// Counts all operations and keeps that.
pub(crate) fn accept(bench: &Bench, mut numbers: Numbers, file: &Path) -> Result<(), String> {
    for operation in counted(bench) {
        let Count { instructions, allocations } = count(operation.name)?;
        println!("{:<28} {instructions:>12} instructions {allocations:>8} allocations", operation.name);
        let number = numbers.entry(operation.name);
        (number.instructions, number.allocations) = (Some(instructions), Some(allocations));
    }
    let names: Vec<_> = bench.operations.iter().map(|operation| operation.name).collect();
    numbers.write(file, &names)
}

fn counted(bench: &Bench) -> impl Iterator<Item = &Operation> {
    bench.operations.iter().filter(|operation| operation.is_counted)
}

/// Does an operation as often as it is to be counted. To be run under valgrind.
pub(crate) fn run(operation: &mut dyn FnMut(), times: u64) {
    for _ in 0..WARM_UP {
        operation();
    }
    measure_counted(operation, times);
}

/// Callgrind collects while this runs, and finds it by its name.
#[inline(never)]
fn measure_counted(operation: &mut dyn FnMut(), times: u64) {
    for _ in 0..std::hint::black_box(times) {
        operation();
    }
}

/// Has valgrind count an operation of this program. Valgrind shows every program the same processor, without
/// instructions for hashing, so that code which picks a variant by what the processor can do picks the same one on each
/// machine with AVX2.
fn count(name: &str) -> Result<Count, String> {
    // Callgrind counts calls from the program's first instruction, whatever it is told, of those who call while it collects:
    // what they did to prepare the operation is in both.
    let (before, after) = (profile(name, 1)?, profile(name, 1 + TIMES)?);
    let each = |before: u64, after: u64| (after.saturating_sub(before) + TIMES / 2) / TIMES;
    let instructions = each(before.instructions, after.instructions);
    if instructions == 0 {
        return Err(format!("{name}: valgrind counted nothing"));
    }
    Ok(Count { instructions, allocations: each(before.allocations, after.allocations) })
}

/// Counts so many times of an operation, and the allocations of all that the program does besides.
fn profile(name: &str, times: u64) -> Result<Count, String> {
    if cfg!(not(all(target_os = "linux", target_arch = "x86_64"))) {
        return Err("counts are those of x86-64 Linux; on another platform they cannot be compared".to_owned());
    }
    let program = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let profile = tempfile::NamedTempFile::new().map_err(|error| format!("no temporary file: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*measure_counted*"])
        .arg(format!("--callgrind-out-file={}", profile.path().display()))
        .arg(program)
        .args(["run", name, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} under valgrind: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let profile = std::fs::read_to_string(profile.path()).map_err(|error| format!("what valgrind wrote: {error}"))?;
    read(&profile).ok_or_else(|| format!("{name}: what valgrind wrote cannot be read"))
}

/// Adds up callgrind's profile: its total, and its calls of the allocator. A name stands beside its number only where it
/// comes up first (valgrind's manual, "callgrind format specification").
fn read(profile: &str) -> Option<Count> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let (mut instructions, mut allocations, mut is_allocator) = (None, 0, false);
    for line in profile.lines() {
        if let Some(total) = line.strip_prefix("totals: ") {
            instructions = Some(total.trim().parse().ok()?);
        } else if let Some(named) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (number, name) = named.split_once(' ').unwrap_or((named, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            is_allocator = names.get(number).is_some_and(|name| ALLOCATORS.contains(name));
        } else if let Some(calls) = line.strip_prefix("calls=")
            && is_allocator
        {
            allocations += calls.split_once(' ')?.0.parse::<u64>().ok()?;
        }
    }
    Some(Count { instructions: instructions?, allocations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_added_up() {
        let profile = "fn=(1) measure_counted\n0 5\ncfn=(2) malloc\ncalls=3 0\n0 30\ncfn=(3) free\ncalls=9 0\n0 1\n\
                       fn=(3)\n0 8\ncfn=(2)\ncalls=1 0\n0 10\ntotals: 54\n";
        assert_eq!(read(profile), Some(Count { instructions: 54, allocations: 4 }));
        assert_eq!(read(""), None);
    }
}
