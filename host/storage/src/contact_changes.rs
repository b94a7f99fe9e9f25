//! Contacts as flows change them, beside people who change them by API.

use domain::{Contact, ContactId, Time};
use sqlx::{QueryBuilder, types::Json};

use crate::{Result, Tx, contacts::ContactRow, db::on};

impl Tx {
    /// Contacts, kept from changing until this transaction ends. To be called before mailboxes are locked, as everybody
    /// does.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lock_contacts(&mut self, ids: &[ContactId]) -> Result<Vec<Contact>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let lock = self.for_no_key_update();
        let rows: Vec<ContactRow> = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT * FROM contacts WHERE id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.0);
            }
            query.push(") ORDER BY id").push(lock);
            query.build_query_as().persistent(false).fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(Contact::from).collect())
    }

    /// Writes what a flow can change of contacts that were locked in this transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn write_contacts(&mut self, contacts: &[Contact], now: Time) -> Result<()> {
        for contact in contacts {
            on!(self, c => sqlx::query(
                "UPDATE contacts SET name = $2, email = $3, language = $4, timezone = $5, tags = $6, attributes = $7,
                        updated_at = $8
                 WHERE id = $1")
                .bind(contact.id.0)
                .bind(&contact.name)
                .bind(&contact.email)
                .bind(&contact.language)
                .bind(&contact.timezone)
                .bind(Json(&contact.tags))
                .bind(Json(&contact.attributes))
                .bind(now)
                .execute(c).await.map(|_| ()))?;
        }
        Ok(())
    }

    /// Names a contact that has no name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn name_contact(&mut self, id: ContactId, name: &str, now: Time) -> Result<()> {
        on!(self, c => sqlx::query("UPDATE contacts SET name = $2, updated_at = $3 WHERE id = $1 AND name IS NULL")
            .bind(id.0).bind(name).bind(now).execute(c).await.map(|_| ()))?;
        Ok(())
    }
}
