//! `GET /flows/contacts/{contact_id}/consents`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::{ConsentSource, ContactId};
use serde::Serialize;
use storage::Consent;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        id::Id,
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// A change of what a contact agrees to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Consent)]
pub(in crate::http) struct ConsentView {
    id: i64,
    /// Whether the contact agreed from then on to get messages that it did not ask for.
    opted_in: bool,
    /// `keyword`, `user_preferences`, `meta_error` or `api`
    #[schema(value_type = String)]
    source: ConsentSource,
    /// What the contact wrote, or what Meta said.
    detail: Option<String>,
    /// When it was said.
    at: DateTime<Utc>,
}

impl From<Consent> for ConsentView {
    fn from(consent: Consent) -> Self {
        let source = consent.source();
        Self { id: consent.id, opted_in: consent.opted_in, source, detail: consent.detail, at: consent.at }
    }
}

/// What a contact has agreed to over time, newest first. A contact agrees until it says otherwise.
#[utoipa::path(
    get, path = "/flows/contacts/{contact_id}/consents", tag = "contacts", operation_id = "list_consents",
    params(("contact_id" = i64, Path), Paging), responses((status = OK, body = List<ConsentView>))
)]
pub(in crate::http) async fn consents(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ContactId>,
    Query(mut query): Query,
) -> Result<Json<List<ConsentView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let mut tx = app.db.read().await?;
    tx.contact(current.id, id).await?.ok_or_else(|| Problem::not_found("contact"))?;
    let consents = tx.consents(current.id, id, paging.limit, paging.skip).await?;
    tx.commit().await?;
    Ok(Json(paging.envelope(consents, ConsentView::from)))
}
