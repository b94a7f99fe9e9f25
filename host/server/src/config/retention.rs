//! For how long what grows with time is kept.

use super::reader::Reader;

/// Longest time that can be asked for.
const DAYS_MAX: u32 = 36_500;
/// Fewest days for what repetitions are recognised by: Meta repeats a webhook for up to seven.
const DAYS_MIN_REPEATED: u32 = 8;

/// For how many days what grows with time is kept; `None` is for ever. Statistics are always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionConfig {
    /// Messages, with their reactions and files.
    pub messages_days: Option<u32>,
    /// Executions, from their end; with their step logs.
    pub executions_days: Option<u32>,
    /// Step logs.
    pub steps_days: Option<u32>,
    /// What triggers started and were refused.
    pub trigger_logs_days: Option<u32>,
    /// What webhooks told of accounts.
    pub account_events_days: Option<u32>,
    /// What plugins logged.
    pub plugin_logs_days: Option<u32>,
}

pub(super) fn read(r: &mut Reader<'_>) -> RetentionConfig {
    RetentionConfig {
        messages_days: days(r, "RETENTION_MESSAGES_DAYS", 0, DAYS_MIN_REPEATED),
        // A request that is repeated within a day finds what it made.
        executions_days: days(r, "RETENTION_EXECUTIONS_DAYS", 90, 2),
        steps_days: days(r, "RETENTION_STEPS_DAYS", 30, 1),
        trigger_logs_days: days(r, "RETENTION_TRIGGER_LOGS_DAYS", 30, 1),
        account_events_days: days(r, "RETENTION_ACCOUNT_EVENTS_DAYS", 90, DAYS_MIN_REPEATED),
        plugin_logs_days: days(r, "RETENTION_PLUGIN_LOGS_DAYS", 30, 1),
    }
}

fn days(r: &mut Reader<'_>, name: &str, default: u32, least: u32) -> Option<u32> {
    let days = r.value(name, default, |text| {
        text.parse::<u32>()
            .ok()
            .filter(|days| *days == 0 || (least..=DAYS_MAX).contains(days))
            .ok_or_else(|| format!("must be 0 or a number from {least} to {DAYS_MAX}, not {text:?}"))
    });
    (days > 0).then_some(days)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_repetitions_are_recognised_by_is_kept_longer_than_they_come() {
        let read = |name: &'static str, days: &'static str| Config::from_vars(|n| (n == name).then(|| days.to_owned()));
        assert_eq!(read("RETENTION_MESSAGES_DAYS", "8").unwrap().retention.messages_days, Some(8));
        assert_eq!(read("RETENTION_STEPS_DAYS", "0").unwrap().retention.steps_days, None);
        for (name, days) in [
            ("RETENTION_MESSAGES_DAYS", "7"),
            ("RETENTION_ACCOUNT_EVENTS_DAYS", "1"),
            ("RETENTION_EXECUTIONS_DAYS", "1"),
            ("RETENTION_STEPS_DAYS", "-1"),
            ("RETENTION_TRIGGER_LOGS_DAYS", "36501"),
            ("RETENTION_PLUGIN_LOGS_DAYS", "a week"),
        ] {
            let error = read(name, days).unwrap_err();
            assert!(error.faults().len() == 1 && error.faults()[0].starts_with(name), "{error}");
        }
    }
}
