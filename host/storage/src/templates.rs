//! Flow templates: definitions to make flows from.

use domain::{FlowDefinition, TemplateId, Time, UserId};
use sqlx::{FromRow, types::Json};

use crate::{Page, Result, Tx, db::on};

/// A flow template.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Template {
    /// Row id.
    #[sqlx(try_from = "i64")]
    pub id: TemplateId,
    /// Name given by its owner.
    pub name: String,
    /// Text for people.
    pub description: Option<String>,
    /// Word to group templates by.
    pub category: Option<String>,
    /// The nodes that a flow made from it begins with.
    #[sqlx(json)]
    pub definition: FlowDefinition,
    /// When it was made.
    pub created_at: Time,
}

/// What a new template brings.
#[derive(Debug, Clone, Copy)]
pub struct NewTemplate<'a> {
    /// Name given by its owner.
    pub name: &'a str,
    /// Text for people.
    pub description: Option<&'a str>,
    /// Word to group templates by.
    pub category: Option<&'a str>,
    /// The nodes.
    pub definition: &'a FlowDefinition,
}

impl Tx {
    /// Makes a template.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the owner is gone.
    pub async fn create_template(&mut self, owner: UserId, new: NewTemplate<'_>, now: Time) -> Result<Template> {
        Ok(on!(self, c => sqlx::query_as(
            "INSERT INTO flow_templates (owner_id, name, description, category, definition, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, name, description, category, definition, created_at",
        )
        .bind(owner.0)
        .bind(new.name)
        .bind(new.description)
        .bind(new.category)
        .bind(Json(new.definition))
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// A template of this owner.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn template(&mut self, owner: UserId, id: TemplateId) -> Result<Option<Template>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT id, name, description, category, definition, created_at
             FROM flow_templates WHERE id = $1 AND owner_id = $2",
        )
        .bind(id.0)
        .bind(owner.0)
        .fetch_optional(c)
        .await)?)
    }

    /// The owner's templates by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn templates(&mut self, owner: UserId, limit: i64, skip: i64) -> Result<Page<Template>> {
        let total = on!(self, c => sqlx::query_scalar("SELECT COUNT(*) FROM flow_templates WHERE owner_id = $1")
            .bind(owner.0)
            .fetch_one(c)
            .await)?;
        let items = on!(self, c => sqlx::query_as(
            "SELECT id, name, description, category, definition, created_at
             FROM flow_templates WHERE owner_id = $1 ORDER BY id LIMIT $2 OFFSET $3",
        )
        .bind(owner.0)
        .bind(limit)
        .bind(skip)
        .fetch_all(c)
        .await)?;
        Ok(Page { items, total })
    }

    /// Deletes a template; flows made from it stay. Answers whether the owner had it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_template(&mut self, owner: UserId, id: TemplateId) -> Result<bool> {
        let done = on!(self, c => sqlx::query("DELETE FROM flow_templates WHERE id = $1 AND owner_id = $2")
            .bind(id.0)
            .bind(owner.0)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }
}
