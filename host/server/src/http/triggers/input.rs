//! What a client may say of a trigger.

use domain::{BotId, FlowId, MatchType, TriggerRule, UserId};
use storage::{TriggerFields, Tx};
use utoipa::ToSchema;

use super::MATCH_TYPES;
use crate::http::{
    body::Body,
    problem::{Problem, Result},
};

/// Priorities go from minus to plus this.
const PRIORITY_MAX: i64 = 1_000_000;
/// The types of triggers there are. An arm of `read` belongs to each.
const TRIGGER_TYPES: &[(&str, TriggerType)] = &[("keyword", TriggerType::Keyword)];
/// Types that the API knows and this server does not have yet.
const TYPES_TO_COME: &[&str] = &["event", "schedule", "webhook", "plugin"];

#[derive(Debug, Clone, Copy)]
enum TriggerType {
    Keyword,
}

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
    /// `keyword`. Required when creating.
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
}

/// A trigger that is not there yet.
pub(super) fn blank() -> TriggerFields {
    TriggerFields {
        flow_id: FlowId(0),
        name: String::new(),
        priority: 0,
        is_active: true,
        interrupt: false,
        rule: TriggerRule::Keyword { keywords: Vec::new(), match_type: MatchType::Exact, case_sensitive: false },
    }
}

/// Reads a trigger over `fields`, which is [`blank`] or what is there.
pub(super) fn read(body: &mut Body, fields: &mut TriggerFields, is_new: bool) {
    body.text("name").one_line().min(1).max(200).set(&mut fields.name, is_new);
    body.id("flow_id").set(&mut fields.flow_id, is_new);
    body.integer("priority").within(-PRIORITY_MAX, PRIORITY_MAX).set(&mut fields.priority, false);
    body.boolean("is_active").set(&mut fields.is_active, false);
    body.boolean("interrupt").set(&mut fields.interrupt, false);
    let Some(TriggerType::Keyword) = read_type(body, is_new) else { return };
    let TriggerRule::Keyword { keywords, match_type, case_sensitive } = &mut fields.rule;
    body.texts("keywords", engine::KEYWORDS_PER_TRIGGER, engine::KEYWORD_CHARS).set(keywords, is_new);
    body.choice("match_type", MATCH_TYPES).set(match_type, false);
    body.boolean("case_sensitive").set(case_sensitive, false);
    if body.is_sound() {
        body.faults(engine::triggers::check(&fields.rule));
    }
}

/// Which type it is; without a word an update keeps it.
fn read_type(body: &mut Body, is_new: bool) -> Option<TriggerType> {
    let known = body.text("trigger_type").and_then(|word| {
        if let Some((_, known)) = TRIGGER_TYPES.iter().find(|(known, _)| *known == word) {
            return Ok(*known);
        }
        let types: Vec<_> = TRIGGER_TYPES.iter().map(|(word, _)| *word).collect();
        let types = types.join(", ");
        if TYPES_TO_COME.contains(&word.as_str()) {
            Err(format!("{word} is not available on this server yet; there are: {types}"))
        } else {
            Err(format!("must be one of {types}"))
        }
    });
    if known.is_absent() && !is_new { Some(TriggerType::Keyword) } else { known.needed() }
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
    Err(Problem::invalid(vec![domain::Fault::new("/flow_id", "must be a flow of the same bot")]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::Body;

    #[test]
    fn types_to_come_are_told_from_nonsense() {
        for (word, words) in [("schedule", "not available"), ("nonsense", "must be one of keyword")] {
            let mut body = Body::new(serde_json::json!({"name": "n", "flow_id": 1, "trigger_type": word}));
            read(&mut body, &mut blank(), true);
            let faults = body.into_faults();
            assert_eq!(faults.len(), 1);
            assert!(faults[0].pointer == "/trigger_type" && faults[0].detail.contains(words), "{faults:?}");
        }
    }
}
