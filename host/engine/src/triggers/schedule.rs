//! Schedule triggers: when they fire.
//!
//! All of it is reckoned in local time and turned into an instant at the end. A local time that a clock change skips
//! fires at the first moment after the gap, together with whatever else falls there; one that comes twice fires the
//! first time only. That holds for cron expressions too, also for those that fire every few minutes.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Weekday};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use domain::{DayOfWeek, Fault, Schedule, ScheduleType, Time};

use crate::{
    duration::{instant, point_in_time},
    limits::{AUDIENCE_PHONES, AUDIENCE_TAGS, CRON_CHARS},
};

/// Most days looked ahead for a day that fits: two long months and what a time zone may be off.
const DAYS_AHEAD: u64 = 66;
/// Most local times of a cron expression that are tried: all seconds of the longest hour that comes twice, and then some.
const CRON_TRIES: usize = 20_000;
/// Where a cron expression is looked at to see whether it ever fires: a leap year and all of what follows.
const CRON_SINCE: (i32, u32, u32) = (2024, 1, 1);

/// When a schedule fires, ready to be asked.
#[derive(Debug)]
struct Timetable {
    zone: Tz,
    recurrence: Recurrence,
}

#[derive(Debug)]
enum Recurrence {
    Once(Time),
    Days(Day, NaiveTime),
    Cron(Box<Cron>),
}

#[derive(Debug, Clone, Copy)]
enum Day {
    Any,
    OfWeek(Weekday),
    OfMonth(u32),
}

/// When a schedule fires next after a moment; none when it does not, or is not sound.
pub fn next_fire(schedule: &Schedule, after: Time) -> Option<Time> {
    read(schedule, &mut Vec::new())?.next(after)
}

/// The next fires of a schedule after a moment, at most so many.
pub fn next_fires(schedule: &Schedule, after: Time, count: usize) -> Vec<Time> {
    let Some(timetable) = read(schedule, &mut Vec::new()) else { return Vec::new() };
    std::iter::successors(timetable.next(after), |last| timetable.next(*last)).take(count).collect()
}

/// A moment as a clock in the schedule's time zone shows it (RFC 3339).
pub fn local_time(schedule: &Schedule, at: Time) -> String {
    let zone: Tz = schedule.schedule_timezone.parse().unwrap_or(Tz::UTC);
    at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Every fault of a schedule.
pub fn check(schedule: &Schedule) -> Vec<Fault> {
    let mut faults = Vec::new();
    read(schedule, &mut faults);
    let named = [!schedule.contact_phones.is_empty(), !schedule.tags.is_empty(), schedule.all];
    if named.into_iter().filter(|named| *named).count() > 1 {
        faults.push(Fault::new("/all", "give one of contact_phones, tags and all"));
    }
    if schedule.contact_phones.len() > AUDIENCE_PHONES {
        let detail = format!("must have at most {AUDIENCE_PHONES} items; tag the contacts and give the tag");
        faults.push(Fault::new("/contact_phones", detail));
    }
    if schedule.tags.len() > AUDIENCE_TAGS {
        faults.push(Fault::new("/tags", format!("must have at most {AUDIENCE_TAGS} items")));
    }
    faults
}

impl Timetable {
    fn next(&self, after: Time) -> Option<Time> {
        match &self.recurrence {
            Recurrence::Once(at) => (*at > after).then_some(*at),
            Recurrence::Days(day, time) => {
                let today = after.with_timezone(&self.zone).date_naive();
                let first = today.checked_sub_days(Days::new(1))?;
                (0..DAYS_AHEAD)
                    .filter_map(|ahead| first.checked_add_days(Days::new(ahead)))
                    .filter(|date| day.is(*date))
                    .filter_map(|date| instant(self.zone, date.and_time(*time)))
                    .find(|at| *at > after)
            }
            Recurrence::Cron(cron) => {
                let mut local = after.with_timezone(&self.zone).naive_local();
                for _ in 0..CRON_TRIES {
                    local = cron.find_next_occurrence(&local, false).ok()?;
                    match instant(self.zone, local) {
                        Some(at) if at > after => return Some(at),
                        _ => {}
                    }
                }
                None
            }
        }
    }
}

impl Day {
    fn is(self, date: NaiveDate) -> bool {
        match self {
            Self::Any => true,
            Self::OfWeek(day) => date.weekday() == day,
            Self::OfMonth(day) => date.day() == day.min(u32::from(date.num_days_in_month())),
        }
    }
}

fn read(schedule: &Schedule, faults: &mut Vec<Fault>) -> Option<Timetable> {
    let zone = schedule.schedule_timezone.parse::<Tz>().ok();
    if zone.is_none() {
        faults.push(Fault::new("/schedule_timezone", "must be an IANA time zone such as Europe/Berlin"));
    }
    let recurrence = match schedule.schedule_type {
        ScheduleType::Once => once(schedule, faults).map(Recurrence::Once),
        ScheduleType::Daily => time(schedule, faults).map(|time| Recurrence::Days(Day::Any, time)),
        ScheduleType::Weekly => {
            let day = day_of_week(schedule, faults).map(Day::OfWeek);
            time(schedule, faults).and_then(|time| Some(Recurrence::Days(day?, time)))
        }
        ScheduleType::Monthly => {
            let day = day_of_month(schedule, faults).map(Day::OfMonth);
            time(schedule, faults).and_then(|time| Some(Recurrence::Days(day?, time)))
        }
        ScheduleType::Cron => cron(schedule, faults).map(|cron| Recurrence::Cron(Box::new(cron))),
    };
    Some(Timetable { zone: zone?, recurrence: recurrence? })
}

fn required<'s, T: ?Sized>(
    value: Option<&'s T>,
    pointer: &str,
    schedule_type: &str,
    faults: &mut Vec<Fault>,
) -> Option<&'s T> {
    if value.is_none() {
        faults.push(Fault::new(pointer, format!("is missing: a {schedule_type} schedule needs it")));
    }
    value
}

