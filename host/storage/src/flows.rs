//! Flows and their published versions.

use domain::{BotId, FlowDefinition, FlowId, Time, UserId};
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Page, Result, Tx, db::on};

/// A flow without its nodes.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Flow {
    /// Row id.
    #[sqlx(try_from = "i64")]
    pub id: FlowId,
    /// The bot it is part of.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// Name given by its owner.
    pub name: String,
    /// Text for people.
    pub description: Option<String>,
    /// Whether every save without errors is published at once.
    pub auto_publish: bool,
    /// Deleted while executions still speak of it: seen by nobody, started by nothing.
    pub is_archived: bool,
    /// What new executions run; empty until something valid was published.
    pub published_version: Option<i64>,
    /// When it was made.
    pub created_at: Time,
    /// When it or its nodes last changed.
    pub updated_at: Time,
}

/// What of a flow its owner may set, beside the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowFields {
    /// Name given by its owner.
    pub name: String,
    /// Text for people.
    pub description: Option<String>,
    /// Whether every save without errors is published at once.
    pub auto_publish: bool,
}

impl Flow {
    /// The part that an update writes.
    pub fn fields(&self) -> FlowFields {
        FlowFields { name: self.name.clone(), description: self.description.clone(), auto_publish: self.auto_publish }
    }
}

/// A published version, as listed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct VersionRow {
    /// Counts up from 1 within the flow.
    pub version: i64,
    /// When it was published.
    pub created_at: Time,
}

/// What became of a flow that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowRemoval {
    /// Nothing of it is left.
    Deleted,
    /// Executions speak of it, so its versions stay; it is in no list any more and its triggers are gone.
    Archived,
}

