//! Whether the parameters of a template send fit the template.
//!
//! Finds what Meta would answer with 132000 (count), 132012 (type) or 131008 (something missing). What the definition
//! says nothing clear about is left to Meta.

use domain::Fault;
use serde_json::Value;

use super::Definition;

/// Everything about a template send (`{name, language, components?}`) that does not fit the definition, with JSON
/// pointers into the send. The send has passed [`crate::limits::check`].
pub fn check(definition: &Definition, content: &Value) -> Vec<Fault> {
    let mut check = Check { is_named: definition.is_named, faults: Vec::new() };
    check.components(&definition.components, content, "");
    check.faults
}

/// Whether the variables in a definition's texts have names.
pub(super) fn has_names(components: &Value) -> bool {
    let texts = list(components).iter().filter_map(|component| component.get("text")?.as_str());
    texts.flat_map(variables).any(|name| name.bytes().any(|b| !b.is_ascii_digit()))
}

struct Check {
    is_named: bool,
    faults: Vec<Fault>,
}

/// A component of the send and its pointer.
#[derive(Clone)]
struct Given<'v> {
    value: &'v Value,
    at: String,
}

impl Given<'_> {
    fn parameters(&self) -> &[Value] {
        self.value.get("parameters").map(list).unwrap_or_default()
    }

    fn has_kind(&self, kind: &str) -> bool {
        self.value.get("type").and_then(Value::as_str).is_some_and(|given| given.eq_ignore_ascii_case(kind))
    }
}

/// What a button wants from a send.
struct Wanted {
    sub_types: &'static [&'static str],
    /// Types its one parameter may have.
    parameters: &'static [&'static str],
    is_needed: bool,
}

impl Check {
    fn fault(&mut self, at: impl Into<String>, detail: impl Into<String>) {
        self.faults.push(Fault::new(at, detail));
    }

    /// Compares `holder.components` with what is defined. `at` points to the holder: the send, or a card.
    fn components(&mut self, defined: &Value, holder: &Value, at: &str) {
        let place = format!("{at}/components");
        let given: Vec<Given<'_>> = holder
            .get("components")
            .map(list)
            .unwrap_or_default()
            .iter()
            .enumerate()
            .map(|(index, value)| Given { value, at: format!("{place}/{index}") })
            .collect();
        let part = |kind: &str| list(defined).iter().find(|component| word(component, "type") == kind);
        let header = self.only(&given, "header");
        self.header(part("HEADER"), header.as_ref(), &place);
        let body = self.only(&given, "body");
        // Without its text there is nothing to compare with.
        if let Some(text) = part("BODY").and_then(|body| body.get("text")?.as_str()) {
            self.texts(text, body.as_ref(), &place, "body");
        }
        let buttons = part("BUTTONS").and_then(|buttons| buttons.get("buttons")).map(list).unwrap_or_default();
        let taps: Vec<&Given<'_>> = given.iter().filter(|component| component.has_kind("button")).collect();
        self.buttons(buttons, &taps, &place);
        let cards = part("CAROUSEL").and_then(|carousel| carousel.get("cards")).map(list).unwrap_or_default();
        let carousel = self.only(&given, "carousel");
        self.cards(cards, carousel.as_ref(), &place);
    }