fn once(schedule: &Schedule, faults: &mut Vec<Fault>) -> Option<Time> {
    let zone = &schedule.schedule_timezone;
    if let Some(text) = schedule.schedule_datetime.as_deref() {
        let at = point_in_time(text, zone);
        if at.is_none() {
            let detail = "must be a time such as 2026-01-31T09:00, or with an offset 2026-01-31T09:00:00+01:00";
            faults.push(Fault::new("/schedule_datetime", detail));
        }
        return at;
    }
    let date = required(schedule.schedule_date.as_deref(), "/schedule_datetime", "single", faults)?;
    let date = NaiveDate::parse_from_str(date.trim(), "%Y-%m-%d").ok();
    if date.is_none() {
        faults.push(Fault::new("/schedule_date", "must be a date such as 2026-01-31"));
    }
    let time = match schedule.schedule_time {
        Some(_) => time(schedule, faults)?,
        None => NaiveTime::MIN,
    };
    instant(zone.parse().ok()?, date?.and_time(time))
}

fn time(schedule: &Schedule, faults: &mut Vec<Fault>) -> Option<NaiveTime> {
    let text = required(schedule.schedule_time.as_deref(), "/schedule_time", "recurring", faults)?.trim();
    let time = ["%H:%M", "%H:%M:%S"].iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok());
    // The sixtieth second is read as a leap second, which no clock here shows.
    let time = time.filter(|_| !text.ends_with(":60"));
    if time.is_none() {
        faults.push(Fault::new("/schedule_time", "must be a time of day such as 09:00 or 09:00:30"));
    }
    time
}

fn day_of_week(schedule: &Schedule, faults: &mut Vec<Fault>) -> Option<Weekday> {
    let day = required(schedule.schedule_day_of_week.as_ref(), "/schedule_day_of_week", "weekly", faults)?;
    let day = match day {
        DayOfWeek::Number(0 | 7) => Some(Weekday::Sun),
        DayOfWeek::Number(number) => u8::try_from(number - 1).ok().and_then(|number| Weekday::try_from(number).ok()),
        DayOfWeek::Name(name) => match name.trim().parse() {
            // Web forms send numbers as texts.
            Err(_) => match name.trim().parse::<u8>() {
                Ok(0) => Some(Weekday::Sun),
                Ok(number) => Weekday::try_from(number.wrapping_sub(1)).ok(),
                Err(_) => None,
            },
            Ok(day) => Some(day),
        },
    };
    if day.is_none() {
        let detail = "must be a day such as monday, or a number: 1 is Monday, 6 Saturday, 7 or 0 Sunday";
        faults.push(Fault::new("/schedule_day_of_week", detail));
    }
    day
}

fn day_of_month(schedule: &Schedule, faults: &mut Vec<Fault>) -> Option<u32> {
    let day = required(schedule.schedule_day_of_month.as_ref(), "/schedule_day_of_month", "monthly", faults)?;
    let day = u32::try_from(*day).ok().filter(|day| (1..=31).contains(day));
    if day.is_none() {
        faults.push(Fault::new("/schedule_day_of_month", "must be between 1 and 31"));
    }
    day
}

fn cron(schedule: &Schedule, faults: &mut Vec<Fault>) -> Option<Cron> {
    let text = required(schedule.cron_expression.as_deref(), "/cron_expression", "cron", faults)?;
    let parsed = if text.chars().nth(CRON_CHARS).is_some() {
        Err(format!("must have at most {CRON_CHARS} characters"))
    } else {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        parser.parse(text).map_err(|error| format!("is no cron expression: {error}"))
    };
    let parsed = parsed.and_then(|cron| match since().and_then(|since| cron.find_next_occurrence(&since, true).ok()) {
        Some(_) => Ok(cron),
        None => Err("never fires: there is no such day".to_owned()),
    });
    parsed.map_err(|detail| faults.push(Fault::new("/cron_expression", detail))).ok()
}

fn since() -> Option<NaiveDateTime> {
    let (year, month, day) = CRON_SINCE;
    NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0)
}
