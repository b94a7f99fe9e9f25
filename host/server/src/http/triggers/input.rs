//! What a client may say of a trigger.

use domain::{BotId, Fault, FlowId, JsonMap, TriggerRule, UserId};
use serde_json::Value;
use storage::{TriggerFields, Tx};
use utoipa::ToSchema;

use super::{
    hook_rules,
    rules::{self, TriggerType},
};
use crate::http::{
    body::Body,
    problem::{Problem, Result},
};

/// Priorities go from minus to plus this.
const PRIORITY_MAX: i64 = 1_000_000;

/// A trigger. In an update, what is absent stays as it is.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct TriggerInput {
    /// Required when creating.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Required when creating; a trigger does not move between bots.
    bot_id: Option<i64>,
    /// Required when creating; a flow of the same bot.
    flow_id: Option<i64>,
    /// `keyword`, `event`, `schedule`, `webhook` or `plugin`. Required when creating.
    trigger_type: Option<String>,
    /// The highest matching one wins, then the lowest id.
    #[schema(default = 0, minimum = -1_000_000, maximum = 1_000_000)]
    priority: Option<i64>,
    #[schema(default = true)]
    is_active: Option<bool>,
    /// Whether a match ends an execution that waits for this contact's reply.
    #[schema(default = false)]
    interrupt: Option<bool>,
    /// Required when creating a keyword trigger.
    keywords: Option<Vec<String>>,
    /// `exact`, `contains`, `starts_with`, `ends_with` or `regex`.
    #[schema(default = "exact")]
    match_type: Option<String>,
    #[schema(default = false)]
    case_sensitive: Option<bool>,
    /// `new_contact`, `message_received`, `opt_in`, `opt_out`, `flow_completed`, `flow_failed`, `message_failed` or `custom.…`.
    /// Required when creating an event trigger.
    event_type: Option<String>,
    /// Fields of the event with what they must be: a value, a list of values, or operators with values.
    #[schema(value_type = Option<Object>)]
    event_conditions: Option<JsonMap>,
    /// `once`, `daily`, `weekly`, `monthly` or `cron`. Required when creating a schedule trigger.
    schedule_type: Option<String>,
    /// Time of day: `09:00` or `09:00:30`.
    schedule_time: Option<String>,
    /// Day of a single fire, `2026-01-31`; with `schedule_time`, else at midnight.
    schedule_date: Option<String>,
    /// Moment of a single fire: local (`2026-01-31T09:00`) or with an offset.
    schedule_datetime: Option<String>,
    /// Day of a weekly fire: `monday`, or 1 to 7, where 7 and 0 are Sunday.
    #[schema(value_type = Option<Object>)]
    schedule_day_of_week: Option<Value>,
    /// Day of a monthly fire, 1 to 31; in shorter months the last one.
    #[schema(minimum = 1, maximum = 31)]
    schedule_day_of_month: Option<i64>,
    /// Five fields, or six with seconds first.
    #[schema(max_length = 200)]
    cron_expression: Option<String>,
    /// IANA time zone.
    #[schema(default = "UTC")]
    schedule_timezone: Option<String>,
    /// Whom a schedule is for: these contacts, made if there are none of them.
    #[schema(max_items = 1000)]
    contact_phones: Option<Vec<String>>,
    /// Whom a schedule is for: the contacts with one of these tags.
    #[schema(max_items = 100)]
    tags: Option<Vec<String>>,
    /// Whom a schedule is for: all contacts of the bot. So it is when nothing is said.
    all: Option<bool>,
    /// Whether fires that came due while no server was there fire late, all of them together once (`catch_up`), or not
    /// at all (`skip`).
    #[schema(default = "catch_up")]
    missed: Option<String>,
    /// Of a webhook trigger: template of the contact's phone or business-scoped user id. Templates see `body`, `headers`,
    /// `query` and `now`. Required when creating one.
    #[schema(max_length = 4000)]
    contact: Option<String>,
    /// Template of the name for a contact that is made.
    #[schema(max_length = 4000)]
    contact_name: Option<String>,
    /// Initial variables of the flow, with templates in their texts.
    #[schema(value_type = Option<Object>)]
    initial_state: Option<JsonMap>,
    /// Template of an id; events that were seen before are passed over.
    #[schema(max_length = 4000)]
    event_id: Option<String>,
    /// Template that is empty, `false`, `0` or `none` for events to pass over.
    #[schema(max_length = 4000)]
    condition: Option<String>,
    /// JSON pointer to a list in the body, each of whose items is an event.
    #[schema(max_length = 4000)]
    items: Option<String>,
    /// How requests are signed (HMAC-SHA256): `header`, `prefix?`, `encoding?` (`hex` or `base64`), and for a signature of
    /// `<time>.<body>` also `timestamp_header` and `tolerance_seconds`.
    #[schema(value_type = Option<Object>)]
    signature: Option<JsonMap>,
    /// What requests are signed with. Can be written and never read.
    #[schema(min_length = 8, max_length = 500)]
    signature_secret: Option<String>,
    /// Of a plugin's trigger: the plugin's name. Required when creating one.
    #[schema(max_length = 100)]
    plugin: Option<String>,
    /// Trigger type within the plugin. Required when creating one.
    #[schema(max_length = 100)]
    r#type: Option<String>,
    /// Settings, as the plugin's schema wants them.
    #[schema(value_type = Option<Object>)]
    config: Option<JsonMap>,
    /// Of a matcher: `message` (so it is when nothing is said), `new_contact`, `opt_in`, `opt_out`, `custom.…`.
    #[schema(max_items = 50)]
    listens_to: Option<Vec<String>>,
    /// Of a poller: seconds between two looks.
    #[schema(minimum = 1, maximum = 2592000)]
    interval_seconds: Option<i64>,
}

