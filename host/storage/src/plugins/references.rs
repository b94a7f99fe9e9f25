//! Who needs a plugin: flows that run it, flows that are being edited with it, and triggers.

use domain::UserId;
use sqlx::FromRow;

use super::Plugin;
use crate::{Error, Result, Tx, db::on};

/// What kind of thing needs a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferenceKind {
    /// A published flow, or one whose executions still run.
    Flow,
    /// A flow whose nodes, as edited now, name the plugin.
    Draft,
    /// A trigger.
    Trigger,
}

impl ReferenceKind {
    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Draft => "draft",
            Self::Trigger => "trigger",
        }
    }
}

impl TryFrom<String> for ReferenceKind {
    type Error = Error;

    fn try_from(word: String) -> Result<Self> {
        match word.as_str() {
            "flow" => Ok(Self::Flow),
            "draft" => Ok(Self::Draft),
            "trigger" => Ok(Self::Trigger),
            _ => Err(Error::Corrupt(format!("unknown kind of reference {word}"))),
        }
    }
}

/// Something that needs a plugin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct PluginReference {
    /// What kind of thing.
    #[sqlx(try_from = "String")]
    pub kind: ReferenceKind,
    /// Row id of the flow or trigger.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whose it is.
    #[sqlx(try_from = "i64")]
    pub owner_id: UserId,
}

impl Tx {
    /// The flows that run this very code of a plugin: what they published last, and versions that executions still run.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn code_references(&mut self, plugin: &Plugin, digest: &str) -> Result<Vec<PluginReference>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT DISTINCT 'flow' AS kind, f.id, f.name, b.owner_id
             FROM flow_versions v JOIN flows f ON f.id = v.flow_id JOIN bots b ON b.id = f.bot_id
             WHERE v.definition -> 'plugins' -> CAST($1 AS TEXT) ->> 'digest' = $2
               AND (b.owner_id = $3 OR ($4 AND b.owner_id IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM plugins own JOIN plugin_versions had ON had.plugin_id = own.id
                     WHERE own.owner_id = b.owner_id AND own.name = $1 AND had.digest = $2)))
               AND ((v.version = f.published_version AND NOT f.is_archived) OR EXISTS (
                     SELECT 1 FROM executions e
                     WHERE e.flow_id = f.id AND e.flow_version = v.version AND e.completed_at IS NULL))
             ORDER BY f.id")
            .bind(&plugin.name)
            .bind(digest)
            .bind(plugin.owner_id.0)
            .bind(plugin.is_shared)
            .fetch_all(c)
            .await)?)
    }

    /// The flows that are being edited with nodes of a plugin, and the triggers that name it, whatever its versions.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn name_references(&mut self, plugin: &Plugin) -> Result<Vec<PluginReference>> {
        let mut found: Vec<PluginReference> = on!(&mut *self, c => sqlx::query_as(
            "SELECT DISTINCT 'draft' AS kind, f.id, f.name, b.owner_id
             FROM nodes n JOIN flows f ON f.id = n.flow_id JOIN bots b ON b.id = f.bot_id
             WHERE n.type LIKE $1 AND NOT f.is_archived
               AND (b.owner_id = $3 OR ($4 AND b.owner_id IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM plugins own WHERE own.owner_id = b.owner_id AND own.name = $2)))
             ORDER BY f.id")
            .bind(format!("{}/%", plugin.name))
            .bind(&plugin.name)
            .bind(plugin.owner_id.0)
            .bind(plugin.is_shared)
            .fetch_all(c)
            .await)?;
        let triggers: Vec<PluginReference> = on!(self, c => sqlx::query_as(
            "SELECT 'trigger' AS kind, t.id, t.name, b.owner_id FROM triggers t JOIN bots b ON b.id = t.bot_id
             WHERE t.trigger_type = 'plugin' AND t.rule ->> 'plugin' = $1
               AND (b.owner_id = $2 OR ($3 AND b.owner_id IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM plugins own WHERE own.owner_id = b.owner_id AND own.name = $1)))
             ORDER BY t.id")
            .bind(&plugin.name)
            .bind(plugin.owner_id.0)
            .bind(plugin.is_shared)
            .fetch_all(c)
            .await)?;
        found.extend(triggers);
        Ok(found)
    }
}
