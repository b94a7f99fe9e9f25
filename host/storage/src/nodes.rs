//! The nodes of a flow's draft. What runs is a snapshot of them: see [`Tx::publish`].

use domain::{FlowDefinition, FlowId, NodeDefinition, NodeId, Time, UserId};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Page, Result, Tx, db::on};

/// A node of a draft.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Node {
    /// Row id.
    #[sqlx(try_from = "i64")]
    pub id: NodeId,
    /// The flow it is part of.
    #[sqlx(try_from = "i64")]
    pub flow_id: FlowId,
    /// Zero-based place in the flow; unique there.
    pub position: i64,
    /// Stable name; unique in the flow.
    pub key: Option<String>,
    /// Node type.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// Label for people.
    pub name: Option<String>,
    /// The type's own settings.
    #[sqlx(json)]
    pub config: Value,
    /// What an editor keeps with the node, e.g. where it is drawn.
    #[sqlx(json(nullable))]
    pub ui: Option<Value>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// What of a node may be set.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFields {
    /// Zero-based place in the flow.
    pub position: i64,
    /// Stable name.
    pub key: Option<String>,
    /// Node type.
    pub kind: String,
    /// Label for people.
    pub name: Option<String>,
    /// The type's own settings.
    pub config: Value,
    /// What an editor keeps with the node.
    pub ui: Option<Value>,
}

impl Node {
    /// The node as a version freezes it.
    pub fn definition(&self) -> NodeDefinition {
        NodeDefinition {
            position: self.position,
            key: self.key.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            config: self.config.clone(),
        }
    }

    /// The part that an update writes.
    pub fn fields(&self) -> NodeFields {
        NodeFields {
            position: self.position,
            key: self.key.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            config: self.config.clone(),
            ui: self.ui.clone(),
        }
    }
}

impl From<&NodeDefinition> for NodeFields {
    fn from(node: &NodeDefinition) -> Self {
        Self {
            position: node.position,
            key: node.key.clone(),
            kind: node.kind.clone(),
            name: node.name.clone(),
            config: node.config.clone(),
            ui: None,
        }
    }
}

/// The definition that these nodes, ordered by position, make.
pub fn definition(nodes: &[Node]) -> FlowDefinition {
    FlowDefinition { nodes: nodes.iter().map(Node::definition).collect(), ..FlowDefinition::default() }
}

impl Tx {
    /// All nodes of a flow by position.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn nodes_of_flow(&mut self, flow: FlowId) -> Result<Vec<Node>> {
        Ok(on!(self, c => sqlx::query_as("SELECT * FROM nodes WHERE flow_id = $1 ORDER BY position")
            .bind(flow.0)
            .fetch_all(c)
            .await)?)
    }

    /// A node of a flow of this owner.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn node(&mut self, owner: UserId, id: NodeId) -> Result<Option<Node>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT n.* FROM nodes n JOIN flows f ON f.id = n.flow_id JOIN bots b ON b.id = f.bot_id
             WHERE n.id = $1 AND b.owner_id = $2 AND NOT f.is_archived",
        )
        .bind(id.0)
        .bind(owner.0)
        .fetch_optional(c)
        .await)?)
    }

    /// The owner's nodes by flow and position, of one flow or of all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn nodes(&mut self, owner: UserId, flow: Option<FlowId>, limit: i64, skip: i64) -> Result<Page<Node>> {
        macro_rules! query {
            ($columns:literal) => {{
                let mut query = QueryBuilder::new($columns);
                query.push(" FROM nodes n JOIN flows f ON f.id = n.flow_id JOIN bots b ON b.id = f.bot_id");
                query.push(" WHERE NOT f.is_archived AND b.owner_id = ").push_bind(owner.0);
                if let Some(flow) = flow {
                    query.push(" AND n.flow_id = ").push_bind(flow.0);
                }
                query
            }};
        }
        let total = on!(self, c => query!("SELECT COUNT(*)").build_query_scalar().fetch_one(c).await)?;
        let items = on!(self, c => {
            let mut query = query!("SELECT n.*");
            query.push(" ORDER BY n.flow_id, n.position LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(Page { items, total })
    }

    /// The position after the flow's last node.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_position(&mut self, flow: FlowId) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar("SELECT COALESCE(MAX(position) + 1, 0) FROM nodes WHERE flow_id = $1")
            .bind(flow.0)
            .fetch_one(c)
            .await)?)
    }

    /// Adds a node to a flow that was claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the position or the key is taken in this flow.
    pub async fn create_node(&mut self, flow: FlowId, node: &NodeFields, now: Time) -> Result<Node> {
        Ok(on!(self, c => sqlx::query_as(
            "INSERT INTO nodes (flow_id, position, key, type, name, config, ui, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING *",
        )
        .bind(flow.0)
        .bind(node.position)
        .bind(&node.key)
        .bind(&node.kind)
        .bind(&node.name)
        .bind(Json(&node.config))
        .bind(node.ui.as_ref().map(Json))
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// Writes all of a node whose flow was claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the position or the key is taken in this flow.
    pub async fn update_node(&mut self, id: NodeId, node: &NodeFields, now: Time) -> Result<Node> {
        Ok(on!(self, c => sqlx::query_as(
            "UPDATE nodes SET position = $2, key = $3, type = $4, name = $5, config = $6, ui = $7, updated_at = $8
             WHERE id = $1 RETURNING *",
        )
        .bind(id.0)
        .bind(node.position)
        .bind(&node.key)
        .bind(&node.kind)
        .bind(&node.name)
        .bind(Json(&node.config))
        .bind(node.ui.as_ref().map(Json))
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// Deletes a node whose flow was claimed in this transaction. The others keep their positions.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_node(&mut self, id: NodeId) -> Result<()> {
        on!(self, c => sqlx::query("DELETE FROM nodes WHERE id = $1").bind(id.0).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// Makes these the nodes of a flow that was claimed in this transaction. What stays at its position keeps its id.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when two of them share a position or a key.
    pub async fn replace_nodes(&mut self, flow: FlowId, nodes: &[NodeFields], now: Time) -> Result<Vec<Node>> {
        on!(self, c => {
            let mut query = QueryBuilder::new("DELETE FROM nodes WHERE flow_id = ");
            query.push_bind(flow.0);
            if !nodes.is_empty() {
                query.push(" AND position NOT IN (");
                let mut list = query.separated(", ");
                for node in nodes {
                    list.push_bind(node.position);
                }
                query.push(")");
            }
            query.build().persistent(false).execute(c).await.map(|_| ())
        })?;
        // Two nodes may swap their keys; a key is unique at every moment.
        on!(self, c => sqlx::query("UPDATE nodes SET key = NULL WHERE flow_id = $1")
            .bind(flow.0)
            .execute(c)
            .await
            .map(|_| ()))?;
        for node in nodes {
            on!(self, c => sqlx::query(
                "INSERT INTO nodes (flow_id, position, key, type, name, config, ui, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
                 ON CONFLICT (flow_id, position) DO UPDATE SET key = excluded.key, type = excluded.type,
                    name = excluded.name, config = excluded.config, ui = excluded.ui, updated_at = excluded.updated_at",
            )
            .bind(flow.0)
            .bind(node.position)
            .bind(&node.key)
            .bind(&node.kind)
            .bind(&node.name)
            .bind(Json(&node.config))
            .bind(node.ui.as_ref().map(Json))
            .bind(now)
            .execute(c)
            .await
            .map(|_| ()))?;
        }
        self.nodes_of_flow(flow).await
    }
}
