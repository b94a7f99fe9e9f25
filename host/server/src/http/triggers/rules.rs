//! What a client may say of a trigger's rule, one function a type.

use domain::{
    Address, DayOfWeek, EventType, JsonMap, MatchType, Missed, Schedule, ScheduleType, TriggerRule, WebhookRule,
};
use engine::{AUDIENCE_PHONES, AUDIENCE_TAGS, CRON_CHARS, KEYWORD_CHARS, KEYWORDS_PER_TRIGGER};
use serde_json::Value;

use super::{MATCH_TYPES, hook_rules};
use crate::http::body::Body;

/// Most characters of a phone number, a tag, a date or a time, as written.
const WORD_CHARS: usize = 150;
const SCHEDULE_TYPES: &[(&str, ScheduleType)] = &[
    ("once", ScheduleType::Once),
    ("daily", ScheduleType::Daily),
    ("weekly", ScheduleType::Weekly),
    ("monthly", ScheduleType::Monthly),
    ("cron", ScheduleType::Cron),
];
const MISSED: &[(&str, Missed)] = &[("catch_up", Missed::CatchUp), ("skip", Missed::Skip)];

/// The types of triggers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TriggerType {
    Keyword,
    Event,
    Schedule,
    Webhook,
    Plugin,
}

const TRIGGER_TYPES: &[(&str, TriggerType)] = &[
    ("keyword", TriggerType::Keyword),
    ("event", TriggerType::Event),
    ("schedule", TriggerType::Schedule),
    ("webhook", TriggerType::Webhook),
    ("plugin", TriggerType::Plugin),
];

impl TriggerType {
    /// Reads the word of `trigger_type`.
    pub(super) fn parse(word: &str) -> Option<Self> {
        TRIGGER_TYPES.iter().find(|(known, _)| *known == word).map(|(_, known)| *known)
    }

    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        TRIGGER_TYPES.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }

    /// All words, for people.
    pub(super) fn words() -> String {
        TRIGGER_TYPES.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
    }
}

/// A rule that says nothing yet.
pub(super) fn blank(trigger_type: TriggerType) -> TriggerRule {
    match trigger_type {
        TriggerType::Keyword => {
            TriggerRule::Keyword { keywords: Vec::new(), match_type: MatchType::Exact, case_sensitive: false }
        }
        TriggerType::Event => {
            TriggerRule::Event { event_type: EventType::MessageReceived, event_conditions: JsonMap::new() }
        }
        TriggerType::Schedule => TriggerRule::Schedule(Schedule::blank()),
        TriggerType::Webhook => TriggerRule::Webhook(WebhookRule::default()),
        TriggerType::Plugin => TriggerRule::Plugin(hook_rules::blank_plugin()),
    }
}

/// Reads what a keyword trigger has.
pub(super) fn keyword(
    body: &mut Body,
    keywords: &mut Vec<String>,
    match_type: &mut MatchType,
    case_sensitive: &mut bool,
    is_new: bool,
) {
    body.texts("keywords", KEYWORDS_PER_TRIGGER, KEYWORD_CHARS).set(keywords, is_new);
    body.choice("match_type", MATCH_TYPES).set(match_type, false);
    body.boolean("case_sensitive").set(case_sensitive, false);
}

/// Reads what an event trigger has.
pub(super) fn event(body: &mut Body, event_type: &mut EventType, event_conditions: &mut JsonMap, is_new: bool) {
    body.text("event_type").and_then(|word| event_type_of(&word)).set(event_type, is_new);
    if let Some(conditions) = body.object("event_conditions").patch() {
        *event_conditions = conditions.unwrap_or_default();
    }
}

fn event_type_of(word: &str) -> Result<EventType, String> {
    EventType::parse(word).ok_or_else(|| {
        "must be one of new_contact, message_received, opt_in, opt_out, flow_completed, flow_failed, message_failed and custom.… (a snake-case word)".into()
    })
}

/// Reads what a schedule trigger has.
pub(super) fn schedule(body: &mut Body, schedule: &mut Schedule, is_new: bool) {
    timetable(body, schedule, is_new);
    audience(body, schedule);
    body.choice("missed", MISSED).set(&mut schedule.missed, false);
}

/// Reads when a schedule fires.
pub(super) fn timetable(body: &mut Body, schedule: &mut Schedule, is_new: bool) {
    body.choice("schedule_type", SCHEDULE_TYPES).set(&mut schedule.schedule_type, is_new);
    body.text("schedule_time").or_empty().max(WORD_CHARS).set_optional(&mut schedule.schedule_time);
    let date = body.text("schedule_date").or_empty().max(WORD_CHARS).patch();
    let datetime = body.text("schedule_datetime").or_empty().max(WORD_CHARS).patch();
    // Whichever of the two is said takes the other's place.
    if date.is_some() || datetime.is_some() {
        schedule.schedule_date = date.flatten();
        schedule.schedule_datetime = datetime.flatten();
    }
    body.any("schedule_day_of_week")
        .and_then(|day| match day {
            Value::Number(number) => number.as_i64().map(DayOfWeek::Number).ok_or_else(|| "must be a day".to_owned()),
            Value::String(name) if name.len() <= WORD_CHARS => Ok(DayOfWeek::Name(name)),
            _ => Err("must be a day such as monday, or a number from 0 to 7".to_owned()),
        })
        .set_optional(&mut schedule.schedule_day_of_week);
    body.integer("schedule_day_of_month").set_optional(&mut schedule.schedule_day_of_month);
    body.text("cron_expression").or_empty().max(CRON_CHARS).set_optional(&mut schedule.cron_expression);
    body.text("schedule_timezone").max(WORD_CHARS).set(&mut schedule.schedule_timezone, false);
}

/// Reads whom a schedule is for. Saying one way takes the place of another that was said before.
fn audience(body: &mut Body, schedule: &mut Schedule) {
    let mut wrong = Vec::new();
    let phones = body.texts("contact_phones", AUDIENCE_PHONES, WORD_CHARS).map(|phones| {
        let mut addresses: Vec<String> = Vec::new();
        for (n, phone) in phones.iter().enumerate() {
            match Address::parse(phone) {
                Ok(address) if !addresses.contains(&address.to_string()) => addresses.push(address.to_string()),
                Ok(_) => {}
                Err(error) if !phone.is_empty() => wrong.push((n, error.to_string())),
                Err(_) => {}
            }
        }
        addresses
    });
    let phones = phones.patch().map(Option::unwrap_or_default);
    for (n, detail) in wrong {
        body.fault(&format!("/contact_phones/{n}"), detail);
    }
    let tags = body.texts("tags", AUDIENCE_TAGS, WORD_CHARS).patch().map(Option::unwrap_or_default);
    let all = body.boolean("all").patch().map(Option::unwrap_or_default);
    if phones.is_some() || tags.is_some() || all.is_some() {
        schedule.contact_phones = phones.unwrap_or_default();
        schedule.tags = tags.unwrap_or_default().iter().map(|tag| tag.trim().to_owned()).collect();
        schedule.all = all.unwrap_or_default();
    }
    if schedule.contact_phones.is_empty() && schedule.tags.is_empty() {
        schedule.all = true;
    }
}
