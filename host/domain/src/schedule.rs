//! Schedules: when a trigger fires by the clock, and for whom.

use serde::{Deserialize, Serialize};

/// When a trigger fires, and for whom. As its owner wrote it: what the fields mean together is the engine's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// How it recurs.
    pub schedule_type: ScheduleType,
    /// Time of day, `09:00` or `09:00:30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_time: Option<String>,
    /// Day of a single fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_date: Option<String>,
    /// Moment of a single fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_datetime: Option<String>,
    /// Day of a weekly fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_day_of_week: Option<DayOfWeek>,
    /// Day of a monthly fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_day_of_month: Option<i64>,
    /// Five fields, or six with seconds first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron_expression: Option<String>,
    /// IANA time zone that all of these are told in.
    pub schedule_timezone: String,
    /// The contacts it fires for, by phone number or business-scoped user id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contact_phones: Vec<String>,
    /// It fires for the contacts with one of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// It fires for all contacts of the bot.
    #[serde(default)]
    pub all: bool,
    /// What becomes of fires that nobody was there for.
    #[serde(default)]
    pub missed: Missed,
}

/// How a schedule recurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleType {
    /// At one moment.
    Once,
    /// Every day.
    Daily,
    /// Every week, on a day.
    Weekly,
    /// Every month, on a day.
    Monthly,
    /// By a cron expression.
    Cron,
}

/// A day of the week as people write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DayOfWeek {
    /// 1 is Monday and 7 Sunday; so is 0, as in cron.
    Number(i64),
    /// Its English name, or the first three letters of it.
    Name(String),
}

/// What becomes of fires that came due while no server was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They fire late, all of them together once.
    #[default]
    CatchUp,
    /// They do not fire.
    Skip,
}

impl Schedule {
    /// A schedule that says nothing yet.
    pub fn blank() -> Self {
        Self {
            schedule_type: ScheduleType::Daily,
            schedule_time: None,
            schedule_date: None,
            schedule_datetime: None,
            schedule_day_of_week: None,
            schedule_day_of_month: None,
            cron_expression: None,
            schedule_timezone: "UTC".to_owned(),
            contact_phones: Vec::new(),
            tags: Vec::new(),
            all: false,
            missed: Missed::CatchUp,
        }
    }
}
