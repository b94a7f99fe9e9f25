//! Contacts as the API sees them. What webhooks tell of contacts is in `sightings`.

use domain::{Address, BotId, ConsentSource, Contact, ContactId, JsonMap, Time, UserId};
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{NewConsent, Page, Result, Tx, db::on, rows::statement};

/// Every address that leads to a contact. Databases push a condition on `bot_id` and `address` down into its parts.
pub(crate) const ADDRESSES: &str = "SELECT bot_id, phone AS address, id AS contact_id FROM contacts
     UNION ALL SELECT bot_id, bsuid, id FROM contacts
     UNION ALL SELECT bot_id, address, contact_id FROM contact_aliases";

#[derive(Debug, Clone, FromRow)]
pub(crate) struct ContactRow {
    #[sqlx(try_from = "i64")]
    id: ContactId,
    #[sqlx(try_from = "i64")]
    bot_id: BotId,
    phone: Option<String>,
    bsuid: Option<String>,
    username: Option<String>,
    name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    language: Option<String>,
    timezone: Option<String>,
    #[sqlx(json)]
    tags: Vec<String>,
    #[sqlx(json)]
    attributes: JsonMap,
    source: String,
    opted_in: bool,
    opted_in_changed_at: Option<Time>,
    opted_in_source: Option<String>,
    last_inbound_at: Option<Time>,
    window_closed_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

impl From<ContactRow> for Contact {
    fn from(row: ContactRow) -> Self {
        Self {
            id: row.id,
            bot_id: row.bot_id,
            phone: row.phone,
            bsuid: row.bsuid,
            username: row.username,
            name: row.name,
            first_name: row.first_name,
            last_name: row.last_name,
            email: row.email,
            language: row.language,
            timezone: row.timezone,
            tags: row.tags,
            attributes: row.attributes,
            source: row.source,
            opted_in: row.opted_in,
            opted_in_changed_at: row.opted_in_changed_at,
            opted_in_source: row.opted_in_source.as_deref().and_then(ConsentSource::parse),
            last_inbound_at: row.last_inbound_at,
            window_closed_at: row.window_closed_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What of a contact may be set by API.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactFields {
    /// Phone number in digits; unique in the bot.
    pub phone: Option<String>,
    /// Business-scoped user id; unique in the bot. One of the two is there.
    pub bsuid: Option<String>,
    /// Name for people.
    pub name: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// BCP 47 language tag.
    pub language: Option<String>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// Labels for audiences.
    pub tags: Vec<String>,
    /// Free fields.
    pub attributes: JsonMap,
    /// Where the contact came from.
    pub source: String,
    /// Whether the contact agrees to get messages that it did not ask for.
    pub opted_in: bool,
}

impl Default for ContactFields {
    /// Nothing but the agreement, which stands until it is withdrawn.
    fn default() -> Self {
        Self {
            phone: None,
            bsuid: None,
            name: None,
            first_name: None,
            last_name: None,
            email: None,
            language: None,
            timezone: None,
            tags: Vec::new(),
            attributes: JsonMap::new(),
            source: String::new(),
            opted_in: true,
        }
    }
}

impl From<&Contact> for ContactFields {
    fn from(contact: &Contact) -> Self {
        Self {
            phone: contact.phone.clone(),
            bsuid: contact.bsuid.clone(),
            name: contact.name.clone(),
            first_name: contact.first_name.clone(),
            last_name: contact.last_name.clone(),
            email: contact.email.clone(),
            language: contact.language.clone(),
            timezone: contact.timezone.clone(),
            tags: contact.tags.clone(),
            attributes: contact.attributes.clone(),
            source: contact.source.clone(),
            opted_in: contact.opted_in,
        }
    }
}

/// Which contacts to list. Empty parts filter nothing.
#[derive(Debug, Clone, Default)]
pub struct ContactFilter {
    /// Of this bot.
    pub bot: Option<BotId>,
    /// With this tag, letter for letter.
    pub tag: Option<String>,
    /// With this text somewhere in the names, the phone, the business-scoped user id or the e-mail address, without
    /// regard to case (on SQLite: of ASCII letters).
    pub q: Option<String>,
}

/// The text as a `LIKE` pattern (escape character `\`) that finds it anywhere.
fn anywhere(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl Tx {
    /// Makes a contact.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the bot has a contact of this phone or business-scoped user
    /// id.
    pub async fn create_contact(&mut self, bot: BotId, fields: &ContactFields, now: Time) -> Result<Contact> {
        let taken: Option<String> = on!(self, c => sqlx::query_scalar(
            "SELECT address FROM contact_aliases WHERE bot_id = $1 AND ceased_at IS NULL AND address IN ($2, $3) LIMIT 1")
            .bind(bot.0).bind(&fields.phone).bind(&fields.bsuid).fetch_optional(c).await)?;
        if taken.is_some() {
            return Err(crate::Error::Conflict("contact_aliases".into()));
        }
        let row: ContactRow = on!(self, c => sqlx::query_as(
            "INSERT INTO contacts (bot_id, phone, bsuid, name, first_name, last_name, email, language, timezone, tags,
                                   attributes, source, opted_in, is_announced, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15) RETURNING *",
        )
        .bind(bot.0)
        .bind(&fields.phone)
        .bind(&fields.bsuid)
        .bind(&fields.name)
        .bind(&fields.first_name)
        .bind(&fields.last_name)
        .bind(&fields.email)
        .bind(&fields.language)
        .bind(&fields.timezone)
        .bind(Json(&fields.tags))
        .bind(Json(&fields.attributes))
        .bind(&fields.source)
        .bind(fields.opted_in)
        .bind(false)
        .bind(now)
        .fetch_one(c)
        .await)?;
        if !fields.opted_in {
            let (contact_id, source) = (row.id, ConsentSource::Api);
            self.add_consent(&NewConsent { contact_id, opted_in: false, source, detail: None, at: now }, now).await?;
        }
        Ok(row.into())
    }

    /// The contact that an address names, made if there is none; also if somebody else makes it at the same moment.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ensure_contact(&mut self, bot: BotId, address: &Address, source: &str, now: Time) -> Result<Contact> {
        if let Some(contact) = self.contact_by_address(bot, address).await? {
            return Ok(contact);
        }
        let (phone, bsuid) = match address {
            Address::Phone(phone) => (Some(phone), None),
            Address::Bsuid(bsuid) => (None, Some(bsuid)),
        };
        on!(self, c => sqlx::query(
            "INSERT INTO contacts (bot_id, phone, bsuid, tags, attributes, source, opted_in, is_announced, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT DO NOTHING")
            .bind(bot.0).bind(phone).bind(bsuid).bind(Json(Vec::<String>::new())).bind(Json(JsonMap::new()))
            .bind(source).bind(true).bind(false).bind(now).execute(c).await.map(|_| ()))?;
        let contact = self.contact_by_address(bot, address).await?;
        contact.ok_or_else(|| crate::Error::Corrupt("a contact vanished while it was made".into()))
    }

    /// Writes all fields of a contact; whoever calls has checked whose it is. A change of its agreement goes into the
    /// history.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the bot has another contact of this phone or business-scoped
    /// user id.
    pub async fn update_contact(&mut self, id: ContactId, fields: &ContactFields, now: Time) -> Result<Contact> {
        let (opted_in, source) = (fields.opted_in, ConsentSource::Api);
        self.change_consent(&NewConsent { contact_id: id, opted_in, source, detail: None, at: now }, now).await?;
        let row: ContactRow = on!(self, c => sqlx::query_as(
            "UPDATE contacts SET phone = $2, bsuid = $3, name = $4, first_name = $5, last_name = $6, email = $7,
                    language = $8, timezone = $9, tags = $10, attributes = $11, source = $12, updated_at = $13
             WHERE id = $1 RETURNING *",
        )
        .bind(id.0)
        .bind(&fields.phone)
        .bind(&fields.bsuid)
        .bind(&fields.name)
        .bind(&fields.first_name)
        .bind(&fields.last_name)
        .bind(&fields.email)
        .bind(&fields.language)
        .bind(&fields.timezone)
        .bind(Json(&fields.tags))
        .bind(Json(&fields.attributes))
        .bind(&fields.source)
        .bind(now)
        .fetch_one(c)
        .await)?;
        Ok(row.into())
    }

    /// Notes that there is a `new_contact` event for these contacts, and answers for which of them there was none yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn announce_contacts(&mut self, ids: &[ContactId]) -> Result<Vec<ContactId>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let announced: Vec<i64> = on!(self, c => {
            let mut query = statement!(ids.len(), "UPDATE contacts SET is_announced = ");
            query.push_bind(true).push(" WHERE is_announced = ").push_bind(false).push(" AND id IN ");
            query.push_list(ids.iter().map(|id| id.0));
            query.push(" RETURNING id").build_query_scalar().fetch_all(c).await
        })?;
        Ok(announced.into_iter().map(Into::into).collect())
    }