impl Tx {
    /// Makes a flow without nodes in a bot that was claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the bot is gone.
    pub async fn create_flow(&mut self, bot: BotId, fields: &FlowFields, now: Time) -> Result<Flow> {
        Ok(on!(self, c => sqlx::query_as(
            "INSERT INTO flows (bot_id, name, description, auto_publish, is_archived, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING *",
        )
        .bind(bot.0)
        .bind(&fields.name)
        .bind(&fields.description)
        .bind(fields.auto_publish)
        .bind(false)
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// A flow of this owner.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flow(&mut self, owner: UserId, id: FlowId) -> Result<Option<Flow>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT f.* FROM flows f JOIN bots b ON b.id = f.bot_id
             WHERE f.id = $1 AND b.owner_id = $2 AND NOT f.is_archived",
        )
        .bind(id.0)
        .bind(owner.0)
        .fetch_optional(c)
        .await)?)
    }

    /// A flow of this owner, about to be changed: claims its bot, see [`Tx::claim_bot`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_flow(&mut self, owner: UserId, id: FlowId) -> Result<Option<Flow>> {
        on!(self, c => sqlx::query(
            "UPDATE bots SET revision = revision + 1
             WHERE owner_id = $2 AND id = (SELECT bot_id FROM flows WHERE id = $1 AND NOT is_archived)",
        )
        .bind(id.0)
        .bind(owner.0)
        .execute(c)
        .await
        .map(|_| ()))?;
        self.flow(owner, id).await
    }

    /// The owner's flows by id, of one bot or of all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flows(&mut self, owner: UserId, bot: Option<BotId>, limit: i64, skip: i64) -> Result<Page<Flow>> {
        macro_rules! query {
            ($columns:literal) => {{
                let mut query = QueryBuilder::new($columns);
                query.push(" FROM flows f JOIN bots b ON b.id = f.bot_id WHERE NOT f.is_archived AND b.owner_id = ");
                query.push_bind(owner.0);
                if let Some(bot) = bot {
                    query.push(" AND f.bot_id = ").push_bind(bot.0);
                }
                query
            }};
        }
        let total = on!(self, c => query!("SELECT COUNT(*)").build_query_scalar().fetch_one(c).await)?;
        let items = on!(self, c => {
            let mut query = query!("SELECT f.*");
            query.push(" ORDER BY f.id LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(Page { items, total })
    }

    /// Writes all fields of a flow that was claimed in this transaction.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn update_flow(&mut self, id: FlowId, fields: &FlowFields, now: Time) -> Result<Flow> {
        Ok(on!(self, c => sqlx::query_as(
            "UPDATE flows SET name = $2, description = $3, auto_publish = $4, updated_at = $5 WHERE id = $1 RETURNING *",
        )
        .bind(id.0)
        .bind(&fields.name)
        .bind(&fields.description)
        .bind(fields.auto_publish)
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// Deletes a flow that was claimed in this transaction, and its triggers. One that has executions, even ended
    /// ones, is archived instead: they keep the version they run.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_flow(&mut self, id: FlowId, now: Time) -> Result<FlowRemoval> {
        on!(self, c => sqlx::query(
            "DELETE FROM trigger_logs WHERE trigger_id IN (SELECT id FROM triggers WHERE flow_id = $1)",
        )
        .bind(id.0)
        .execute(c)
        .await
        .map(|_| ()))?;
        on!(self, c => sqlx::query("DELETE FROM triggers WHERE flow_id = $1").bind(id.0).execute(c).await.map(|_| ()))?;
        let used: bool = on!(self, c => sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM executions WHERE flow_id = $1)")
            .bind(id.0)
            .fetch_one(c)
            .await)?;
        if used {
            on!(self, c => sqlx::query("UPDATE flows SET is_archived = $2, updated_at = $3 WHERE id = $1")
                .bind(id.0)
                .bind(true)
                .bind(now)
                .execute(c)
                .await
                .map(|_| ()))?;
            return Ok(FlowRemoval::Archived);
        }
        on!(self, c => sqlx::query("DELETE FROM flows WHERE id = $1").bind(id.0).execute(c).await.map(|_| ()))?;
        Ok(FlowRemoval::Deleted)
    }

    /// Makes a definition what new executions of a flow run; the flow was claimed in this transaction. A definition
    /// that is published already makes no new version. Answers the version.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn publish(&mut self, id: FlowId, definition: &FlowDefinition, now: Time) -> Result<i64> {
        let newest: Option<(i64, Json<FlowDefinition>)> = on!(self, c => sqlx::query_as(
            "SELECT version, definition FROM flow_versions WHERE flow_id = $1 ORDER BY version DESC LIMIT 1",
        )
        .bind(id.0)
        .fetch_optional(c)
        .await)?;
        let version = match newest {
            Some((version, Json(published))) if published == *definition => version,
            newest => {
                let version = newest.map_or(0, |(version, _)| version) + 1;
                on!(self, c => sqlx::query(
                    "INSERT INTO flow_versions (flow_id, version, definition, created_at) VALUES ($1, $2, $3, $4)",
                )
                .bind(id.0)
                .bind(version)
                .bind(Json(definition))
                .bind(now)
                .execute(c)
                .await
                .map(|_| ()))?;
                version
            }
        };
        on!(self, c => sqlx::query("UPDATE flows SET published_version = $2, updated_at = $3 WHERE id = $1")
            .bind(id.0)
            .bind(version)
            .bind(now)
            .execute(c)
            .await
            .map(|_| ()))?;
        Ok(version)
    }

    /// The versions of a flow, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flow_versions(&mut self, id: FlowId, limit: i64, skip: i64) -> Result<Page<VersionRow>> {
        let total = on!(self, c => sqlx::query_scalar("SELECT COUNT(*) FROM flow_versions WHERE flow_id = $1")
            .bind(id.0)
            .fetch_one(c)
            .await)?;
        let items = on!(self, c => sqlx::query_as(
            "SELECT version, created_at FROM flow_versions WHERE flow_id = $1 ORDER BY version DESC LIMIT $2 OFFSET $3",
        )
        .bind(id.0)
        .bind(limit)
        .bind(skip)
        .fetch_all(c)
        .await)?;
        Ok(Page { items, total })
    }

    /// A flow's present name and one of its versions, whoever owns it, archived or not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flow_version(&mut self, id: FlowId, version: i64) -> Result<Option<(String, FlowDefinition)>> {
        let found: Option<(String, Json<FlowDefinition>)> = on!(self, c => sqlx::query_as(
            "SELECT f.name, v.definition FROM flow_versions v JOIN flows f ON f.id = v.flow_id
             WHERE v.flow_id = $1 AND v.version = $2",
        )
        .bind(id.0)
        .bind(version)
        .fetch_optional(c)
        .await)?;
        Ok(found.map(|(name, Json(definition))| (name, definition)))
    }

    /// The flows with these ids that may be started, whoever owns them, in no order: those archived, gone or never
    /// published are left out. The number is the version to start.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn published_versions(&mut self, ids: &[FlowId]) -> Result<Vec<(FlowId, i64)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, i64)> = on!(self, c => {
            let mut query = QueryBuilder::new(
                "SELECT id, published_version FROM flows
                 WHERE published_version IS NOT NULL AND NOT is_archived AND id IN (",
            );
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.0);
            }
            query.push(")").build_query_as().persistent(false).fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(|(id, version)| (FlowId(id), version)).collect())
    }

    /// The flows with these ids, whoever owns them, archived ones too, in no order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flows_by_ids(&mut self, ids: &[FlowId]) -> Result<Vec<Flow>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new("SELECT * FROM flows WHERE id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.0);
            }
            query.push(")").build_query_as().persistent(false).fetch_all(c).await
        })?)
    }
}
