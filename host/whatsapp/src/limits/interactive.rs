//! Interactive messages: buttons, lists, links, flows, products, carousels.

use super::{
    BUTTON_ID_MAX, BUTTON_TITLE_MAX, BUTTONS_MAX, CARD_BODY_MAX, CARD_LINE_BREAKS_MAX, CARDS_MAX, FLOW_CTA_MAX,
    HEADER_FOOTER_MAX, INTERACTIVE_BODY_MAX, LIST_BODY_MAX, PRODUCTS_MAX, ROW_DESCRIPTION_MAX, ROW_ID_MAX,
    ROW_TITLE_MAX, ROWS_MAX, SECTIONS_MAX,
    place::{Check, Need, Place},
    simple::media_source,
};

/// `{type, header?, body, footer?, action}`
pub(super) fn interactive(check: &mut Check, content: &Place<'_>) {
    let Some(kind) = check.text(content, "type", Need::Required, usize::MAX) else { return };
    frame(check, kind, content);
    // Which of the pass-through kinds do without an action is not documented.
    let needs_action = matches!(
        kind,
        "button"
            | "list"
            | "cta_url"
            | "flow"
            | "location_request_message"
            | "request_contact_info"
            | "product"
            | "product_list"
            | "catalog_message"
            | "carousel"
    );
    let need = if needs_action { Need::Required } else { Need::Optional };
    let Some(action) = check.object(content, "action", need) else { return };
    match kind {
        "button" => buttons(check, &action),
        "list" => list(check, &action),
        "cta_url" => link(check, &action),
        "flow" => flow(check, &action),
        "location_request_message" => named(check, &action, "send_location"),
        "request_contact_info" => named(check, &action, "request_contact_info"),
        "product" => {
            check.id(&action, "catalog_id");
            check.id(&action, "product_retailer_id");
        }
        "product_list" => products(check, &action),
        "catalog_message" => named(check, &action, "catalog_message"),
        "carousel" => cards(check, &action),
        _ => {}
    }
}

/// Header, body and footer.
fn frame(check: &mut Check, kind: &str, content: &Place<'_>) {
    match kind {
        "product" | "location_request_message" | "request_contact_info" | "carousel" => {
            check.absent(content, "header", "this type of interactive message has no header");
        }
        _ => {
            let need = if kind == "product_list" { Need::Required } else { Need::Optional };
            if let Some(place) = check.object(content, "header", need) {
                header(check, &place, matches!(kind, "list" | "product_list"));
            }
        }
    }
    let body_is_required = matches!(
        kind,
        "button"
            | "list"
            | "cta_url"
            | "flow"
            | "location_request_message"
            | "request_contact_info"
            | "product_list"
            | "catalog_message"
            | "carousel"
    );
    let need = if body_is_required { Need::Required } else { Need::Optional };
    if let Some(body) = check.object(content, "body", need) {
        check.text(&body, "text", need, if kind == "list" { LIST_BODY_MAX } else { INTERACTIVE_BODY_MAX });
    }
    if matches!(kind, "location_request_message" | "request_contact_info" | "carousel") {
        check.absent(content, "footer", "this type of interactive message has no footer");
    } else if let Some(footer) = check.object(content, "footer", Need::Optional) {
        check.text(&footer, "text", Need::Required, HEADER_FOOTER_MAX);
    }
}

/// `{type: "text", text}` or `{type: "image", image: {id | link}}` and so on.
fn header(check: &mut Check, header: &Place<'_>, text_only: bool) {
    let Some(kind) = check.text(header, "type", Need::Required, usize::MAX) else { return };
    match kind {
        "text" => {
            check.text(header, "text", Need::Required, HEADER_FOOTER_MAX);
        }
        _ if text_only => check.fault_in(header, "type", "must be text here"),
        "image" | "video" | "document" => {
            if let Some(media) = check.object(header, kind, Need::Required) {
                media_source(check, &media);
            }
        }
        _ => check.fault_in(header, "type", "must be text, image, video or document"),
    }
}

/// `{name}`, with the name that the kind of message demands.
fn named(check: &mut Check, action: &Place<'_>, name: &str) {
    if check.text(action, "name", Need::Required, usize::MAX).is_some_and(|found| found != name) {
        check.fault_in(action, "name", format!("must be {name}"));
    }
}

/// `{buttons: [{type: "reply", reply: {id, title}}]}`
fn buttons(check: &mut Check, action: &Place<'_>) {
    let Some(buttons) = check.list(action, "buttons", 1, BUTTONS_MAX) else { return };
    for button in buttons.items() {
        if check.text(&button, "type", Need::Required, usize::MAX).is_some_and(|kind| kind != "reply") {
            check.fault_in(&button, "type", "must be reply");
        }
        if let Some(reply) = check.object(&button, "reply", Need::Required) {
            check.text(&reply, "id", Need::Required, BUTTON_ID_MAX);
            check.text(&reply, "title", Need::Required, BUTTON_TITLE_MAX);
        }
    }
    let replies = || buttons.items().filter_map(|button| button.get("reply"));
    check.unique(replies(), "id");
    check.unique(replies(), "title");
}

