//! Webhook triggers without a plugin: what a JSON body means.

use domain::{Address, Fault, JsonMap, Time, WebhookRule, plugin::TriggerEvent};
use serde_json::{Value, json};

use crate::{
    filling::{Context, Filler, Fuel},
    issues::Issues,
    limits::{HOOK_ID_CHARS, HOOK_ITEMS, Limits},
    state,
    template::{Data, Mode, Templates, Text},
    values,
};

/// A webhook trigger with its templates compiled.
#[derive(Debug)]
pub struct Webhook {
    templates: Templates,
    items: Option<String>,
    contact: Text,
    contact_name: Option<Text>,
    initial_state: Vec<(String, Data)>,
    event_id: Option<Text>,
    condition: Option<Data>,
}

/// A request as templates see it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The body.
    pub body: &'a Value,
    /// Headers by name in lower case.
    pub headers: &'a Value,
    /// Members of the query.
    pub query: &'a Value,
    /// The present.
    pub now: Time,
}

/// What one item of a body means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// The flow starts with a contact.
    Event(TriggerEvent),
    /// The condition does not hold.
    PassedOver,
    /// It cannot be understood; a sentence says why.
    Invalid(String),
}

impl Webhook {
    /// Compiles a rule.
    ///
    /// # Errors
    /// Every fault of it, with pointers such as `/initial_state/order`.
    pub fn compile(rule: &WebhookRule) -> Result<Self, Vec<Fault>> {
        let mut issues = Issues::default();
        let mut templates = Templates::new();
        if rule.contact.trim().is_empty() {
            issues.error("missing_field", "/contact", "must say whom an event is about");
        }
        if rule.items.as_ref().is_some_and(|items| !items.is_empty() && !items.starts_with('/')) {
            issues.error("invalid_pointer", "/items", "must be a JSON pointer such as /orders");
        }
        let text = |templates: &mut Templates, issues: &mut Issues, pointer: &str, source: &Option<String>| {
            source.as_ref().and_then(|source| templates.compile_text(pointer, source, issues))
        };
        let contact = templates.compile_text("/contact", &rule.contact, &mut issues);
        let contact_name = text(&mut templates, &mut issues, "/contact_name", &rule.contact_name);
        let event_id = text(&mut templates, &mut issues, "/event_id", &rule.event_id);
        let condition = rule
            .condition
            .as_ref()
            .and_then(|source| templates.compile_data("/condition", &json!(source), Mode::Native, &mut issues));
        let mut initial_state = Vec::with_capacity(rule.initial_state.len());
        for (name, value) in &rule.initial_state {
            let pointer = crate::issues::member("/initial_state", name);
            if let Some(data) = templates.compile_data(&pointer, value, Mode::Native, &mut issues) {
                initial_state.push((name.clone(), data));
            }
        }
        let errors: Vec<Fault> = issues
            .into_list()
            .into_iter()
            .filter(|issue| issue.severity == domain::Severity::Error)
            .map(|issue| Fault::new(issue.pointer, issue.detail))
            .collect();
        match contact {
            Some(contact) if errors.is_empty() => {
                let items = rule.items.clone();
                Ok(Self { templates, items, contact, contact_name, initial_state, event_id, condition })
            }
            _ => Err(errors),
        }
    }

    /// What a request means, item by item.
    ///
    /// # Errors
    /// A sentence when the body has no list where it should, or too long a one.
    pub fn read(&self, call: Call<'_>, limits: &Limits) -> Result<Vec<Meaning>, String> {
        let items: Vec<&Value> = match &self.items {
            None => vec![call.body],
            Some(pointer) => match call.body.pointer(pointer) {
                Some(Value::Array(items)) if items.len() > HOOK_ITEMS => {
                    return Err(format!("the list at `{pointer}` has more than {HOOK_ITEMS} items"));
                }
                Some(Value::Array(items)) => items.iter().collect(),
                Some(_) => return Err(format!("what is at `{pointer}` is no list")),
                None => return Err(format!("there is nothing at `{pointer}`")),
            },
        };
        // All items share what one sprint may use, so that a long list costs no more than a flow does.
        let mut fuel = Fuel::new(limits);
        Ok(items.into_iter().map(|item| self.item(item, call, limits, &mut fuel)).collect())
    }

    fn item(&self, item: &Value, call: Call<'_>, limits: &Limits, fuel: &mut Fuel) -> Meaning {
        match self.fill(item, call, limits, fuel) {
            Ok(Some(event)) => Meaning::Event(event),
            Ok(None) => Meaning::PassedOver,
            Err(reason) => Meaning::Invalid(values::cut(&reason, values::REASON_CHARS)),
        }
    }

    fn fill(
        &self,
        item: &Value,
        call: Call<'_>,
        limits: &Limits,
        fuel: &mut Fuel,
    ) -> Result<Option<TriggerEvent>, String> {
        let context = minijinja::Value::from(minijinja::value::Serde(json!({
            "body": item, "headers": call.headers, "query": call.query, "now": call.now.to_rfc3339(),
        })));
        let mut filler = Filler { templates: &self.templates, context: Context::Ready(context), limits, fuel };
        if let Some(condition) = &self.condition
            && !holds(&filler.json(condition)?)
        {
            return Ok(None);
        }
        let contact = filler.text(&self.contact)?;
        let contact = Address::parse(&contact).map_err(|error| format!("`contact` is `{contact}`, which {error}"))?;
        let filled = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let contact_name = filled(self.contact_name.as_ref().map(|text| filler.text(text)).transpose()?);
        let id = filled(self.event_id.as_ref().map(|text| filler.text(text)).transpose()?);
        if id.as_ref().is_some_and(|id| id.chars().nth(HOOK_ID_CHARS).is_some()) {
            return Err(format!("`event_id` has more than {HOOK_ID_CHARS} characters"));
        }
        let mut initial_state = JsonMap::new();
        for (name, data) in &self.initial_state {
            initial_state.insert(name.clone(), filler.json(data)?);
        }
        check_state(&initial_state, limits)?;
        Ok(Some(TriggerEvent { contact: contact.to_string(), contact_name, initial_state, id }))
    }
}

/// Whether variables that a flow is to start with are within bounds.
///
/// # Errors
/// A sentence for people.
pub fn check_state(initial_state: &JsonMap, limits: &Limits) -> Result<(), String> {
    let whole = Value::Object(initial_state.clone());
    if state::deeper_than(&whole, limits.state_depth) {
        return Err(format!("`initial_state` is nested more than {} deep", limits.state_depth));
    }
    if state::longer_than(&whole, limits.state_bytes) {
        return Err(format!("`initial_state` takes more than {} bytes", limits.state_bytes));
    }
    Ok(())
}

/// Empty, null, false, zero and their words do not hold.
fn holds(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !["", "false", "0", "none"].contains(&text.trim().to_lowercase().as_str()),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}
