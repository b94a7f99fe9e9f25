//! Times, by criterion, as ratios.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use criterion::Criterion;
use serde::Deserialize;

use crate::{
    Bench, Operation,
    numbers::{Number, Numbers},
};

/// A ratio that is so many times the committed one is a failure. Ratios are steadier than times, but not exact.
const WORSE_MAX: f64 = 1.5;
/// When the reference takes so many times as long at the end of a run as at its beginning, or the reverse, something else
/// was going on.
const DRIFT_MAX: f64 = 1.2;
/// The name under which the reference is measured again at the end.
const AGAIN: &str = "reference_again";

/// What a run of the benchmark measured.
struct Times {
    /// Operations with their ratios; those that criterion was told to leave out are missing.
    ratios: Vec<(&'static str, f64)>,
    drift: f64,
}

/// Takes times and compares them.
pub(crate) fn check(bench: &Bench, numbers: &Numbers) -> Result<(), String> {
    let times = take(bench, Criterion::default().configure_from_args())?;
    let mut faults = Vec::new();
    println!("{:<28} {:>9} {:>10} {:>8}", bench.name, "ratio", "committed", "at most");
    for (name, ratio) in &times.ratios {
        let committed = numbers.0.get(*name).and_then(|number| number.ratio);
        let most = bench.operations.iter().find(|operation| operation.name == *name).and_then(|found| found.ratio_max);
        let shown = |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.2}"));
        println!("{name:<28} {ratio:>9.2} {:>10} {:>8}", shown(committed), shown(most));
        if most.is_some_and(|most| *ratio > most) {
            faults.push(format!("{name} takes {ratio:.2} times as long as the reference; {} is the goal", shown(most)));
        }
        if committed.is_some_and(|committed| *ratio > committed * WORSE_MAX) {
            faults.push(format!("{name} takes {ratio:.2} times as long as the reference; it was {}", shown(committed)));
        }
    }
    if times.drift > DRIFT_MAX {
        println!(
            "The reference itself changed by the factor {:.2} during the run: the machine was not quiet.",
            times.drift
        );
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// Takes times and keeps them.
pub(crate) fn accept(bench: &Bench, mut numbers: Numbers, file: &Path) -> Result<(), String> {
    let times = take(bench, Criterion::default())?;
    if times.drift > DRIFT_MAX {
        let drift = times.drift;
        return Err(format!("the reference itself changed by the factor {drift:.2}: the machine is not quiet enough"));
    }
    for (name, ratio) in times.ratios {
        let Number { ratio: kept, .. } = numbers.entry(name);
        *kept = Some((ratio * 100.0).round() / 100.0);
    }
    let names: Vec<_> = bench.operations.iter().map(|operation| operation.name).collect();
    numbers.write(file, &names)
}

fn take(bench: &Bench, criterion: Criterion) -> Result<Times, String> {
    let folder = folder(bench.name)?;
    let mut criterion = criterion
        .output_directory(&folder)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    let mut measure = |name: &str, operation: &Operation| {
        let result = folder.join(name).join("new/estimates.json");
        // What an earlier run left must not pass for a result of this one.
        let _ = std::fs::remove_file(&result);
        let mut prepared = None;
        criterion.bench_function(name, |bencher| {
            let operation = prepared.get_or_insert_with(|| operation.prepared());
            bencher.iter(operation);
        });
        median(&result)
    };
    let before = measure(bench.reference.name, &bench.reference)?;
    let mut medians = Vec::new();
    for operation in &bench.operations {
        if let Some(median) = measure(operation.name, operation)? {
            medians.push((operation.name, median));
        }
    }
    let after = measure(AGAIN, &bench.reference)?;
    // With a filter that leaves the reference out there is nothing to compare with.
    let (Some(before), Some(after)) = (before, after) else { return Ok(Times { ratios: Vec::new(), drift: 1.0 }) };
    let reference = f64::midpoint(before, after);
    let ratios = medians.into_iter().map(|(name, median)| (name, median / reference)).collect();
    Ok(Times { ratios, drift: before.max(after) / before.min(after) })
}

/// `criterion/NAME` under cargo's target folder; this program is in `PROFILE/deps`.
fn folder(name: &str) -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let target = program.ancestors().nth(3).ok_or("this program is not in a target folder")?;
    Ok(target.join("criterion").join(name))
}

/// What criterion wrote of one operation; none when it was not run.
fn median(file: &Path) -> Result<Option<f64>, String> {
    #[derive(Deserialize)]
    struct Estimates {
        median: Estimate,
    }
    #[derive(Deserialize)]
    struct Estimate {
        point_estimate: f64,
    }
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(None) };
    let estimates: Estimates = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Some(estimates.median.point_estimate))
}
