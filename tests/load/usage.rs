//! What a process uses, as Linux tells it.

use std::fs;

/// Clock ticks of `/proc` in a second: fixed at 100 for user space on every Linux platform that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time used so far, in seconds; 0 when the process is gone.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// Memory in use now and at most so far, in MB; 0 when the process is gone.
pub(crate) fn memory_mb(pid: u32) -> (f64, f64) {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return (0.0, 0.0) };
    let kb = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (kb("VmRSS:") / 1024.0, kb("VmHWM:") / 1024.0)
}