/// A trigger that is not there yet.
pub(super) fn blank() -> TriggerFields {
    TriggerFields {
        flow_id: FlowId(0),
        name: String::new(),
        priority: 0,
        is_active: true,
        interrupt: false,
        rule: rules::blank(TriggerType::Keyword),
    }
}

/// Reads a trigger over `fields`, which is [`blank`] or what is there.
pub(super) fn read(body: &mut Body, fields: &mut TriggerFields, is_new: bool) {
    body.text("name").one_line().min(1).max(200).set(&mut fields.name, is_new);
    body.id("flow_id").set(&mut fields.flow_id, is_new);
    body.integer("priority").within(-PRIORITY_MAX, PRIORITY_MAX).set(&mut fields.priority, false);
    body.boolean("is_active").set(&mut fields.is_active, false);
    body.boolean("interrupt").set(&mut fields.interrupt, false);
    let before = fields.rule.kind();
    let Some(wanted) = read_type(body, before, is_new) else { return };
    let changes = is_new || wanted.as_str() != before;
    if changes {
        fields.rule = rules::blank(wanted);
    }
    match &mut fields.rule {
        TriggerRule::Keyword { keywords, match_type, case_sensitive } => {
            rules::keyword(body, keywords, match_type, case_sensitive, changes);
        }
        TriggerRule::Event { event_type, event_conditions } => {
            rules::event(body, event_type, event_conditions, changes);
        }
        TriggerRule::Schedule(schedule) => rules::schedule(body, schedule, changes),
        TriggerRule::Webhook(rule) => hook_rules::webhook(body, rule, changes),
        TriggerRule::Plugin(rule) => hook_rules::plugin(body, rule, changes),
    }
    if body.is_sound() {
        body.faults(engine::triggers::check(&fields.rule));
    }
}

/// Which type it is; without a word an update keeps it.
fn read_type(body: &mut Body, before: &str, is_new: bool) -> Option<TriggerType> {
    let known = body.text("trigger_type").and_then(|word| {
        if let Some(known) = TriggerType::parse(&word) {
            return Ok(known);
        }
        Err(format!("must be one of {}", TriggerType::words()))
    });
    if known.is_absent() && !is_new { TriggerType::parse(before) } else { known.needed() }
}

/// Refuses a schedule that would never fire, which only the clock shows.
pub(super) fn check_future(rule: &TriggerRule, now: domain::Time) -> Result<()> {
    match rule {
        TriggerRule::Schedule(schedule) if engine::triggers::schedule::next_fire(schedule, now).is_none() => {
            let field = if schedule.schedule_datetime.is_some() { "/schedule_datetime" } else { "/schedule_date" };
            Err(Problem::invalid(vec![Fault::new(field, "has passed: it would never fire")]))
        }
        _ => Ok(()),
    }
}

/// A trigger does not move between bots.
pub(super) fn stays_in(body: &mut Body, bot: BotId) {
    let same = |id: &BotId| if *id == bot { Ok(()) } else { Err("a trigger does not move to another bot".into()) };
    let _ = body.id::<BotId>("bot_id").check(same).optional();
}

/// Refuses a flow that is not the owner's (404) or of another of the owner's bots (422).
pub(super) async fn check_flow(tx: &mut Tx, owner: UserId, bot: BotId, flow: FlowId) -> Result<()> {
    let flow = tx.flow(owner, flow).await?.ok_or_else(|| Problem::not_found("flow"))?;
    if flow.bot_id == bot {
        return Ok(());
    }
    Err(Problem::invalid(vec![Fault::new("/flow_id", "must be a flow of the same bot")]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::{Body, assert_described};

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<TriggerInput>(|body| {
            stays_in(body, BotId(1));
            let mut fields = blank();
            read(body, &mut fields, false);
            hook_rules::secret(body);
            for other in [TriggerType::Event, TriggerType::Schedule, TriggerType::Webhook, TriggerType::Plugin] {
                fields.rule = rules::blank(other);
                read(body, &mut fields, false);
            }
        });
    }

    #[test]
    fn a_type_that_is_none_is_refused_with_those_there_are() {
        let mut body = Body::new(serde_json::json!({"name": "n", "flow_id": 1, "trigger_type": "nonsense"}));
        read(&mut body, &mut blank(), true);
        let faults = body.into_faults();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].pointer, "/trigger_type");
        assert_eq!(faults[0].detail, "must be one of keyword, event, schedule, webhook, plugin");
    }
}
