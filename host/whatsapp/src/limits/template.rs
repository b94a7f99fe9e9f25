//! Template messages: what can be told without knowing the template.

use serde_json::Value;

use super::{
    TEMPLATE_NAME_MAX,
    place::{Check, Need, Place},
    simple::{location, media_source},
};

/// Spaces in a row that a parameter may hold.
const SPACES_MAX: usize = 4;

/// `{name, language: {code}, components?}`
pub(super) fn template(check: &mut Check, content: &Place<'_>) {
    check.text(content, "name", Need::Required, TEMPLATE_NAME_MAX);
    if let Some(language) = check.object(content, "language", Need::Required) {
        check.id(&language, "code");
    }
    components(check, content);
}

/// `[{type, parameters?, …}]`
fn components(check: &mut Check, holder: &Place<'_>) {
    let Some(components) = holder.get("components") else { return };
    if !check.is_list(&components, 0, usize::MAX) {
        return;
    }
    for component in components.items() {
        let Some(kind) = check.text(&component, "type", Need::Required, usize::MAX) else { continue };
        // Seen in lower and in upper case.
        match kind.to_ascii_lowercase().as_str() {
            "header" => {
                parameters(check, &component, 1);
            }
            "button" => button(check, &component),
            "carousel" => {
                if let Some(cards) = check.list(&component, "cards", 1, super::CARDS_MAX) {
                    cards.items().for_each(|card| components_of_card(check, &card));
                }
            }
            _ => parameters(check, &component, usize::MAX),
        }
    }
}

/// `{card_index, components}`
fn components_of_card(check: &mut Check, card: &Place<'_>) {
    check.need(card, "card_index");
    components(check, card);
}

/// `{sub_type, index, parameters?}`; the index is a text or a number.
fn button(check: &mut Check, component: &Place<'_>) {
    check.id(component, "sub_type");
    if let Some(index) = check.need(component, "index") {
        let is_index = match index.value {
            Value::String(text) => check.is_open(text) || text.parse::<u8>().is_ok(),
            other => other.as_u64().is_some(),
        };
        if !is_index {
            check.fault(&index, "must be the button's position, counted from 0");
        }
    }
    parameters(check, component, usize::MAX);
}

/// `[{type, …}]`, at most `max` of them.
fn parameters(check: &mut Check, component: &Place<'_>, max: usize) {
    let Some(parameters) = component.get("parameters") else { return };
    if !check.is_list(&parameters, 0, max) {
        return;
    }
    let mut named = [false; 2];
    for parameter in parameters.items() {
        let Some(kind) = check.text(&parameter, "type", Need::Required, usize::MAX) else { continue };
        match kind.to_ascii_lowercase().as_str() {
            "text" => {
                named[usize::from(parameter.get("parameter_name").is_some())] = true;
                text(check, &parameter);
            }
            kind @ ("image" | "video" | "document") => {
                if let Some(media) = check.object(&parameter, kind, Need::Required) {
                    media_source(check, &media);
                }
            }
            "location" => {
                if let Some(place) = check.object(&parameter, "location", Need::Required) {
                    location(check, &place);
                }
            }
            kind @ ("currency" | "date_time") => {
                if let Some(object) = check.object(&parameter, kind, Need::Required) {
                    check.id(&object, "fallback_value");
                }
            }
            kind @ ("payload" | "coupon_code") => check.id(&parameter, kind),
            "action" => {
                check.object(&parameter, "action", Need::Required);
            }
            _ => {}
        }
    }
    if named == [true, true] {
        check.fault(&parameters, "must not mix parameters with and without “parameter_name”");
    }
}

/// `{text}`: no line breaks, no tabs, no wide gaps (Meta's code 132018).
fn text(check: &mut Check, parameter: &Place<'_>) {
    // One of Meta's own samples has a boolean here.
    if parameter.get("text").is_some_and(|text| text.value.is_boolean() || text.value.is_number()) {
        return;
    }
    let Some(text) = check.text(parameter, "text", Need::Required, usize::MAX) else { return };
    if text.contains(['\n', '\r', '\t']) || text.contains(&" ".repeat(SPACES_MAX + 1)) {
        check.fault_in(
            parameter,
            "text",
            format!("must not have line breaks, tabs or more than {SPACES_MAX} spaces in a row"),
        );
    }
}
