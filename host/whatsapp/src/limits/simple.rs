//! Text, media, location, contact cards and reactions.

use super::{
    CAPTION_MAX, CONTACTS_MAX, TEXT_BODY_MAX,
    place::{Check, Need, Place},
};

/// `{body, preview_url?}`
pub(super) fn text(check: &mut Check, content: &Place<'_>) {
    check.text(content, "body", Need::Required, TEXT_BODY_MAX);
    check.flag(content, "preview_url");
}

/// `{id | link, caption?, filename?, voice?}`, as the kind has them.
pub(super) fn media(check: &mut Check, kind: &str, content: &Place<'_>) {
    media_source(check, content);
    if matches!(kind, "image" | "video" | "document") {
        check.text(content, "caption", Need::Optional, CAPTION_MAX);
    } else {
        check.absent(content, "caption", "this type of media has no caption");
    }
    if kind == "document" {
        check.text(content, "filename", Need::Optional, usize::MAX);
    } else {
        check.absent(content, "filename", "only documents have a file name");
    }
    if kind == "audio" {
        check.flag(content, "voice");
    }
}

/// Exactly one of an uploaded file's `id` and a `link`.
pub(super) fn media_source(check: &mut Check, content: &Place<'_>) {
    check.one_of(content, "id", "link");
    if content.get("id").is_some() {
        check.id(content, "id");
    }
    if content.get("link").is_some() {
        check.url(content, "link");
    }
}

/// `{latitude, longitude, name?, address?}`
pub(super) fn location(check: &mut Check, content: &Place<'_>) {
    check.number(content, "latitude", -90.0, 90.0);
    check.number(content, "longitude", -180.0, 180.0);
    check.text(content, "name", Need::Optional, usize::MAX);
    check.text(content, "address", Need::Optional, usize::MAX);
}

/// `[{name: {formatted_name, …}, phones?, …}]`
pub(super) fn contacts(check: &mut Check, content: &Place<'_>) {
    if !check.is_list(content, 1, CONTACTS_MAX) {
        return;
    }
    for contact in content.items() {
        if let Some(name) = check.object(&contact, "name", Need::Required) {
            check.id(&name, "formatted_name");
        }
    }
}

/// `{message_id, emoji}`; an empty emoji takes the reaction back.
pub(super) fn reaction(check: &mut Check, content: &Place<'_>) {
    check.id(content, "message_id");
    if check.need(content, "emoji").is_some() {
        check.text(content, "emoji", Need::Optional, usize::MAX);
    }
}