/// `{button, sections: [{title?, rows: [{id, title, description?}]}]}`
fn list(check: &mut Check, action: &Place<'_>) {
    check.text(action, "button", Need::Required, BUTTON_TITLE_MAX);
    let Some(sections) = check.list(action, "sections", 1, SECTIONS_MAX) else { return };
    let title = if sections.items().count() > 1 { Need::Required } else { Need::Optional };
    let mut rows_in_all = 0;
    for section in sections.items() {
        check.text(&section, "title", title, ROW_TITLE_MAX);
        // More than the total in one section is reported once, below.
        let Some(rows) = check.list(&section, "rows", 1, usize::MAX) else { continue };
        for row in rows.items() {
            rows_in_all += 1;
            check.text(&row, "id", Need::Required, ROW_ID_MAX);
            check.text(&row, "title", Need::Required, ROW_TITLE_MAX);
            check.text(&row, "description", Need::Optional, ROW_DESCRIPTION_MAX);
        }
    }
    if rows_in_all > ROWS_MAX {
        check
            .fault(&sections, format!("must have at most {ROWS_MAX} rows in all sections together, has {rows_in_all}"));
    }
}

/// `{name: "cta_url", parameters: {display_text, url}}`
fn link(check: &mut Check, action: &Place<'_>) {
    named(check, action, "cta_url");
    if let Some(parameters) = check.object(action, "parameters", Need::Required) {
        check.text(&parameters, "display_text", Need::Required, BUTTON_TITLE_MAX);
        check.url(&parameters, "url");
    }
}

/// `{name: "flow", parameters: {flow_message_version, flow_id | flow_name, flow_cta, …}}`
fn flow(check: &mut Check, action: &Place<'_>) {
    named(check, action, "flow");
    let Some(parameters) = check.object(action, "parameters", Need::Required) else { return };
    check.need(&parameters, "flow_message_version");
    check.one_of(&parameters, "flow_id", "flow_name");
    check.text(&parameters, "flow_cta", Need::Required, FLOW_CTA_MAX);
    match check.text(&parameters, "flow_action", Need::Optional, usize::MAX) {
        Some("navigate") => {
            if let Some(payload) = check.object(&parameters, "flow_action_payload", Need::Required) {
                check.id(&payload, "screen");
                if let Some(data) = payload.get("data")
                    && data.value.as_object().is_some_and(serde_json::Map::is_empty)
                {
                    check.fault(&data, "must be left out when it is empty");
                }
            }
        }
        Some("data_exchange") => {
            check.absent(&parameters, "flow_action_payload", "must be left out with data_exchange");
        }
        Some(_) => check.fault_in(&parameters, "flow_action", "must be navigate or data_exchange"),
        None => {}
    }
}

/// `{catalog_id, sections: [{title, product_items: [{product_retailer_id}]}]}`
fn products(check: &mut Check, action: &Place<'_>) {
    check.id(action, "catalog_id");
    let Some(sections) = check.list(action, "sections", 1, SECTIONS_MAX) else { return };
    let title = if sections.items().count() > 1 { Need::Required } else { Need::Optional };
    let mut products = 0;
    for section in sections.items() {
        check.text(&section, "title", title, ROW_TITLE_MAX);
        let Some(items) = check.list(&section, "product_items", 1, usize::MAX) else { continue };
        for item in items.items() {
            products += 1;
            check.id(&item, "product_retailer_id");
        }
    }
    if products > PRODUCTS_MAX {
        check.fault(&sections, format!("must have at most {PRODUCTS_MAX} products in all, has {products}"));
    }
}

/// `{cards: [{card_index, type, header, body?, action}]}`
fn cards(check: &mut Check, action: &Place<'_>) {
    let Some(cards) = check.list(action, "cards", 1, CARDS_MAX) else { return };
    for card in cards.items() {
        if let Some(place) = check.object(&card, "header", Need::Required) {
            header(check, &place, false);
        }
        if let Some(body) = check.object(&card, "body", Need::Optional)
            && let Some(text) = check.text(&body, "text", Need::Required, CARD_BODY_MAX)
            && text.matches('\n').count() > CARD_LINE_BREAKS_MAX
        {
            check.fault_in(&body, "text", format!("must have at most {CARD_LINE_BREAKS_MAX} line breaks"));
        }
        if let Some(action) = check.object(&card, "action", Need::Required)
            && card.str("type") == Some("cta_url")
        {
            link(check, &action);
        }
    }
}
