//! `GET /bots/templates/`

use std::sync::Arc;

use axum::{Json, extract::State};
use storage::Page;

use super::TemplateView;
use crate::{
    app::App,
    gallery,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::Result,
    },
};

/// My templates, then those that come with the server.
#[utoipa::path(
    get, path = "/bots/templates/", tag = "templates", operation_id = "list_templates",
    params(
        ("is_builtin" = Option<bool>, Query, description = "Only those that come with the server, or only mine"),
        Paging,
    ), responses((status = OK, body = List<TemplateView>))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<TemplateView>>> {
    let is_builtin = query.boolean("is_builtin").optional();
    let paging = Paging::read(&mut query);
    query.finish()?;
    let mine = match is_builtin {
        Some(true) => Page { items: Vec::new(), total: 0 },
        _ => app.db.read().await?.templates(current.id, paging.limit, paging.skip).await?,
    };
    let built_in = if is_builtin == Some(false) { &[] } else { gallery::all() };
    let total = mine.total.saturating_add(i64::try_from(built_in.len()).unwrap_or(i64::MAX));
    let skip = usize::try_from(paging.skip.saturating_sub(mine.total)).unwrap_or_default();
    let mut items: Vec<_> = mine.items.into_iter().map(TemplateView::from).collect();
    let room = usize::try_from(paging.limit).unwrap_or_default().saturating_sub(items.len());
    items.extend(built_in.iter().skip(skip).take(room).map(TemplateView::from));
    Ok(Json(paging.envelope(Page { items, total }, |view| view)))
}
