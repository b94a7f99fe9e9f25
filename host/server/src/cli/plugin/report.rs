//! An upload report in lines for people.

use plugin_host::{Report, Severity, UploadFinding};

/// Prints what was found out about a plugin.
pub(super) fn show(name: &str, version: &str, report: &Report) {
    println!("{name} {version}: {} kB, contract {}", report.bytes.div_ceil(1000), report.contract);
    println!("  digest       {}", report.digest);
    println!("  imports      {}", listed(&report.imports));
    println!("  exports      {}", listed(&report.exports));
    println!("  compiled     in {} ms to {} kB", report.compile_ms, report.code_bytes.div_ceil(1000));
    println!("  instantiated in {} us", report.instantiate_us);
    for example in &report.examples {
        let cost = match example.cost.instructions {
            Some(instructions) => format!("{instructions} instructions"),
            None => format!("{} us", example.cost.cpu_us),
        };
        let memory = example.cost.peak_memory_bytes.div_ceil(1024);
        println!("  example      {} \"{}\": {}, {cost}, {memory} KiB", example.of, example.name, example.result);
    }
    if !report.is_deterministic {
        println!("  note         an example gave two different results, one after the other");
    }
    for change in &report.changes {
        println!("  change       {}", change.message);
    }
    show_findings(&report.findings);
}

/// Prints findings, the worst first.
pub(super) fn show_findings(findings: &[UploadFinding]) {
    let (refusals, warnings): (Vec<_>, Vec<_>) = findings.iter().partition(|f| f.severity == Severity::Refusal);
    for (word, findings) in [("refused", refusals), ("warning", warnings)] {
        for finding in findings {
            let at = finding.at.as_deref().map(|at| format!("{at}: ")).unwrap_or_default();
            println!("  {word:12} {at}{} ({})", finding.message, finding.code);
            if let Some(detail) = &finding.detail {
                println!("               {}", detail.replace('\n', "\n               "));
            }
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
