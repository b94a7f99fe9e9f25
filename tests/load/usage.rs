//! What a process uses, as Linux tells it.

use std::fs;

/// Clock ticks of `/proc` in a second: fixed at 100 for user space on every Linux platform that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time that they have used so far, in seconds; 0 for those that are gone.
pub(crate) fn cpu_seconds(pids: &[u32]) -> f64 {
    pids.iter().map(|pid| cpu_seconds_of(*pid)).sum()
}

/// Memory in use now and at most so far, in MB, summed up; 0 for those that are gone.
pub(crate) fn memory_mb(pids: &[u32]) -> (f64, f64) {
    pids.iter().map(|pid| memory_mb_of(*pid)).fold((0.0, 0.0), |(now, peak), (n, p)| (now + n, peak + p))
}

fn cpu_seconds_of(pid: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

fn memory_mb_of(pid: u32) -> (f64, f64) {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return (0.0, 0.0) };
    let kb = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (kb("VmRSS:") / 1024.0, kb("VmHWM:") / 1024.0)
}
