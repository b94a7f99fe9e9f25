//! Figures as a table and as JSON.

use std::{fs, path::Path, time::Duration};

use serde::Serialize;

use crate::score::{Latency, Score};

/// What one mode measured. Times in milliseconds.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) seconds: f64,
    pub(crate) written: u64,
    pub(crate) replied: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) out_of_order: u64,
    /// Sends that answer nothing that was written.
    pub(crate) unknown: u64,
    /// Webhooks that were not acknowledged.
    pub(crate) refused: u64,
    pub(crate) replies_per_second: f64,
    pub(crate) reply_p50: f64,
    pub(crate) reply_p99: f64,
    pub(crate) ack_p50: f64,
    pub(crate) ack_p99: f64,
    /// Share of acknowledgements that took longer than a second.
    pub(crate) ack_above_second: f64,
    pub(crate) cpu_ms_per_message: f64,
    pub(crate) memory_mb: f64,
    pub(crate) memory_peak_mb: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_to_ceiling: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statuses_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) campaign_sent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) campaign_wanted: Option<u64>,
    /// Timers that fired before their time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) early: Option<u64>,
    /// CPU time per message, compared with the same on an empty database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_to_empty: Option<f64>,
    /// How long the server took to be ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_seconds: Option<f64>,
    /// How much of one processor it used while nothing happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle_cpu_percent: Option<f64>,
    #[serde(skip)]
    pub(crate) trace: Vec<(Duration, Duration)>,
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "figures for people, a few digits each")]
    pub(crate) fn new(
        name: &str,
        score: &Score,
        seconds: f64,
        cpu_seconds: f64,
        memory_mb: f64,
        memory_peak_mb: f64,
    ) -> Self {
        let mut figures = Self {
            name: name.to_owned(),
            seconds,
            written: score.written,
            replied: score.replied,
            lost: score.written.saturating_sub(score.replied),
            doubled: score.doubled,
            out_of_order: score.disordered,
            unknown: score.unknown,
            refused: score.refused,
            replies_per_second: score.replied as f64 / seconds,
            ack_p50: score.acks.ms(50.0),
            ack_p99: score.acks.ms(99.0),
            ack_above_second: score.acks.share_above(Duration::from_secs(1)),
            cpu_ms_per_message: cpu_seconds * 1000.0 / score.written.max(1) as f64,
            memory_mb,
            memory_peak_mb,
            trace: score.trace.clone(),
            ..Self::default()
        };
        figures.set_replies(&score.replies);
        figures
    }

    /// Counts what was to be done by itself, instead of messages that were written.
    #[expect(clippy::cast_precision_loss, reason = "figures for people, a few digits each")]
    pub(crate) fn set_work(&mut self, wanted: u64, done: u64) {
        let cpu_ms = self.cpu_ms_per_message * self.written.max(1) as f64;
        (self.written, self.replied, self.lost) = (wanted, done, wanted.saturating_sub(done));
        self.cpu_ms_per_message = cpu_ms / wanted.max(1) as f64;
        self.replies_per_second = done as f64 / self.seconds;
    }

    /// Takes reply times from elsewhere.
    pub(crate) fn set_replies(&mut self, replies: &Latency) {
        (self.reply_p50, self.reply_p99) = (replies.ms(50.0), replies.ms(99.0));
    }

    /// Whether every message was answered, once, in order.
    pub(crate) fn is_sound(&self) -> bool {
        let reached = self.campaign_sent.unwrap_or(0) >= self.campaign_wanted.unwrap_or(0);
        self.lost + self.doubled + self.out_of_order + self.refused == 0 && reached && self.early.unwrap_or(0) == 0
    }
}

/// Prints the figures, a column a mode.
pub(crate) fn show(all: &[Figures]) {
    if all.is_empty() {
        return;
    }
    let row = |name: &str, value: &dyn Fn(&Figures) -> String| {
        let cells: String = all.iter().map(|figures| format!("{:>16}", value(figures))).collect();
        println!("{name:26}{cells}");
    };
    row("", &|f| f.name.clone());
    row("replies/s", &|f| format!("{:.0}", f.replies_per_second));
    row("of the ceiling", &|f| f.ratio_to_ceiling.map_or(String::new(), |ratio| format!("{ratio:.2}")));
    row("reply p50 / p99, ms", &|f| format!("{:.1} / {:.1}", f.reply_p50, f.reply_p99));
    row("ack p50 / p99, ms", &|f| format!("{:.1} / {:.1}", f.ack_p50, f.ack_p99));
    row("acks above 1 s", &|f| format!("{:.2} %", f.ack_above_second * 100.0));
    row("CPU ms per message", &|f| format!("{:.3}", f.cpu_ms_per_message));
    row("memory now / peak, MB", &|f| format!("{:.0} / {:.0}", f.memory_mb, f.memory_peak_mb));
    row("written / replied", &|f| format!("{} / {}", f.written, f.replied));
    row("lost / doubled", &|f| format!("{} / {}", f.lost, f.doubled));
    row("out of order", &|f| f.out_of_order.to_string());
    row("not acknowledged", &|f| f.refused.to_string());
    if all.iter().any(|f| f.statuses_per_second.is_some()) {
        row("statuses/s", &|f| f.statuses_per_second.map_or(String::new(), |rate| format!("{rate:.0}")));
    }
    if all.iter().any(|f| f.campaign_sent.is_some()) {
        row("campaign sent", &|f| f.campaign_sent.map_or(String::new(), |sent| sent.to_string()));
    }
    if all.iter().any(|f| f.early.is_some()) {
        row("too early", &|f| f.early.map_or(String::new(), |early| early.to_string()));
    }
    if all.iter().any(|f| f.start_seconds.is_some()) {
        row("of an empty database", &|f| f.ratio_to_empty.map_or(String::new(), |ratio| format!("{ratio:.2}")));
        row("ready after, seconds", &|f| f.start_seconds.map_or(String::new(), |seconds| format!("{seconds:.2}")));
        row("idle, % of a processor", &|f| f.idle_cpu_percent.map_or(String::new(), |share| format!("{share:.2}")));
    }
    row("seconds", &|f| format!("{:.1}", f.seconds));
}

/// Writes the figures as JSON.
pub(crate) fn write(path: &Path, all: &[Figures]) -> Result<(), String> {
    let text = serde_json::to_string_pretty(all).map_err(|error| error.to_string())?;
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
