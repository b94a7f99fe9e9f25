//! `GET /metrics`

use std::sync::Arc;

use axum::{extract::State, http::header, response::IntoResponse};

use crate::{
    app::App,
    http::{auth::CurrentUser, problem::Result},
    metrics,
};

/// What this server counts, in the Prometheus text format; for admins.
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses(
        (status = OK, body = String, content_type = "text/plain"),
        (status = FORBIDDEN, description = "Not an admin"),
    )
)]
pub(in crate::http) async fn metrics(State(app): State<Arc<App>>, current: CurrentUser) -> Result<impl IntoResponse> {
    current.must_be_admin()?;
    let mut tx = app.db.read().await?;
    let (mailboxes, busy) = tx.count_mailboxes().await?;
    let (contacts, messages) = app.work.pending();
    let gauges = [
        ("chatboost_mailboxes", "Contacts with something to do, now or later, on all hosts", mailboxes),
        ("chatboost_mailboxes_busy", "Contacts with something to do now, on all hosts", busy),
        ("chatboost_contacts_in_work", "Contacts that this host works on", i64::try_from(contacts).unwrap_or(i64::MAX)),
        (
            "chatboost_messages_unsettled",
            "Messages that this host has still to send",
            i64::try_from(messages).unwrap_or(i64::MAX),
        ),
        (
            "chatboost_hosts_sending",
            "Hosts that share the rates of numbers, this one included, as far as it has heard",
            i64::try_from(app.work.hosts_sending()).unwrap_or(i64::MAX),
        ),
    ];
    let mut text = metrics::render();
    for (name, help, value) in gauges {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"));
    }
    text.push_str(&app.plugins.prometheus());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
