//! Webhook fields other than `messages`: what they tell of the account, its numbers, its templates and its people.

use domain::Time;

use super::{
    document::Raw,
    fields::Fields,
    odd::OddKind,
    people::{self, People},
    time::timestamp,
};

/// One webhook of a field other than `messages`.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountEvent {
    /// Name of the webhook field, e.g. `message_template_status_update`.
    pub field: String,
    /// Its value as received, as JSON text, because ids in it may be numbers beyond 2^53.
    pub value: String,
    /// When Meta says it sent it, which tells a repetition from a second event; absent when Meta does not say.
    pub sent_at: Option<Time>,
    /// What a sender should act on. Empty for fields that only inform, and for those that Meta adds in the future.
    pub updates: Vec<AccountUpdate>,
}

/// What a sender should act on. Every text is as Meta writes it, unless it says otherwise; lists of words grow, so
/// they are kept as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountUpdate {
    /// A template was approved, paused, disabled, … (`message_template_status_update`).
    TemplateStatus {
        /// Which one.
        template: TemplateRef,
        /// `APPROVED`, `REJECTED`, `PAUSED`, `DISABLED`, …
        event: String,
        /// Why, where Meta gives a reason.
        reason: Option<String>,
    },
    /// A template's quality changed (`message_template_quality_update`).
    TemplateQuality {
        /// Which one.
        template: TemplateRef,
        /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
        score: String,
    },
    /// A template's category changed, which changes its price (`template_category_update`).
    TemplateCategory {
        /// Which one.
        template: TemplateRef,
        /// `MARKETING`, `UTILITY` or `AUTHENTICATION`.
        category: String,
    },
    /// A number's quality or throughput changed (`phone_number_quality_update`).
    NumberQuality {
        /// The number in digits.
        display_phone_number: Option<String>,
        /// `FLAGGED`, `UNFLAGGED`, `UPGRADE`, `DOWNGRADE`, `THROUGHPUT_UPGRADE`, `ONBOARDING`, …
        event: String,
        /// The messaging limit it has now, e.g. `TIER_10K`; no longer told since February 2026.
        current_limit: Option<String>,
    },
    /// The account was restricted, disabled, restored, … (`account_update`).
    Account {
        /// `DISABLED_UPDATE`, `ACCOUNT_RESTRICTION`, `ACCOUNT_VIOLATION`, …
        event: String,
        /// The number it is about in digits, if about one.
        phone_number: Option<String>,
        /// `ban_info.waba_ban_state`.
        ban_state: Option<String>,
        /// `restriction_info[].restriction_type`.
        restrictions: Vec<String>,
        /// `violation_info.violation_type`.
        violation: Option<String>,
    },
    /// A person wants, or no longer wants, a category of messages (`user_preferences`).
    Preference {
        /// Phone in digits.
        phone: Option<String>,
        /// Business-scoped user id. One of the two is there.
        bsuid: Option<String>,
        /// `marketing_messages`
        category: String,
        /// `false` for `stop`, `true` for `resume`.
        is_wanted: bool,
        /// When the person said so.
        at: Time,
    },
    /// A person has another business-scoped user id (`user_id_update`).
    UserId(UserIdChange),
}

/// Which template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRef {
    /// Meta's id, in digits.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its language code.
    pub language: Option<String>,
}

/// A person's business-scoped user id was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserIdChange {
    /// The person's phone in digits, where Meta tells it.
    pub phone: Option<String>,
    /// The id so far, where Meta tells it.
    pub previous: Option<String>,
    /// The id from now on.
    pub current: String,
    /// When it was replaced.
    pub at: Time,
}

/// Called with a pointer below the value and what is odd there.
type Report<'a> = &'a mut dyn FnMut(String, OddKind);

