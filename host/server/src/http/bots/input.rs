//! What a client may say of a bot.

use domain::BotId;
use engine::consent;
use storage::{BotSettings, WordLists};
use utoipa::ToSchema;

use super::words;
use crate::{
    http::{
        body::{Body, Field},
        problem::{Problem, Result},
    },
    secrets::Secrets,
};

/// Most characters of an answer to a stop or start word.
const REPLY_CHARS_MAX: usize = 1_024;

/// Names of the columns that are sealed, also part of what they are sealed with.
pub(crate) mod sealed {
    /// Access token of the Cloud API.
    pub(crate) const ACCESS_TOKEN: &str = "whatsapp_access_token";
    /// App secret that signs webhooks.
    pub(crate) const APP_SECRET: &str = "whatsapp_app_secret";
    /// Verify token of the webhook handshake.
    pub(crate) const VERIFY_TOKEN: &str = "whatsapp_verify_token";
}

/// A bot. In an update, what is absent stays as it is and null clears; what a bot lacks comes from the server's
/// environment. Secrets can be written and never read.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct BotInput {
    /// Required when creating.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// IANA time zone.
    #[schema(default = "UTC")]
    timezone: Option<String>,
    #[schema(default = true)]
    is_active: Option<bool>,
    #[schema(default = true)]
    is_whatsapp_enabled: Option<bool>,
    /// Belongs to one bot only.
    whatsapp_phone_number_id: Option<String>,
    whatsapp_business_account_id: Option<String>,
    #[schema(write_only)]
    whatsapp_access_token: Option<String>,
    #[schema(write_only)]
    whatsapp_app_secret: Option<String>,
    #[schema(write_only)]
    whatsapp_verify_token: Option<String>,
    /// By language, what contacts write to get nothing more that they did not ask for: up to 500 words in all, of up to 50
    /// characters. The words of all languages count for everybody. Null for those that come along, `{}` for none.
    #[schema(value_type = Option<Object>, example = json!({ "en": ["stop"], "de": ["stopp"] }))]
    stop_words: Option<WordLists>,
    /// By language, what contacts write to take that back.
    #[schema(value_type = Option<Object>, example = json!({ "en": ["start"] }))]
    start_words: Option<WordLists>,
    /// What a contact is answered who wrote a stop word; nothing unless set.
    #[schema(max_length = 1024)]
    opt_out_reply: Option<String>,
    /// What a contact is answered who wrote a start word; nothing unless set.
    #[schema(max_length = 1024)]
    opt_in_reply: Option<String>,
    /// Whether what contacts write is marked as read.
    #[schema(default = false)]
    mark_as_read: Option<bool>,
    /// Whether contacts see that an answer is being typed. WhatsApp marks their message as read with it.
    #[schema(default = false)]
    typing_indicator: Option<bool>,
}

/// Secrets on their way into a bot: nothing keeps what is there, `Some(None)` clears.
#[derive(Default)]
pub(in crate::http) struct NewSecrets {
    access_token: Option<Option<String>>,
    app_secret: Option<Option<String>>,
    verify_token: Option<Option<String>>,
}

/// Reads a bot over `settings`, which are the defaults or what is there.
pub(super) fn read(body: &mut Body, settings: &mut BotSettings, is_new: bool) -> NewSecrets {
    body.text("name").one_line().min(1).max(200).set(&mut settings.name, is_new);
    body.text("description").or_empty().max(2_000).set_optional(&mut settings.description);
    body.text("timezone").check(|name| is_timezone(name)).set(&mut settings.timezone, false);
    body.boolean("is_active").set(&mut settings.is_active, false);
    body.boolean("is_whatsapp_enabled").set(&mut settings.is_whatsapp_enabled, false);
    meta_id(body.text("whatsapp_phone_number_id")).set_optional(&mut settings.whatsapp_phone_number_id);
    meta_id(body.text("whatsapp_business_account_id")).set_optional(&mut settings.whatsapp_business_account_id);
    words::read(body, "stop_words", &consent::stop_words(), &mut settings.stop_words);
    words::read(body, "start_words", &consent::start_words(), &mut settings.start_words);
    body.text("opt_out_reply").or_empty().max(REPLY_CHARS_MAX).set_optional(&mut settings.opt_out_reply);
    body.text("opt_in_reply").or_empty().max(REPLY_CHARS_MAX).set_optional(&mut settings.opt_in_reply);
    body.boolean("mark_as_read").set(&mut settings.mark_as_read, false);
    body.boolean("typing_indicator").set(&mut settings.typing_indicator, false);
    NewSecrets {
        access_token: body.text(sealed::ACCESS_TOKEN).or_empty().one_line().max(2_000).patch(),
        app_secret: body.text(sealed::APP_SECRET).or_empty().one_line().max(200).patch(),
        verify_token: body.text(sealed::VERIFY_TOKEN).or_empty().one_line().max(200).patch(),
    }
}

fn meta_id(field: Field<'_, String>) -> Field<'_, String> {
    field.or_empty().one_line().max(64)
}

/// Whether the text names an IANA time zone.
pub(in crate::http) fn is_timezone(name: &str) -> std::result::Result<(), String> {
    match name.parse::<chrono_tz::Tz>() {
        Ok(_) => Ok(()),
        Err(_) => Err("must be an IANA time zone such as Europe/Berlin".into()),
    }
}

impl NewSecrets {
    /// Whether there is something to write.
    pub(super) fn is_some(&self) -> bool {
        self.access_token.is_some() || self.app_secret.is_some() || self.verify_token.is_some()
    }

    /// Puts them, sealed for this bot, into its settings.
    pub(super) fn seal_into(self, settings: &mut BotSettings, bot: BotId, secrets: &Secrets) -> Result<()> {
        for (field, new, target) in [
            (sealed::ACCESS_TOKEN, self.access_token, &mut settings.whatsapp_access_token),
            (sealed::APP_SECRET, self.app_secret, &mut settings.whatsapp_app_secret),
            (sealed::VERIFY_TOKEN, self.verify_token, &mut settings.whatsapp_verify_token),
        ] {
            match new {
                None => {}
                Some(None) => *target = None,
                Some(Some(secret)) => {
                    *target = Some(secrets.seal(bot, field, &secret).map_err(|error| Problem::internal(&error))?);
                }
            }
        }
        Ok(())
    }
}

/// What to say when the database finds the phone number id taken.
pub(super) fn conflict(error: storage::Error) -> Problem {
    match error {
        storage::Error::Conflict(_) => Problem::conflict("another bot has this whatsapp_phone_number_id"),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<BotInput>(|body| drop(read(body, &mut BotSettings::default(), true)));
    }
}
