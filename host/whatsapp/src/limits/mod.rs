//! What Meta would refuse, found before asking, field by field.
//!
//! The numbers are from Meta's message pages and its OpenAPI document. Lengths are counted in Unicode characters;
//! Meta does not say how it counts, so its own answer remains the truth. Where sources disagree the more generous
//! number holds here: refusing what Meta would take is worse than asking in vain.

mod envelope;
mod interactive;
mod place;
mod simple;
mod template;

use domain::{Fault, OutgoingMessage};
use place::{Check, Place};

pub use envelope::{envelope, message_type};

/// Characters of a text message's body.
pub const TEXT_BODY_MAX: usize = 4096;
/// Characters of a caption.
pub const CAPTION_MAX: usize = 1024;
/// Characters of an interactive message's body, lists excepted.
pub const INTERACTIVE_BODY_MAX: usize = 1024;
/// Characters of a list message's body.
pub const LIST_BODY_MAX: usize = 4096;
/// Characters of an interactive message's header or footer text.
pub const HEADER_FOOTER_MAX: usize = 60;
/// Reply buttons of one message.
pub const BUTTONS_MAX: usize = 3;
/// Characters of a reply button's title, a list's button and a link button.
pub const BUTTON_TITLE_MAX: usize = 20;
/// Characters of a reply button's id.
pub const BUTTON_ID_MAX: usize = 256;
/// Sections of a list or of a product list.
pub const SECTIONS_MAX: usize = 10;
/// Rows of a list, over all its sections.
pub const ROWS_MAX: usize = 10;
/// Characters of a section's title or a row's title.
pub const ROW_TITLE_MAX: usize = 24;
/// Characters of a row's id.
pub const ROW_ID_MAX: usize = 200;
/// Characters of a row's description.
pub const ROW_DESCRIPTION_MAX: usize = 72;
/// Characters on the button that opens a WhatsApp Flow (Meta's OpenAPI; a library says 20).
pub const FLOW_CTA_MAX: usize = 30;
/// Products of a product list, over all its sections.
pub const PRODUCTS_MAX: usize = 30;
/// Cards of a carousel.
pub const CARDS_MAX: usize = 10;
/// Characters of a carousel card's body.
pub const CARD_BODY_MAX: usize = 160;
/// Line breaks in a carousel card's body.
pub const CARD_LINE_BREAKS_MAX: usize = 2;
/// Contact cards of one message. A library says 257, Meta's OpenAPI 5.
pub const CONTACTS_MAX: usize = 257;
/// Characters of a template's name.
pub const TEMPLATE_NAME_MAX: usize = 512;
/// Characters of `biz_opaque_callback_data`.
pub const CALLBACK_DATA_MAX: usize = 512;

/// Whether the texts are what will be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Templates {
    /// Everything is filled in: the message as it would go out.
    Filled,
    /// Texts with `{{` or `{%` in them are still to be filled in, so nothing is said about their length or form.
    MayRemain,
}

/// Everything Meta would refuse in a message, with JSON pointers into its content. Empty when nothing is known to be
/// wrong. An unknown message type is one fault; an unknown type of interactive message passes, because Meta adds some
/// every year.
pub fn check(message: &OutgoingMessage, templates: Templates) -> Vec<Fault> {
    let mut check = Check::new(templates);
    content(&mut check, &message.kind, &Place::root(&message.content));
    check.faults
}

/// Checks the object named like the type.
fn content(check: &mut Check, kind: &str, content: &Place<'_>) {
    match kind {
        "text" => simple::text(check, content),
        "image" | "video" | "document" | "audio" | "sticker" => simple::media(check, kind, content),
        "location" => simple::location(check, content),
        "contacts" => simple::contacts(check, content),
        "reaction" => simple::reaction(check, content),
        "interactive" => interactive::interactive(check, content),
        "template" => template::template(check, content),
        _ => check.fault(content, "there is no message type of this name in the Cloud API"),
    }
}
