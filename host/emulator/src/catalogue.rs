//! Message templates: the account's list, and what a send of one must be like.

use serde_json::{Value, json};
use whatsapp::errors;

use crate::graph::Refusal;

/// Templates in one answer unless asked for others.
const PAGE: usize = 25;

/// A template in one language.
#[derive(Debug, Clone)]
struct Template {
    id: String,
    definition: Value,
}

impl Template {
    fn text(&self, name: &str) -> &str {
        self.definition[name].as_str().unwrap_or_default()
    }

    fn view(&self) -> Value {
        let mut view = self.definition.clone();
        view["id"] = json!(self.id);
        view
    }
}

/// The account's templates. While it has none, every template can be sent.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    templates: Vec<Template>,
    /// How often the list was asked for.
    pub(crate) asked: u64,
}

impl Catalogue {
    /// Adds a template, or puts it in the place of the one of its name and language. What is missing is filled in.
    pub(crate) fn put(&mut self, id: String, definition: &Value) -> String {
        let mut full = json!({
            "language": "en_US", "status": "APPROVED", "category": "UTILITY", "parameter_format": "POSITIONAL",
            "quality_score": { "score": "GREEN", "date": 1_700_000_000 }, "components": [],
        });
        if let (Some(full), Some(given)) = (full.as_object_mut(), definition.as_object()) {
            full.extend(given.clone());
        }
        let (name, language) = (full["name"].clone(), full["language"].clone());
        let is_same = |t: &&mut Template| t.definition["name"] == name && t.definition["language"] == language;
        if let Some(known) = self.templates.iter_mut().find(is_same) {
            known.definition = full;
            return known.id.clone();
        }
        self.templates.push(Template { id: id.clone(), definition: full });
        id
    }

    /// Meta's own way of making one: it is looked at first.
    pub(crate) fn create(&mut self, id: String, body: &Value) -> Result<Value, Refusal> {
        let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
        let (Some(name), Some(language), Some(category)) = (text("name"), text("language"), text("category")) else {
            return Err(Refusal::of(100).details("name, language and category are required"));
        };
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err(Refusal::of(100).details("name may have lower-case letters, digits and underscores"));
        }
        if self.find(name, language).is_some() {
            return Err(Refusal::of(2_388_024).details("there is content in this language already"));
        }
        let mut definition = body.clone();
        definition["status"] = json!("PENDING");
        let id = self.put(id, &definition);
        Ok(json!({ "id": id, "status": "PENDING", "category": category }))
    }

    /// Removes all languages of a template. Answers whether there was one.
    pub(crate) fn delete(&mut self, name: &str) -> bool {
        let before = self.templates.len();
        self.templates.retain(|template| template.text("name") != name);
        self.templates.len() < before
    }

    fn find(&self, name: &str, language: &str) -> Option<&Template> {
        self.templates.iter().find(|t| t.text("name") == name && t.text("language") == language)
    }

    /// One template by its id.
    pub(crate) fn by_id(&self, id: &str) -> Option<Value> {
        self.templates.iter().find(|template| template.id == id).map(Template::view)
    }

    /// Changes fields of a template, and returns it as it is then.
    pub(crate) fn change(&mut self, name: &str, language: &str, fields: &Value) -> Option<Value> {
        let is_same = |t: &&mut Template| t.text("name") == name && t.text("language") == language;
        let template = self.templates.iter_mut().find(is_same)?;
        if let (Some(known), Some(new)) = (template.definition.as_object_mut(), fields.as_object()) {
            known.extend(new.clone());
        }
        Some(template.view())
    }

    /// A page of the list. `base` is the request's address without a cursor, `query` finds a parameter of it.
    pub(crate) fn page(&mut self, base: &str, query: &dyn Fn(&str) -> Option<String>) -> Value {
        self.asked += 1;
        let fits = |template: &&Template| {
            ["name", "language", "status", "category"]
                .iter()
                .all(|name| query(name).is_none_or(|wanted| template.text(name) == wanted))
        };
        let limit = query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE).clamp(1, 250);
        let skip: usize = query("after").and_then(|cursor| cursor.strip_prefix("at:")?.parse().ok()).unwrap_or(0);
        let all: Vec<&Template> = self.templates.iter().filter(fits).collect();
        let data: Vec<Value> = all.iter().skip(skip).take(limit).map(|template| template.view()).collect();
        let next = skip + data.len();
        let mut page = json!({ "data": data });
        if !data_is_empty(&page) {
            page["paging"] = json!({ "cursors": { "before": format!("at:{skip}"), "after": format!("at:{next}") } });
        }
        if next < all.len() {
            page["paging"]["next"] = json!(format!("{base}&after=at:{next}"));
        }
        if query("summary").is_some() {
            page["summary"] = json!({
                "total_count": all.len(), "message_template_count": self.templates.len(), "message_template_limit": 250,
                "are_translations_complete": true,
            });
        }
        page
    }

    /// Whether a send (`{name, language, components?}`) is of a template that is there and fits it.
    pub(crate) fn check(&self, send: &Value) -> Result<(), Refusal> {
        if self.templates.is_empty() {
            return Ok(());
        }
        let name = send["name"].as_str().unwrap_or_default();
        let language = send["language"]["code"].as_str().unwrap_or_default();
        let missing = || Refusal::of(132_001).details(format!("template name ({name}) does not exist in {language}"));
        let template = self.find(name, language).ok_or_else(missing)?;
        match template.text("status") {
            "APPROVED" | "FLAGGED" => {}
            "PAUSED" => return Err(Refusal::of(132_015)),
            "DISABLED" => return Err(Refusal::of(132_016)),
            _ => return Err(missing()),
        }
        fits(&template.definition["components"], &send["components"], "")
    }
}