    /// A contact of a bot of this owner.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn contact(&mut self, owner: UserId, id: ContactId) -> Result<Option<Contact>> {
        let row: Option<ContactRow> = on!(self, c => sqlx::query_as(
            "SELECT c.* FROM contacts c JOIN bots b ON b.id = c.bot_id WHERE c.id = $1 AND b.owner_id = $2",
        )
        .bind(id.0)
        .bind(owner.0)
        .fetch_optional(c)
        .await)?;
        Ok(row.map(Contact::from))
    }

    /// A contact of a bot of this owner, kept from changing until this transaction ends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_contact(&mut self, owner: UserId, id: ContactId) -> Result<Option<Contact>> {
        let lock = self.for_update();
        let locked: Option<i64> = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT id FROM contacts WHERE id = ");
            query.push_bind(id.0).push(lock).build_query_scalar().fetch_optional(c).await
        })?;
        match locked {
            Some(_) => self.contact(owner, id).await,
            None => Ok(None),
        }
    }

    /// The owner's contacts that fit the filter, by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn contacts(
        &mut self,
        owner: UserId,
        filter: &ContactFilter,
        limit: i64,
        skip: i64,
    ) -> Result<Page<Contact>> {
        let (tag_begin, tag_end) = self.has_tag();
        let pattern = filter.q.as_deref().map(anywhere);
        macro_rules! query {
            ($columns:literal) => {{
                let mut query = QueryBuilder::new($columns);
                query.push(" FROM contacts c JOIN bots b ON b.id = c.bot_id WHERE b.owner_id = ").push_bind(owner.0);
                if let Some(bot) = filter.bot {
                    query.push(" AND c.bot_id = ").push_bind(bot.0);
                }
                if let Some(tag) = &filter.tag {
                    query.push(" AND ").push(tag_begin).push_bind(tag).push(tag_end);
                }
                if let Some(pattern) = &pattern {
                    query.push(" AND (");
                    for (n, column) in
                        ["name", "first_name", "last_name", "phone", "bsuid", "email"].into_iter().enumerate()
                    {
                        query.push(if n == 0 { "LOWER(c." } else { " OR LOWER(c." }).push(column).push(") LIKE ");
                        query.push_bind(pattern).push(r" ESCAPE '\'");
                    }
                    query.push(")");
                }
                query
            }};
        }
        let total = on!(self, c => query!("SELECT COUNT(*)").build_query_scalar().fetch_one(c).await)?;
        let rows: Vec<ContactRow> = on!(self, c => {
            let mut query = query!("SELECT c.*");
            query.push(" ORDER BY c.id LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(Page { items: rows.into_iter().map(Contact::from).collect(), total })
    }

    /// Deletes a contact with its messages and executions. Answers whether the owner had it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_contact(&mut self, owner: UserId, id: ContactId) -> Result<bool> {
        let done = on!(self, c => sqlx::query(
            "DELETE FROM contacts WHERE id = $1 AND bot_id IN (SELECT id FROM bots WHERE owner_id = $2)",
        )
        .bind(id.0)
        .bind(owner.0)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }

    /// The contacts with these ids, whoever owns their bots, in no order; those that are gone are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn contacts_by_ids(&mut self, ids: &[ContactId]) -> Result<Vec<Contact>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<ContactRow> = on!(self, c => {
            let mut query = statement!(ids.len(),
                "SELECT id, bot_id, phone, bsuid, username, name, first_name, last_name, email, language, timezone, tags,
                    attributes, source, opted_in, opted_in_changed_at, opted_in_source, last_inbound_at, window_closed_at,
                    created_at, updated_at FROM contacts WHERE id IN ");
            query.push_list(ids.iter().map(|id| id.0));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(Contact::from).collect())
    }

    /// The contact of a bot, whoever owns it, that is reached at this address, which may be an alias of its own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn contact_by_address(&mut self, bot: BotId, address: &Address) -> Result<Option<Contact>> {
        let address = address.to_string();
        // Its own address comes before what was another contact's.
        let row: Option<ContactRow> = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT c.* FROM contacts c JOIN (");
            query.push(ADDRESSES).push(") AS a ON a.contact_id = c.id WHERE a.bot_id = ").push_bind(bot.0);
            query.push(" AND a.address = ").push_bind(&address);
            query.push(" ORDER BY CASE WHEN a.address IN (c.phone, c.bsuid) THEN 0 ELSE 1 END LIMIT 1");
            query.build_query_as().fetch_optional(c).await
        })?;
        Ok(row.map(Contact::from))
    }
}
