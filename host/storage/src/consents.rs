//! What contacts agree to: every change with its source, exactly once.

use domain::{BotId, ConsentSource, ContactId, Time, UserId};
use sqlx::FromRow;

use crate::{Error, Page, Result, Tx, db::on};

/// Most characters that are kept of a change's particulars.
const DETAIL_CHARS_MAX: usize = 200;

/// Meta's word for the category of templates that need the contact's agreement.
const MARKETING: &str = "MARKETING";

/// Somebody says whether a contact agrees to get messages that it did not ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConsent {
    /// About whom.
    pub contact_id: ContactId,
    /// Whether it agrees.
    pub opted_in: bool,
    /// Who says so.
    pub source: ConsentSource,
    /// Particulars for people, e.g. the word that was written; cut after 200 characters.
    pub detail: Option<String>,
    /// When it was said; by Meta's clock where a webhook told it.
    pub at: Time,
}

/// A change of a contact's agreement as stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Consent {
    /// Row id.
    pub id: i64,
    /// Whether the contact agreed from then on.
    pub opted_in: bool,
    /// See [`ConsentSource`].
    #[sqlx(try_from = "String")]
    source: SourceWord,
    /// Particulars for people.
    pub detail: Option<String>,
    /// When it was said.
    pub at: Time,
}

impl Consent {
    /// Who said so.
    pub fn source(&self) -> ConsentSource {
        self.source.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SourceWord(ConsentSource);

impl TryFrom<String> for SourceWord {
    type Error = Error;

    fn try_from(word: String) -> Result<Self> {
        ConsentSource::parse(&word).map(Self).ok_or_else(|| Error::Corrupt(format!("consent from {word}")))
    }
}

impl Tx {
    /// Notes what a contact agrees to. Answers whether that is a change: it is none when the contact says what it said
    /// before, nor when a webhook tells late of something that was overtaken meanwhile.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn change_consent(&mut self, consent: &NewConsent, now: Time) -> Result<bool> {
        // Webhooks come late and more than once; whoever speaks now means now.
        let told_late = matches!(consent.source, ConsentSource::Keyword | ConsentSource::UserPreferences);
        let changed = on!(self, c => sqlx::query(
            "UPDATE contacts SET opted_in = $2, opted_in_changed_at = $3, opted_in_source = $4, updated_at = $5
             WHERE id = $1 AND opted_in <> $2 AND ($6 OR opted_in_changed_at IS NULL OR opted_in_changed_at <= $3)")
            .bind(consent.contact_id.0).bind(consent.opted_in).bind(consent.at).bind(consent.source.as_str()).bind(now)
            .bind(!told_late).execute(c).await.map(|done| done.rows_affected() > 0))?;
        if changed {
            self.add_consent(consent, now).await?;
        }
        Ok(changed)
    }

    /// Writes to the history only.
    pub(crate) async fn add_consent(&mut self, consent: &NewConsent, now: Time) -> Result<()> {
        let detail: Option<String> = consent.detail.as_ref().map(|text| text.chars().take(DETAIL_CHARS_MAX).collect());
        on!(self, c => sqlx::query(
            "INSERT INTO consents (contact_id, opted_in, source, detail, at, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(consent.contact_id.0).bind(consent.opted_in).bind(consent.source.as_str()).bind(detail)
            .bind(consent.at).bind(now).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// Whether a bot's template is known to be for marketing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_marketing(&mut self, bot: BotId, name: &str, language: &str) -> Result<bool> {
        let found: Option<i64> = on!(self, c => sqlx::query_scalar(
            "SELECT id FROM message_templates WHERE bot_id = $1 AND name = $2 AND language = $3 AND category = $4")
            .bind(bot.0).bind(name).bind(language).bind(MARKETING).fetch_optional(c).await)?;
        Ok(found.is_some())
    }

    /// A bot's templates that are known to be for marketing: name and language of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn marketing_templates(&mut self, bot: BotId) -> Result<Vec<(String, String)>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT name, language FROM message_templates WHERE bot_id = $1 AND category = $2 ORDER BY name, language")
            .bind(bot.0).bind(MARKETING).fetch_all(c).await)?)
    }

    /// The changes of a contact of this owner, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn consents(
        &mut self,
        owner: UserId,
        contact: ContactId,
        limit: i64,
        skip: i64,
    ) -> Result<Page<Consent>> {
        macro_rules! query {
            ($columns:literal, $rest:literal) => {
                concat!(
                    "SELECT ",
                    $columns,
                    " FROM consents h JOIN contacts c ON c.id = h.contact_id JOIN bots b ON b.id = c.bot_id
                      WHERE h.contact_id = $1 AND b.owner_id = $2",
                    $rest
                )
            };
        }
        let total = on!(self, c => sqlx::query_scalar(query!("COUNT(*)", ""))
            .bind(contact.0).bind(owner.0).fetch_one(c).await)?;
        let items = on!(self, c => sqlx::query_as(
            query!("h.id, h.opted_in, h.source, h.detail, h.at", " ORDER BY h.id DESC LIMIT $3 OFFSET $4"))
            .bind(contact.0).bind(owner.0).bind(limit).bind(skip).fetch_all(c).await)?;
        Ok(Page { items, total })
    }
}