fn data_is_empty(page: &Value) -> bool {
    page["data"].as_array().is_none_or(Vec::is_empty)
}

/// Compares the components of a send, or of a card, with those of the definition.
fn fits(defined: &Value, given: &Value, place: &str) -> Result<(), Refusal> {
    let given_list = items(given);
    let given =
        |kind: &str| given_list.iter().find(|c| c["type"].as_str().is_some_and(|word| word.eq_ignore_ascii_case(kind)));
    for component in items(defined) {
        let kind = component["type"].as_str().unwrap_or_default().to_ascii_lowercase();
        let parameters = given(&kind).map(|component| items(&component["parameters"])).unwrap_or_default();
        match (kind.as_str(), component["format"].as_str()) {
            ("header", Some(format)) if format != "TEXT" => {
                let wanted = format.to_ascii_lowercase();
                if parameters.len() != 1 || parameters[0]["type"] != json!(wanted) {
                    let got = parameters.first().map_or("nothing", |p| p["type"].as_str().unwrap_or("nothing"));
                    let details = format!("{place}header: Format mismatch, expected {format}, received {got}");
                    return Err(Refusal::of(132_012).details(details));
                }
            }
            ("header" | "body", _) => count(component, parameters, &format!("{place}{kind}"))?,
            ("buttons", _) => taps(component, given_list, place)?,
            ("carousel", _) => {
                let cards = given("carousel").map(|carousel| items(&carousel["cards"])).unwrap_or_default();
                let wanted = items(&component["cards"]);
                if cards.len() != wanted.len() {
                    let details = format!("carousel: expected {} cards, received {}", wanted.len(), cards.len());
                    return Err(Refusal::of(132_012).details(details));
                }
                for (index, (wanted, card)) in wanted.iter().zip(cards).enumerate() {
                    fits(&wanted["components"], &card["components"], &format!("card {index}: "))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A value for each variable of a text.
fn count(component: &Value, parameters: &[Value], place: &str) -> Result<(), Refusal> {
    let wanted = variables(component["text"].as_str().unwrap_or_default());
    if wanted.len() != parameters.len() {
        let (wanted, got) = (wanted.len(), parameters.len());
        let details = format!(
            "{place}: number of localizable_params ({got}) does not match the expected number of params ({wanted})"
        );
        return Err(Refusal::of(132_000).details(details));
    }
    let is_named = wanted.iter().any(|name| name.parse::<u32>().is_err());
    let is_known = |p: &Value| p["parameter_name"].as_str().is_some_and(|name| wanted.iter().any(|w| w == name));
    if is_named && !parameters.iter().all(is_known) {
        return Err(Refusal::of(100).details(format!("{place}: Parameter name is missing or empty")));
    }
    Ok(())
}

/// Buttons that cannot do without a parameter, and parameters of buttons that are not there.
fn taps(component: &Value, given: &[Value], place: &str) -> Result<(), Refusal> {
    let buttons = items(&component["buttons"]);
    let index = |tap: &Value| match &tap["index"] {
        Value::String(text) => text.parse::<usize>().ok(),
        other => other.as_u64().and_then(|index| usize::try_from(index).ok()),
    };
    let taps: Vec<&Value> =
        given.iter().filter(|c| c["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case("button"))).collect();
    for tap in &taps {
        if index(tap).is_none_or(|index| index >= buttons.len()) {
            return Err(Refusal::of(132_012).details(format!("{place}button: there is none at this index")));
        }
    }
    for (position, button) in buttons.iter().enumerate() {
        let (kind, wanted) = match button["type"].as_str() {
            Some("URL") if button["url"].as_str().is_some_and(|url| !variables(url).is_empty()) => ("url", true),
            Some("URL") => ("url", false),
            Some("COPY_CODE") => ("copy_code", true),
            Some("QUICK_REPLY") => ("quick_reply", false),
            _ => continue,
        };
        let tap = taps.iter().find(|tap| index(tap) == Some(position));
        if wanted && tap.is_none_or(|tap| items(&tap["parameters"]).len() != 1) {
            let details = format!("{place}button at index {position} of type {kind} requires a parameter");
            return Err(Refusal::of(131_008).details(details));
        }
        if tap.is_some_and(|tap| !tap["sub_type"].as_str().is_some_and(|word| word.eq_ignore_ascii_case(kind))) {
            let details = format!("{place}button at index {position} is of type {kind}");
            return Err(Refusal::of(132_012).details(details));
        }
    }
    Ok(())
}

/// The different names between double braces.
fn variables(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once("{{") {
        let Some((name, after)) = tail.split_once("}}") else { break };
        if !names.iter().any(|known| known == name.trim()) {
            names.push(name.trim().to_owned());
        }
        rest = after;
    }
    names
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What reading of the account's things is like, when it is not as usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// Refused with this code of Meta's.
    pub code: Option<i64>,
    /// Milliseconds that answers are late.
    pub delay_ms: u64,
}

impl Reads {
    /// The refusal, if reading is refused.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        self.code.map(|code| Refusal::of(code).details(errors::meaning(code).unwrap_or("as the emulator was told")))
    }
}
