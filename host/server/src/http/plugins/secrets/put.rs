//! `PUT /plugins/{name}/secrets/{bot_id}/{secret}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::Fault;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        plugins::{
            Place, bot,
            grants::{is_secret_wanted, manifests},
            seen,
        },
        problem::{Problem, Result},
    },
    plugins::secret_place,
};

/// Most characters of a secret.
const CHARS_MAX: usize = 8_192;

/// A secret's value.
#[derive(Debug, ToSchema)]
#[schema(as = PluginSecretInput)]
#[expect(dead_code, reason = "describes what is read")]
pub(in crate::http) struct SecretInput {
    #[schema(write_only, min_length = 1, max_length = 8192)]
    value: String,
}

/// Lend a plugin a secret for one of my bots.
///
/// It can be used once the grant names it, and where the grant says; nobody can read it again.
#[utoipa::path(
    put, path = "/plugins/{name}/secrets/{bot_id}/{secret}", tag = "plugins", operation_id = "put_plugin_secret",
    params(("name" = String, Path), ("bot_id" = i64, Path), ("secret" = String, Path)), request_body = SecretInput,
    responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn put(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
    mut body: Body,
) -> Result<StatusCode> {
    let value = body.text("value").min(1).max(CHARS_MAX).required();
    body.finish()?;
    let mut tx = app.db.begin().await?;
    tx.claim_plugins().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let bot = bot(&mut tx, &current, &place).await?;
    let (all, _) = manifests(&mut tx, &plugin).await?;
    let name = place.secret();
    if !is_secret_wanted(&all, name) {
        let detail = format!("no version of the plugin asks for a secret named {name}");
        return Err(Problem::invalid(vec![Fault::new("/path/secret", detail)]));
    }
    let sealed = app.secrets.seal(bot, &secret_place(plugin.id, name), &value);
    let sealed = sealed.map_err(|error| Problem::internal(&error))?;
    tx.put_plugin_secret(plugin.id, bot, name, &sealed, app.clock.now()).await?;
    tx.commit().await?;
    app.plugins.changed();
    Ok(StatusCode::NO_CONTENT)
}
