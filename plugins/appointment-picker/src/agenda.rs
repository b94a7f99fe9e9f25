//! Which appointments there are, and which are free.

use std::{collections::BTreeMap, time::Duration};

use chatboost_sdk::{
    prelude::*,
    time::{Date, LocalTime, TimeOfDay, WEEK},
};

use crate::Pick;

/// How long a day's bookings are kept after it may be booked for the last time.
const KEPT_SECONDS: u64 = 100 * 24 * 3600;

/// A day of the week.
#[config]
#[derive(Copy, PartialEq)]
pub(crate) enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Day {
    /// Monday to Friday.
    pub(crate) const WEEKDAYS: [Self; 5] = [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday];
}

/// An appointment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slot {
    pub(crate) date: Date,
    pub(crate) time: TimeOfDay,
}

/// Bookings of a day: how many by time.
type Bookings = BTreeMap<String, u32>;

/// All appointments that can be picked now.
pub(crate) struct Agenda {
    times: Vec<TimeOfDay>,
    days: Vec<Date>,
    now: LocalTime,
    places: u32,
    calendar: String,
}

impl Agenda {
    /// Reads the configuration.
    pub(crate) fn read(pick: &Pick, now: LocalTime) -> Result<Self> {
        let mut times = vec![];
        for (index, text) in pick.times.iter().enumerate() {
            let fault = || Fault::config(format!("/times/{index}"), format!("{text} is no time like 09:00"));
            times.push(TimeOfDay::parse(text).filter(|time| *time != TimeOfDay::MIDNIGHT).ok_or_else(fault)?);
        }
        times.sort();
        times.dedup();
        let mut closed = vec![];
        for (index, text) in pick.closed_on.iter().enumerate() {
            let fault = || Fault::config(format!("/closed_on/{index}"), format!("{text} is no day like 2026-12-25"));
            closed.push(Date::parse(text).ok_or_else(fault)?);
        }
        let opens =
            |date: &Date| !closed.contains(date) && pick.days.iter().any(|day| WEEK[*day as usize] == date.weekday());
        let days = (0..i64::from(pick.days_ahead)).map(|days| now.date.plus(days)).filter(opens).collect();
        Ok(Self { times, days, now, places: pick.places, calendar: pick.calendar.clone() })
    }

    /// Days that have a free time.
    pub(crate) fn free_days(&self) -> Result<Vec<Date>> {
        let mut free = vec![];
        for date in &self.days {
            if !self.free_times(*date)?.is_empty() {
                free.push(*date);
            }
        }
        Ok(free)
    }

    /// Free times of a day that are still to come.
    pub(crate) fn free_times(&self, date: Date) -> Result<Vec<TimeOfDay>> {
        if !self.days.contains(&date) {
            return Ok(vec![]);
        }
        let bookings: Bookings = kv::bot().get(&self.key(date))?.unwrap_or_default();
        let booked = |time: &TimeOfDay| bookings.get(&time.to_string()).copied().unwrap_or(0);
        let free = |time: &&TimeOfDay| self.is_to_come(date, **time) && booked(time) < self.places;
        Ok(self.times.iter().filter(free).copied().collect())
    }

    /// Takes an appointment, unless somebody else was faster.
    pub(crate) fn book(&self, slot: Slot) -> Result<bool> {
        let offered = self.days.contains(&slot.date) && self.times.contains(&slot.time);
        if !offered || !self.is_to_come(slot.date, slot.time) {
            return Ok(false);
        }
        let key = self.key(slot.date);
        let entry = kv::bot().entry::<Bookings>(&key)?;
        let version = entry.as_ref().map(|entry| entry.version);
        let mut bookings = entry.map(|entry| entry.value).unwrap_or_default();
        let booked = bookings.entry(slot.time.to_string()).or_default();
        if *booked >= self.places {
            return Ok(false);
        }
        *booked += 1;
        Ok(kv::bot().compare_and_set_for(&key, version, &bookings, Duration::from_secs(KEPT_SECONDS))?)
    }

    fn is_to_come(&self, date: Date, time: TimeOfDay) -> bool {
        LocalTime { date, time } > self.now
    }

    fn key(&self, date: Date) -> String {
        format!("{}:{date}", self.calendar)
    }
}