/// Reads what a sender should act on. Whatever cannot be read is reported and costs only itself.
pub(super) fn read(field: &str, value: &Fields<'_>, received_at: Time, odd: Report<'_>) -> Vec<AccountUpdate> {
    let update = match field {
        "message_template_status_update" => needed(value, "event", odd).map(|event| AccountUpdate::TemplateStatus {
            template: template(value),
            event,
            reason: value.filled("reason").filter(|reason| reason != "NONE"),
        }),
        "message_template_quality_update" => needed(value, "new_quality_score", odd)
            .map(|score| AccountUpdate::TemplateQuality { template: template(value), score }),
        // `correct_category` announces what `new_category` will be.
        "template_category_update" => value
            .filled("new_category")
            .map(|category| AccountUpdate::TemplateCategory { template: template(value), category }),
        "phone_number_quality_update" => needed(value, "event", odd).map(|event| AccountUpdate::NumberQuality {
            display_phone_number: value.text("display_phone_number").and_then(|number| people::digits(&number)),
            event,
            current_limit: value.filled("current_limit"),
        }),
        "account_update" => needed(value, "event", odd).map(|event| account(value, event)),
        "user_preferences" => {
            let people = People::of(value.list("contacts").unwrap_or_default());
            return each(value, field, odd, |entry| preference(entry, &people, received_at));
        }
        "user_id_update" => return each(value, field, odd, |entry| user_id(entry, received_at)),
        _ => None,
    };
    update.into_iter().collect()
}

fn needed(value: &Fields<'_>, name: &'static str, odd: Report<'_>) -> Option<String> {
    let text = value.filled(name);
    if text.is_none() {
        odd(format!("/{name}"), OddKind::NotAText);
    }
    text
}

/// Reads the entries of the list that is named like its field.
fn each(
    value: &Fields<'_>,
    field: &str,
    odd: Report<'_>,
    read: impl Fn(&Fields<'_>) -> Option<AccountUpdate>,
) -> Vec<AccountUpdate> {
    let Ok(entries) = value.list(field) else {
        odd(format!("/{field}"), OddKind::NotAnArray);
        return Vec::new();
    };
    let mut updates = Vec::new();
    for (index, raw) in entries.enumerate() {
        match Fields::of(raw).as_ref().map(&read) {
            Some(Some(update)) => updates.push(update),
            Some(None) => odd(format!("/{field}/{index}"), OddKind::NotAText),
            None => odd(format!("/{field}/{index}"), OddKind::NotAnObject),
        }
    }
    updates
}

fn template(value: &Fields<'_>) -> TemplateRef {
    TemplateRef {
        id: value.filled("message_template_id"),
        name: value.filled("message_template_name"),
        language: value.filled("message_template_language"),
    }
}

fn account(value: &Fields<'_>, event: String) -> AccountUpdate {
    let within = |name: &str, field: &str| value.object(name).and_then(|info| info.filled(field));
    // Seen as a list and as a single object.
    let restrictions: Vec<Raw<'_>> = match value.list("restriction_info") {
        Ok(entries) => entries.collect(),
        Err(()) => value.raw("restriction_info").into_iter().collect(),
    };
    AccountUpdate::Account {
        event,
        phone_number: value.text("phone_number").and_then(|number| people::digits(&number)),
        ban_state: within("ban_info", "waba_ban_state"),
        restrictions: restrictions.into_iter().filter_map(|raw| Fields::of(raw)?.filled("restriction_type")).collect(),
        violation: within("violation_info", "violation_type"),
    }
}

fn preference(entry: &Fields<'_>, people: &People, received_at: Time) -> Option<AccountUpdate> {
    let phone = entry.text("wa_id").and_then(|id| people::digits(&id));
    let bsuid = entry.text("user_id").and_then(|id| people::bsuid(&id));
    let person = people.complete(phone, bsuid);
    if person.phone.is_none() && person.bsuid.is_none() {
        return None;
    }
    let is_wanted = match entry.text("value")?.as_str() {
        "stop" => false,
        "resume" => true,
        _ => return None,
    };
    let category = entry.filled("category")?;
    Some(AccountUpdate::Preference {
        phone: person.phone,
        bsuid: person.bsuid,
        category,
        is_wanted,
        at: timestamp(entry, received_at),
    })
}

fn user_id(entry: &Fields<'_>, received_at: Time) -> Option<AccountUpdate> {
    let ids = entry.object("user_id")?;
    let id = |name| ids.text(name).and_then(|id| people::bsuid(&id));
    Some(AccountUpdate::UserId(UserIdChange {
        phone: entry.text("wa_id").and_then(|id| people::digits(&id)),
        previous: id("previous"),
        current: id("current")?,
        at: timestamp(entry, received_at),
    }))
}
