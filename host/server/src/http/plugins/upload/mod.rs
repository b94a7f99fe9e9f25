//! `POST /plugins`

mod component;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use plugin_host::{Severity, UploadFinding as Finding};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{PluginView, VersionView};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        problem::{Kind, Problem, Result},
    },
    plugins::UploadError,
};

/// A component as a form sends it.
#[derive(Debug, ToSchema)]
#[schema(as = PluginUpload)]
#[expect(dead_code, reason = "describes what is read")]
pub(in crate::http) struct UploadInput {
    /// The component.
    #[schema(value_type = String, format = Binary)]
    component: Vec<u8>,
}

/// A version that is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Uploaded {
    plugin: PluginView,
    /// The version, with its manifest and what was found: the upload report.
    version: VersionView,
}

/// Upload a plugin: a WebAssembly component, as it is or as the field `component` of a form.
///
/// It is checked, compiled, asked to describe itself, and its examples are run. Its manifest says which version of which
/// plugin it is; the same code again changes nothing, other code under the same version is a conflict. New flows take it
/// at once if it is the highest version.
#[utoipa::path(
    post, path = "/plugins", tag = "plugins", operation_id = "upload_plugin",
    request_body(content(
        (Vec<u8> = "application/wasm"),
        (UploadInput = "multipart/form-data"),
    )),
    responses(
        (status = CREATED, body = Uploaded),
        (status = OK, description = "The same code was there already", body = Uploaded),
        (status = CONFLICT, description = "The version is there with other code"),
        (status = UNPROCESSABLE_ENTITY, description = "It is no plugin: `findings` lists everything that is wrong with it"),
    )
)]
pub(in crate::http) async fn upload(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    request: Request,
) -> Result<(StatusCode, Json<Uploaded>)> {
    let component = component::read(request, app.config.plugins.upload_bytes_max, &app.plugins).await?;
    let accepted = app.plugins.upload(current.id, component).await.map_err(problem)?;
    let mut tx = app.db.read().await?;
    let versions = tx.plugin_versions(accepted.plugin.id).await?;
    let status = if accepted.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let version = VersionView::new(&accepted.plugin.name, accepted.version);
    Ok((status, Json(Uploaded { plugin: PluginView::new(accepted.plugin, versions, &current), version })))
}

fn problem(error: UploadError) -> Problem {
    match error {
        UploadError::Refused(findings) => refused(&findings),
        UploadError::Conflict(detail) => Problem::conflict(detail),
        UploadError::Busy(detail) => Problem::new(Kind::UNAVAILABLE, detail),
        UploadError::Storage(error) => error.into(),
    }
}

fn refused(findings: &[Finding]) -> Problem {
    let wrong: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Refusal).collect();
    let detail = match wrong.as_slice() {
        [one] => one.message.clone(),
        all => format!("{} things are wrong with it", all.len()),
    };
    let shown: Vec<Value> = findings.iter().map(|finding| json!(finding)).collect();
    Problem::new(Kind::INVALID, detail).with("findings", shown)
}