    /// The one component of a kind; any further one is a fault.
    fn only<'v>(&mut self, given: &[Given<'v>], kind: &str) -> Option<Given<'v>> {
        let mut found = given.iter().filter(|component| component.has_kind(kind));
        let first = found.next();
        for other in found {
            self.fault(format!("{}/type", other.at), format!("there must be only one {kind}"));
        }
        first.cloned()
    }

    fn header(&mut self, defined: Option<&Value>, given: Option<&Given<'_>>, place: &str) {
        let Some(defined) = defined else {
            if let Some(given) = given.filter(|given| !given.parameters().is_empty()) {
                self.fault(&given.at, "the template has no header");
            }
            return;
        };
        let format = word(defined, "format");
        let kinds: &[&str] = match format.as_str() {
            "TEXT" => {
                let text = defined.get("text").and_then(Value::as_str).unwrap_or_default();
                return self.texts(text, given, place, "header");
            }
            "IMAGE" => &["image"],
            "VIDEO" => &["video"],
            "DOCUMENT" => &["document"],
            "LOCATION" => &["location"],
            "GIF" => &["gif", "video"],
            _ => return,
        };
        match given.map(|given| (given, given.parameters())) {
            Some((given, [one])) => self.kind(one, &format!("{}/parameters/0", given.at), kinds),
            Some((given, _)) => {
                self.fault(format!("{}/parameters", given.at), format!("must hold one parameter of type {}", kinds[0]));
            }
            None => self.fault(place, format!("the template's header needs a parameter of type {}", kinds[0])),
        }
    }

    /// A parameter's type.
    fn kind(&mut self, parameter: &Value, at: &str, kinds: &[&str]) {
        let given = parameter.get("type").and_then(Value::as_str).unwrap_or_default();
        if !kinds.iter().any(|kind| kind.eq_ignore_ascii_case(given)) {
            self.fault(format!("{at}/type"), format!("must be {}", kinds.join(" or ")));
        }
    }

    /// A value for each variable of a text.
    fn texts(&mut self, text: &str, given: Option<&Given<'_>>, place: &str, what: &str) {
        let variables = variables(text);
        let parameters = given.map(Given::parameters).unwrap_or_default();
        let at = given.map_or_else(|| place.to_owned(), |given| format!("{}/parameters", given.at));
        for (index, parameter) in parameters.iter().enumerate() {
            self.kind(parameter, &format!("{at}/{index}"), &["text", "currency", "date_time"]);
        }
        if !self.is_named {
            if parameters.len() != variables.len() {
                let (wanted, given) = (variables.len(), parameters.len());
                self.fault(
                    &at,
                    format!("the template's {what} has {wanted} variables, but there are {given} parameters"),
                );
            }
            for (index, _) in parameters.iter().enumerate().filter(|(_, p)| name(p).is_some()) {
                self.fault(format!("{at}/{index}/parameter_name"), "the template's variables have numbers, not names");
            }
            return;
        }
        let mut seen = Vec::new();
        for (index, parameter) in parameters.iter().enumerate() {
            let at = format!("{at}/{index}/parameter_name");
            match name(parameter) {
                None => self.fault(at, format!("is required; the template's {what} has {}", variables.join(", "))),
                Some(name) if !variables.contains(&name) => {
                    self.fault(at, format!("the template's {what} has no variable of this name"));
                }
                Some(name) if seen.contains(&name) => self.fault(at, "must differ from the others"),
                Some(name) => seen.push(name),
            }
        }
        let missing: Vec<&str> = variables.into_iter().filter(|variable| !seen.contains(variable)).collect();
        if !missing.is_empty() {
            self.fault(at, format!("the template's {what} also needs {}", missing.join(", ")));
        }
    }

    fn buttons(&mut self, defined: &[Value], given: &[&Given<'_>], place: &str) {
        let mut seen = Vec::new();
        for tap in given {
            let index = match tap.value.get("index") {
                Some(Value::String(text)) => text.parse::<usize>().ok(),
                Some(other) => other.as_u64().and_then(|index| usize::try_from(index).ok()),
                None => None,
            };
            // The limits report an index that is none.
            let Some(index) = index else { continue };
            let Some(button) = defined.get(index) else {
                self.fault(format!("{}/index", tap.at), format!("the template has {} buttons", defined.len()));
                continue;
            };
            if seen.contains(&index) {
                self.fault(format!("{}/index", tap.at), "must differ from the others");
            }
            seen.push(index);
            if let Some(wanted) = wanted(button) {
                self.button(&wanted, tap);
            }
        }
        for (index, button) in defined.iter().enumerate().filter(|(index, _)| !seen.contains(index)) {
            if let Some(wanted) = wanted(button).filter(|wanted| wanted.is_needed) {
                let sub_type = wanted.sub_types[0];
                self.fault(place, format!("button {index} needs a component with the sub_type {sub_type}"));
            }
        }
    }

    fn button(&mut self, wanted: &Wanted, tap: &Given<'_>) {
        let sub_type = tap.value.get("sub_type").and_then(Value::as_str).unwrap_or_default();
        if !wanted.sub_types.iter().any(|word| word.eq_ignore_ascii_case(sub_type)) {
            let words = wanted.sub_types.join(" or ");
            let detail =
                if words.is_empty() { "this button takes no parameters".into() } else { format!("must be {words}") };
            return self.fault(format!("{}/sub_type", tap.at), detail);
        }
        let at = format!("{}/parameters", tap.at);
        match tap.parameters() {
            [one] if !wanted.parameters.is_empty() => self.kind(one, &format!("{at}/0"), wanted.parameters),
            [] if !wanted.is_needed => {}
            _ if wanted.parameters.is_empty() => self.fault(at, "this button takes no parameters"),
            _ => self.fault(at, format!("must hold one parameter of type {}", wanted.parameters[0])),
        }
    }

    fn cards(&mut self, defined: &[Value], given: Option<&Given<'_>>, place: &str) {
        if defined.is_empty() {
            if let Some(given) = given {
                self.fault(&given.at, "the template has no carousel");
            }
            return;
        }
        let Some(given) = given else {
            return self.fault(place, format!("the template's carousel needs {} cards", defined.len()));
        };
        let cards = given.value.get("cards").map(list).unwrap_or_default();
        if cards.len() != defined.len() {
            self.fault(format!("{}/cards", given.at), format!("the template has {} cards", defined.len()));
        }
        for (position, card) in cards.iter().enumerate() {
            let at = format!("{}/cards/{position}", given.at);
            let index = card.get("card_index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
            match defined.get(index.unwrap_or(position)).and_then(|card| card.get("components")) {
                Some(components) => self.components(components, card, &at),
                None => self.fault(format!("{at}/card_index"), format!("the template has {} cards", defined.len())),
            }
        }
    }
}

/// What a defined button wants. `None` for kinds of buttons that we know nothing of.
fn wanted(button: &Value) -> Option<Wanted> {
    let has_variable = button.get("url").and_then(Value::as_str).is_some_and(|url| !variables(url).is_empty());
    let (sub_types, parameters, is_needed): (&[&str], &[&str], bool) = match word(button, "type").as_str() {
        "QUICK_REPLY" => (&["quick_reply"], &["payload", "text"], false),
        "URL" if has_variable => (&["url"], &["text", "payload"], true),
        "URL" => (&["url"], &[], false),
        "OTP" => (&["url", "copy_code"], &["text", "coupon_code"], true),
        "COPY_CODE" => (&["copy_code"], &["coupon_code"], true),
        "FLOW" => (&["flow"], &["action"], false),
        "CATALOG" => (&["catalog"], &["action"], false),
        "MPM" => (&["mpm"], &["action"], true),
        "PHONE_NUMBER" => (&[], &[], false),
        _ => return None,
    };
    Some(Wanted { sub_types, parameters, is_needed })
}

/// The variables of a text, each once, in their order.
fn variables(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for part in text.split("{{").skip(1) {
        if let Some((name, _)) = part.split_once("}}") {
            let name = name.trim();
            if !name.is_empty() && !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

fn name(parameter: &Value) -> Option<&str> {
    parameter.get("parameter_name").and_then(Value::as_str)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_uppercase()
}
