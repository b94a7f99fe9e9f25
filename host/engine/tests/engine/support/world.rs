//! The things around a flow that cases leave out.

use domain::{
    BotId, BotInfo, Contact, ContactId, Execution, ExecutionId, ExecutionStatus, FlowDefinition, FlowId, FlowInfo,
    InboundMessage, JsonMap, MessageId, NodeDefinition, Time,
};
use engine::{Cause, Flow, Limits, Refusal, Scope, Sprint};
use serde_json::{Value, json};

/// When every case begins.
pub(crate) fn beginning() -> Time {
    "2026-03-02T10:00:00Z".parse().unwrap()
}

/// A flow's definition from a list of nodes.
pub(crate) fn definition(nodes: &[Value]) -> FlowDefinition {
    let node = |(place, node): (usize, &Value)| {
        let mut node = node.clone();
        if node.get("position").is_none() {
            node["position"] = json!(place);
        }
        serde_json::from_value::<NodeDefinition>(node).unwrap()
    };
    FlowDefinition { nodes: nodes.iter().enumerate().map(node).collect(), ..FlowDefinition::default() }
}

/// A message from its short or long form.
pub(crate) fn message(value: &Value) -> InboundMessage {
    let (kind, text) = match value {
        Value::String(text) => ("text", Some(text.clone())),
        _ => (value["type"].as_str().unwrap_or("text"), value["text"].as_str().map(str::to_owned)),
    };
    InboundMessage {
        id: MessageId(41),
        kind: kind.to_owned(),
        text,
        reply_id: value["reply_id"].as_str().map(str::to_owned),
        content: value["content"].clone(),
        context: value.get("context").cloned(),
        referral: value.get("referral").cloned(),
        error: value.get("error").cloned(),
        timestamp: beginning(),
    }
}

/// Everything but the flow and the execution.
pub(crate) struct World {
    /// The bot.
    pub(crate) bot: BotInfo,
    /// The flow's name and version.
    pub(crate) flow: FlowInfo,
    /// The contact.
    pub(crate) contact: Contact,
    /// The limits.
    pub(crate) limits: Limits,
    /// The present.
    pub(crate) now: Time,
    /// Message templates that are for marketing, as `name/language`.
    pub(crate) marketing: Vec<String>,
}

impl World {
    /// An ordinary one.
    pub(crate) fn new() -> Self {
        let contact = Contact {
            id: ContactId(5),
            bot_id: BotId(1),
            phone: Some("491700000001".to_owned()),
            bsuid: None,
            username: None,
            name: None,
            first_name: None,
            last_name: None,
            email: None,
            language: None,
            timezone: None,
            tags: Vec::new(),
            attributes: JsonMap::new(),
            source: "whatsapp".to_owned(),
            opted_in: true,
            opted_in_changed_at: None,
            opted_in_source: None,
            last_inbound_at: None,
            window_closed_at: None,
            created_at: beginning(),
            updated_at: beginning(),
        };
        Self {
            bot: BotInfo {
                id: BotId(1),
                name: "Support".to_owned(),
                timezone: "UTC".to_owned(),
                number_changed_at: None,
                mark_as_read: false,
                typing_indicator: false,
            },
            flow: FlowInfo { id: FlowId(2), name: "Welcome".to_owned(), version: 3 },
            contact,
            limits: Limits::default(),
            now: beginning(),
            marketing: Vec::new(),
        }
    }

    /// An execution about to start.
    pub(crate) fn execution(&self, state: JsonMap, message: Option<InboundMessage>) -> Execution {
        Execution {
            id: ExecutionId(7),
            bot_id: self.bot.id,
            contact_id: self.contact.id,
            flow_id: self.flow.id,
            flow_version: self.flow.version,
            status: ExecutionStatus::Running,
            current_node: None,
            state,
            message,
            depth: 0,
            steps: 0,
            turn: 0,
            wake_at: None,
            effect: None,
            visit: None,
            error: None,
            started_at: self.now,
            updated_at: self.now,
            completed_at: None,
        }
    }

    /// Advances an execution.
    pub(crate) fn advance(&self, flow: &Flow, execution: Execution, cause: Cause) -> Result<Sprint, Refusal> {
        let is_marketing =
            |name: &str, language: &str| self.marketing.iter().any(|known| *known == format!("{name}/{language}"));
        let scope = Scope {
            bot: &self.bot,
            flow: &self.flow,
            contact: &self.contact,
            now: self.now,
            is_marketing: &is_marketing,
            elapsed_us: &|| 0,
        };
        engine::advance(flow, execution, cause, &scope, &self.limits)
    }
}
